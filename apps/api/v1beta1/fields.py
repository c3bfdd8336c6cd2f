"""Takes an object of an old manifest apart: each field once, by name; what is left over is told by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from apps.cluster.types import Problem

T = TypeVar("T")

_WORDS: dict[type[Any], str] = {
    dict: "an object", list: "a list", str: "a string", int: "an integer", bool: "true or false",
}  # fmt: skip


class Fields:
    """The fields of one object. Problems of the whole manifest are collected in one list."""

    def __init__(self, data: Any, path: str, problems: list[Problem]) -> None:
        self.path, self.problems = path, problems
        self._left: dict[str, Any] = {}
        if isinstance(data, dict):
            self._left = {key: value for key, value in data.items() if value is not None}
        elif data is not None:
            self.problem("", "must be an object")

    def problem(self, name: str, why: str, reason: str = "FieldValueTypeInvalid") -> None:
        place = ".".join(part for part in (self.path, name) if part)
        self.problems.append(Problem(place, why, reason))

    def take(self, name: str, kind: type[T]) -> T | None:
        """The field's value, gone from what is left; None when it is not there or of another type."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
        self.problem(name, f"must be {_WORDS.get(kind, 'another type')}")
        return None

    def any(self, name: str) -> Any:
        """The field's value whatever it is: v1 judges it."""
        return self._left.pop(name, None)

    def word(self, name: str, words: Mapping[str, str]) -> str | None:
        """A word of a fixed set, said as v1 says it."""
        said = self.take(name, str)
        if not said:
            return None
        if said not in words:
            known = ", ".join(f'"{word}"' for word in words)
            self.problem(
                name, f'Unsupported value: "{said[:60]}": supported values: {known}', "FieldValueNotSupported"
            )
            return None
        return words[said]

    def inner(self, name: str) -> Fields:
        """The object in a field; an empty one when it is not there."""
        return Fields(
            self._left.pop(name, None), ".".join(part for part in (self.path, name) if part), self.problems
        )

    def each(self, name: str) -> list[Fields]:
        """The objects of a list."""
        path = ".".join(part for part in (self.path, name) if part)
        items = self.take(name, list) or []
        return [Fields(item, f"{path}[{index}]", self.problems) for index, item in enumerate(items)]

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def drop(self, *names: str) -> None:
        """What the server says and clients send back."""
        for name in names:
            self._left.pop(name, None)

    def end(self) -> None:
        """All that is known has been taken."""
        for name in self._left:
            self.problem(name, "unknown field", "FieldValueUnknown")
