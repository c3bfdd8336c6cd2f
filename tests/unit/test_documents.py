"""YAML from strangers: read as data, or refused in words; never at the price of the process."""

from __future__ import annotations

import pytest

from apps.cluster import documents

DEEP = 50_000
LAUGHS = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (letter + 1, letter + 1, b", ".join([b"*%c" % letter] * 10)) for letter in range(97, 104)
)
ECHOES = b"a: &a %s\nb: [%s]\n" % (b"x" * 10_000, b", ".join([b"*a"] * 400))
ECHOED_KEYS = b"a: &a {%s: 1}\nb: [%s]\n" % (b"x" * 1000, b", ".join([b"*a"] * 4000))


@pytest.mark.parametrize(
    ("text", "found"),
    [(b"a: 1", [{"a": 1}]), (b"a: 2026-01-01\n---\nb: yes", [{"a": "2026-01-01"}, {"b": True}]), (b"", []),
     (b'{"a": [1, null]}', [{"a": [1, None]}]), (b"1: 2", [{"1": 2}]), (b"&a [1]\n", [[1]])],
)  # fmt: skip
def test_plain_data_is_read(text: bytes, found: object) -> None:
    assert documents.read(text) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[" * DEEP + b"]" * DEEP, "deeper than 100"), (b"{a: " * DEEP, "deeper than 100"), (b"- " * DEEP, "deeper"),
        (b"a: &a [*a]", "deeper"), (b"a: 1\na: 2", "stands twice"), (b"? [1]\n: 2", "no text"), (b"a: [", "line 2"),
        (b"!!python/object:os.system {}", "could not determine a constructor"), (b"\xff\xfe\xff", "YAML"),
        (LAUGHS, "more than 500000 values"), (ECHOES, "characters"), (ECHOED_KEYS, "characters"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)  # fmt: skip
def test_what_would_hurt_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(documents.Unreadable, match=why):
        documents.read(text)
