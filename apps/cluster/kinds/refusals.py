"""What is wrong with a field, in the API's words: each function makes one Problem with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from apps.cluster.types import Problem

SHOWN = 128


def _shown(value: object) -> str:
    """A value as a message shows it: JSON, short, on one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def invalid(path: str, value: object, why: str) -> Problem:
    return Problem(path, f"Invalid value: {_shown(value)}: {why}", "FieldValueInvalid")


def required(path: str, why: str = "") -> Problem:
    return Problem(path, f"Required value: {why}" if why else "Required value", "FieldValueRequired")


def duplicate(path: str, value: object) -> Problem:
    return Problem(path, f"Duplicate value: {_shown(value)}", "FieldValueDuplicate")


def missing(path: str, value: object) -> Problem:
    """The value names something that is not there."""
    return Problem(path, f"Not found: {_shown(value)}", "FieldValueNotFound")


def forbidden(path: str, why: str) -> Problem:
    return Problem(path, f"Forbidden: {why}", "FieldValueForbidden")


def too_long(path: str, limit: int, unit: str = "bytes") -> Problem:
    return Problem(path, f"Too long: may not be more than {limit} {unit}", "FieldValueTooLong")


def unsupported(path: str, value: object, supported: Iterable[str]) -> Problem:
    known = ", ".join(_shown(each) for each in supported)
    return Problem(
        path, f"Unsupported value: {_shown(value)}: supported values: {known}", "FieldValueNotSupported"
    )


def one_of(path: str, value: str, supported: Iterable[str]) -> Iterator[Problem]:
    """The value must be among the supported ones."""
    known = tuple(supported)
    if value not in known:
        yield unsupported(path, value, known)


def spelled(path: str, value: str, problem_of: Callable[[str], str | None]) -> Iterator[Problem]:
    """The value must pass a check of ``apps.cluster.names``."""
    if why := problem_of(value):
        yield invalid(path, value, why)


def named(path: str, value: str, problem_of: Callable[[str], str | None]) -> Iterator[Problem]:
    """As ``spelled``, and the value must be there at all."""
    if not value:
        yield required(path)
    else:
        yield from spelled(path, value, problem_of)


def between(path: str, value: int | None, low: int, high: int) -> Iterator[Problem]:
    """The number, when given, must be within the bounds, both included."""
    if value is not None and not low <= value <= high:
        yield invalid(path, value, f"must be between {low} and {high}, inclusive")


def plain(path: str, value: str, limit: int = 512) -> Iterator[Problem]:
    """Free text that is kept and searched: no control characters, not endless."""
    if len(value) > limit:
        yield too_long(path, limit, "characters")
    elif not value.isprintable():
        yield invalid(path, value, "must not contain control characters")


def without_nul(path: str, value: str) -> Iterator[Problem]:
    """Text that is handed to a process: the one character it cannot hold is refused."""
    if "\0" in value:
        yield invalid(path, value, "must not contain the NUL character")
