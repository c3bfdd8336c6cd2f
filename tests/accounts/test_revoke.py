"""The operator's way to end tokens."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from apps.accounts import tokens

pytestmark = pytest.mark.usefixtures("cluster")


def revoke(*arguments: str) -> str:
    out = io.StringIO()
    call_command("revoke", *arguments, stdout=out)
    return out.getvalue()


def test_one_token_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    leaked, other = tokens.issue("ana"), tokens.issue("ana")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{leaked}\n"))
    assert revoke("--token").startswith("1 tokens have ended")
    tokens.forget()
    assert tokens.check(leaked) is None and tokens.check(other)


def test_all_of_an_owner_or_of_a_purpose_end() -> None:
    mine, node = tokens.issue("ana"), tokens.issue("system:node:n1", ["system:nodes"], purpose=tokens.NODE)
    assert revoke("--actor", "ana").startswith("1 ")
    assert revoke("--purpose", "node").startswith("1 ")
    tokens.forget()
    assert tokens.check(mine) is None and tokens.check(node) is None


def test_what_is_no_token_of_ours_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a.b.c\n"))
    with pytest.raises(CommandError, match="begin with drv_"):
        revoke("--token")
    with pytest.raises(CommandError):
        revoke()
