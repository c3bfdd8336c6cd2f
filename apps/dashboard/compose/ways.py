"""The form of one way in (an endpoint): where it leads, and how people outside reach it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from django.http import QueryDict

from apps.dashboard.compose import draft, edits, entries
from apps.dashboard.compose.draft import Wrong
from apps.dashboard.compose.edits import Data
from apps.dashboard.compose.entries import Entry, Filled, Listed

WORDS: Mapping[str, str] = {
    "": "inside only", "internal": "inside only", "nodePort": "a port on every node", "ingress": "a host name",
}  # fmt: skip
"""How a component is reached, by what ``via`` says."""
VIA = tuple((via, words) for via, words in WORDS.items() if via != "internal")
COMPONENT = Entry("component", "Leads to", "choice")
PORT = Entry("port", "At its port", "choice")
HOST = Entry("host", "Host name", example="shop.example.com")
NODE_PORT = Entry("nodePort", "Port of the nodes", "number", "any that is free")
ENTRIES = (
    COMPONENT, PORT,
    Entry("via", "Reached by", "choice", choices=VIA, written=(("internal", WORDS["internal"]),)),
    HOST, NODE_PORT,
    Entry("path", "Opens at", example="/"),
    Entry("primary", "Opens the application", "switch"),
)  # fmt: skip
ONLY = {HOST: "ingress", NODE_PORT: "nodePort"}
"""Fields that mean something by one way alone."""


@dataclass(frozen=True)
class Way:
    """One way in as fields."""

    name: str
    plain: tuple[Filled, ...]
    wrong: str
    unplaced: tuple[Wrong, ...]
    told_in: tuple[str, ...]


def place(name: str) -> str:
    """Where a way in stands in the plan."""
    return f"endpoints[{name}]"


def of(data: Data, name: str, wrong: Iterable[Wrong]) -> Way:
    """The form of a way in that is there."""
    content, here = data["endpoints"][name], place(name)
    told = {one.path: one.message for one in wrong}
    plain = entries.filled(_fields(data, content), content, told, here)
    shown = {told.get(here, ""), *(one.problem for one in plain)}
    unplaced = tuple(Wrong(path, words) for path, words in told.items() if words not in shown)
    return Way(name, plain, told.get(here, ""), unplaced, told_in(data, name))


def _fields(data: Data, content: Data) -> Iterator[Entry]:
    """With what can be chosen of this draft, and without what means nothing here and is not set."""
    via = content.get("via", "")
    for one in ENTRIES:
        if one is COMPONENT:
            yield replace(one, choices=_named(data.get("components", {})))
        elif one is PORT:
            yield replace(one, choices=_named(ports(data, content.get("component", ""))))
        elif ONLY.get(one, via) == via or "${" in via or one.path in content:
            yield one


def ports(data: Data, component: str) -> Mapping[str, object]:
    found: Mapping[str, object] = data.get("components", {}).get(component, {}).get("ports", {})
    return found


def _named(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((one, one) for one in names)


def typed(data: Data, name: str, sent: QueryDict) -> Data:
    """The way in with what the form says; one that leads elsewhere leads to a port that is there."""
    was = data["endpoints"][name]
    made = entries.taken(ENTRIES, was, sent)
    there = ports(data, made.get("component", ""))
    if made.get("component") != was["component"] and made.get("port") not in there:
        made = {**made, "port": next(iter(there), "")}
    return made


def told_in(data: Data, name: str) -> tuple[str, ...]:
    """What names the way in: the notes, and checks."""
    notes = ["the notes"] if name in edits.ways_named(data.get("notes", "")) else []
    checks = [one["name"] for one in data.get("checks", []) if name in edits.ways_named(one)]
    return (*notes, *(f"the check “{one}”" for one in checks))


def about(name: str, wrong: Iterable[Wrong]) -> list[Wrong]:
    """What is wrong with one way in."""
    return draft.within(wrong, place(name)) if name else []


def listed(data: Data, wrong: Iterable[Wrong]) -> list[Listed]:
    found = [*wrong]
    return [
        Listed(
            name, name, "opens the application" if one.get("primary") else "", len(about(name, found)),
            f"{one['component']} at {one['port']}, {WORDS.get(one.get('via', ''), one.get('via', ''))}",
        )
        for name, one in data.get("endpoints", {}).items()
    ]  # fmt: skip
