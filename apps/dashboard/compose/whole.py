"""The form of what is said of the plan as a whole: what it requires, the headings of its questions, its notes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from apps.catalog.checking.requirements import PRIVILEGES
from apps.dashboard.compose import edits, entries
from apps.dashboard.compose.draft import Wrong
from apps.dashboard.compose.edits import Data
from apps.dashboard.compose.entries import Column, Entry, Filled, Table

NOTES = Entry("notes", "Told once it runs", "area", hint="${endpoints.web.url} is where its way in web answers.")
REQUIRES = (
    Entry("requires.nodes", "Nodes", "number", "1"),
    Entry("requires.platform", "Version of Drover", example=">=0.1"),
    Entry("requires.cpu", "Free CPU", example="500m"),
    Entry("requires.memory", "Free memory", example="1Gi"),
)
ALLOWED = Entry(
    "requires.privileges", "Rights beyond the ordinary", "words", " ".join(PRIVILEGES),
    hint="People see them before they install. What a component uses is declared by itself.",
)  # fmt: skip
ENTRIES = (NOTES, *REQUIRES, ALLOWED)
FOLDED = (("", "open"), ("true", "folded"))
HEADINGS = Table(
    "heading", "Headings of the questions",
    (Column("heading-id", "name", "basics", "code"), Column("heading-title", "words", "The shop"),
     Column("heading-collapsed", "state", kind="choice", choices=FOLDED)),
    "heading",
    listed=True,
)  # fmt: skip


@dataclass(frozen=True)
class Whole:
    """The plan as fields."""

    notes: Filled
    requires: tuple[Filled, ...]
    allowed: Filled
    headings: Table
    unplaced: tuple[Wrong, ...]


def of(data: Data, wrong: Iterable[Wrong]) -> Whole:
    about = [one for one in wrong if one.path.startswith(("notes", "requires", "groups"))]
    told = {f".{one.path}": one.message for one in about}
    notes, *requires, allowed = entries.filled(ENTRIES, data, told, "")
    rows = [
        (one["id"], one.get("title", ""), "true" if one.get("collapsed") else "")
        for one in data.get("groups", [])
    ]
    headings = HEADINGS.filled(rows, told, ".groups")
    shown = {
        *(one.problem for one in (notes, *requires, allowed)),
        *(row.problem for row in headings.rows),
    }
    return Whole(notes, tuple(requires), allowed, headings, tuple(one for one in about if one.message not in shown))


def typed(data: Data, sent: QueryDict) -> Data:
    """The plan with what the form says."""
    return edits.headings(entries.taken(ENTRIES, data, sent), _sent(data.get("groups", []), sent))


def _sent(was: list[Data], sent: QueryDict) -> list[tuple[str, Data]]:
    """The headings with the names that they had; a row that stands where one was is that one."""
    found = []
    rows = zip(*(sent.getlist(one.field) for one in HEADINGS.columns), strict=False)
    for at, (name, title, collapsed) in enumerate(rows):
        old: Mapping[str, Any] = was[at] if at < len(was) else {}
        given: Data = {**old, "id": name.strip(), "title": title.strip(), "collapsed": collapsed == "true"}
        said = {key: one for key, one in given.items() if key == "id" or key not in {"title", "collapsed"} or one}
        if given["id"]:
            found.append((old.get("id", ""), dict(old) if given == {"title": "", "collapsed": False, **old} else said))
    return found
