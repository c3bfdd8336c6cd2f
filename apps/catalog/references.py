"""References inside scalars: ``${params.title}``, ``${components.db.host}``. Parsed once, replaced as data. Pure.

``$${`` stands for ``${``. There are no functions, conditions or loops, and what is put in is never read again, so no
value can bring in a reference of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import Struct

from apps.cluster.types.extensions import EXTENSIONS

PIECE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
SHORT = 1000  # characters; what is longer is read anew each time and not kept in memory
STEPS = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)


class Reference(NamedTuple):
    """The steps between the dots."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"${{{'.'.join(self.steps)}}}"

    @property
    def root(self) -> str:
        return self.steps[0]


class Hidden(NamedTuple):
    """In a value's place: the secret parameter of this name. Only who writes the Secret puts the value in."""

    parameter: str


class Mixed(NamedTuple):
    """Text with secrets in it: plain stretches and Hidden ones."""

    parts: tuple[str | Hidden, ...]


class Malformed(ValueError):
    """Why a scalar cannot be read, in words that follow "Invalid value"."""


Piece = str | Reference
Pieces = tuple[Piece, ...]


def pieces(text: str) -> Pieces:
    """The plain stretches and references of a scalar, in order. Raises Malformed."""
    return _kept(text) if len(text) <= SHORT else _pieces(text)


def _pieces(text: str) -> Pieces:
    found: list[Piece] = []
    plain, at = "", 0
    for match in PIECE.finditer(text):
        plain += text[at : match.start()]
        at = match.end()
        if match.group() == "$${":
            plain += "${"
            continue
        inside = (match.group(1) or "").strip()
        if not STEPS.fullmatch(inside):
            raise Malformed(
                f"{match.group()} is no reference: write ${{params.name}} or the like, and $${{ for a plain ${{"
            )
        if plain:
            found.append(plain)
            plain = ""
        found.append(Reference(tuple(inside.split("."))))
    plain += text[at:]
    return (*found, plain) if plain else tuple(found)


_kept = lru_cache(maxsize=4096)(_pieces)


def references(value: Any) -> Iterator[Reference]:
    """Every reference in a value of the format, keys left alone. Raises Malformed."""
    for _, text in scalars(value, ""):
        yield from (piece for piece in pieces(text) if isinstance(piece, Reference))


def scalars(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The text in a value of the format, each with its path as problems name it; what authors added is theirs."""
    match value:
        case str():
            yield path, value
        case Struct():
            names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
            for name, wire in names:
                if wire != EXTENSIONS:
                    yield from scalars(getattr(value, name), f"{path}.{wire}")
        case dict():
            for key, one in value.items():
                yield from scalars(one, f"{path}[{key}]")
        case list():
            for index, one in enumerate(value):
                yield from scalars(one, f"{path}[{index}]")


def substitute(data: Any, value_of: Callable[[Reference], Any]) -> Any:
    """The same plain data with every reference replaced; a scalar that is exactly one keeps the value's type."""
    match data:
        case str():
            return _replaced(pieces(data), value_of)
        case dict():
            return {key: substitute(value, value_of) for key, value in data.items()}
        case list():
            return [substitute(value, value_of) for value in data]
    return data


def _replaced(found: Pieces, value_of: Callable[[Reference], Any]) -> Any:
    if len(found) == 1 and isinstance(found[0], Reference):
        return value_of(found[0])
    parts = [piece if isinstance(piece, str) else value_of(piece) for piece in found]
    if any(isinstance(part, Hidden) for part in parts):
        return Mixed(tuple(part if isinstance(part, Hidden) else spelled(part) for part in parts))
    return "".join(spelled(part) for part in parts)


def renamed(text: str, root: str, old: str, new: str) -> str:
    """The text with references to ``old``, such as ``${components.old.host}``, naming ``new``; all else as it was."""

    def one(match: re.Match[str]) -> str:
        steps = (match.group(1) or "").strip().split(".")
        return f"${{{'.'.join((root, new, *steps[2:]))}}}" if steps[:2] == [root, old] else match.group()

    return PIECE.sub(one, text)


def spelled(value: Any) -> str:
    """A value inside text: switches as YAML writes them, nothing for what is not set."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
