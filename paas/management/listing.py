"""The verb ``list`` of commands that tell who is there, and may wait for some of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

Told = Callable[[Collection[str], float], str]
"""The list for a person, once those that are wanted are there or the time is over."""


def declare(verbs: Any, *, who: str, state: str, help: str) -> None:
    """The verb with its options; ``state`` is what is waited for."""
    listed = verbs.add_parser("list", help=help)
    listed.add_argument("wanted", nargs="*", help=f"{who} that --wait waits for")
    listed.add_argument("--wait", type=float, default=0, help=f"seconds to wait until those {state}")
    listed.add_argument("--json", action="store_true", help="for a program")


def answer(options: dict[str, Any], told: Told, found: Callable[[], Any]) -> str:
    """What the verb says: ``told``, or as JSON what is ``found`` after as long a wait."""
    words = told(options["wanted"], options["wait"])
    return json.dumps(found()) if options["json"] else words
