"""Texts too large for a page: their beginning, and how large the whole is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

VALUE, PAGE, LINES = 16_384, 65_536, 2000
"""Characters that one value may take, and all of a page; lines of a page."""


@dataclass(frozen=True)
class Excerpt:
    """What is shown, and in words how large the whole is. ``cut`` when more follows."""

    text: str
    size: str
    cut: bool


def excerpt(text: str, most: int = PAGE, lines: int = LINES) -> Excerpt:
    """The beginning of a text, up to the end of a line where there is one."""
    shown = "\n".join(text[:most].split("\n", lines)[:lines])
    cut = len(shown) < len(text.rstrip("\n"))
    if cut and len(shown) >= most:
        shown = shown[: shown.rfind("\n", most // 2)] if "\n" in shown[most // 2 :] else shown
    return Excerpt(shown, size(len(text.encode())), cut)


def excerpts(values: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Excerpt]]:
    """Values one after the other, until the page is full: of those behind only the size is told."""
    room = PAGE
    for key, text in values:
        shown = excerpt(text, min(VALUE, room))
        room -= len(shown.text)
        yield key, shown


def size(count: int) -> str:
    """Bytes in the unit that people would choose."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
