"""What a draft's text says: a plan where it can be read, and everything wrong with its line and column. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from apps.catalog import checking
from apps.catalog.format import Definition
from apps.cluster import documents, types
from apps.cluster.documents import Mark
from apps.cluster.types import Problem
from apps.dashboard import manifest

LONGEST = 256 * 1024
ROOT = "spec.definition"
"""Where a draft stands within an Application: the rules name fields from there."""


@dataclass(frozen=True)
class Wrong:
    """One thing wrong with a draft: the field's path within it, and where that stands in the text."""

    path: str
    message: str
    mark: Mark | None = None


@dataclass(frozen=True)
class Reading:
    """``definition`` is None while the text cannot be read or has fields that the format does not know."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    definition: Definition | None = None
    wrong: tuple[Wrong, ...] = ()

    def about(self, name: str) -> list[Wrong]:
        """What is wrong with one component."""
        return within(self.wrong, f"components[{name}]")


def within(wrong: Iterable[Wrong], here: str) -> list[Wrong]:
    """What is wrong at a place of the plan, or in what stands there."""
    return [one for one in wrong if one.path == here or one.path.startswith((f"{here}.", f"{here}["))]


def read(text: str) -> Reading:
    """Reads a draft; never raises."""
    if len(text) > LONGEST:
        return Reading(text, wrong=(Wrong("", f"This is too long: at most {LONGEST // 1024} KiB."),))
    try:
        found = documents.read(text.encode("utf-8", "replace"))
    except documents.Unreadable as error:
        return Reading(text, wrong=(Wrong("", f"The text {error}", error.mark),))
    if len(found) > 1:
        return Reading(
            text, wrong=(Wrong("", "A draft is one document: take out the lines of three dashes."),)
        )
    data = types.prune_nulls(found[0]) if found and found[0] is not None else {}
    if not isinstance(data, dict):
        return Reading(text, wrong=(Wrong("", "A draft is an object, such as one with the key components."),))
    if not data:
        return Reading(text, {}, Definition())  # nothing yet is no mistake yet; admission will not take it
    if problems := types.problems(Definition, data):
        return Reading(text, data, wrong=tuple(placed(text, problems)))
    definition = types.convert(Definition, data)
    return Reading(text, data, definition, tuple(placed(text, checking.problems(definition, ROOT))))


def placed(text: str, problems: Iterable[Problem]) -> list[Wrong]:
    """The problems with where each stands in a text that can be read, in the text's order."""
    told = [(one.path.removeprefix(ROOT).removeprefix("."), one.message) for one in problems]
    marks = documents.marks(text.encode("utf-8", "replace"), [path for path, _ in told])
    found = [Wrong(path, message, mark) for (path, message), mark in zip(told, marks, strict=True)]
    return sorted(found, key=lambda one: one.mark or (0, 0))


def written(definition: Definition | None) -> str:
    """The text of a plan that is there already."""
    data = bare(definition)
    return manifest.as_yaml(data) if data else ""


def bare(definition: Definition | None) -> dict[str, Any]:
    """A plan as plain data, without what says nothing."""
    found: dict[str, Any] = _without_empty(types.to_data(definition)) if definition is not None else {}
    return found


def _without_empty(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    kept = {key: _without_empty(value) for key, value in data.items()}
    return {key: value for key, value in kept.items() if value not in ({}, [])}


def parts_changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    """ "New", "Edited" or "Removed" for every component that differs, and "Edited" under "" for all the rest."""
    old, new = before.get("components", {}), after.get("components", {})
    found = {}
    for name in (*new, *(name for name in old if name not in new)):
        if name not in old or name not in new:
            found[name] = "Removed" if name in old else "New"
        elif old[name] != new[name]:
            found[name] = "Edited"
    if any(before.get(key) != after.get(key) for key in {*before, *after} - {"components"}):
        found[""] = "Edited"
    return found
