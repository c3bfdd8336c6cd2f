"""``manage.py node list`` and ``server list``: the same options, and a program waits as a person does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from paas.management import listing
from paas.management.commands import node, server

ASKED = {"wanted": ["a", "b"], "wait": 5.0}


@pytest.mark.parametrize("command", [node.Command(), server.Command()], ids=["node", "server"])
def test_both_lists_take_the_same_options(command: Any) -> None:
    found = vars(command.create_parser("manage.py", "x").parse_args(["list", "a", "b", "--wait", "5", "--json"]))
    assert ASKED.items() <= found.items() and found["json"] is True


@pytest.mark.parametrize(("json", "said"), [(False, "in words"), (True, '{"waited": 1}')])
def test_what_is_wanted_is_waited_for_whoever_reads(json: bool, said: str) -> None:
    waits = []

    def told(wanted: Collection[str], seconds: float) -> str:
        waits.append((wanted, seconds))
        return "in words"

    assert listing.answer({**ASKED, "json": json}, told, lambda: {"waited": len(waits)}) == said
    assert waits == [(["a", "b"], 5.0)]
