"""Who needs whom: the edges that references and ``after`` draw between components. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from apps.catalog import references
from apps.catalog.format import Component, Definition

READY, STARTED, COMPLETE = "ready", "started", "complete"
STAGES = (READY, STARTED, COMPLETE)


@dataclass(frozen=True, order=True)
class Edge:
    """``of`` needs ``on``. ``port`` names the port that a reference takes, ``after`` the stage that is waited for."""

    of: str
    on: str
    port: str = ""
    after: str = ""


def edges(definition: Definition) -> tuple[Edge, ...]:
    """Every edge once, in order. Edges to components that are not there are left out."""
    found: set[Edge] = set()
    for name, component in definition.components.items():
        found |= {Edge(name, on, after=stage) for on, stage in component.after.items()}
        found |= {Edge(name, on, port=port) for on, port in _referred(component)}
    return tuple(sorted(edge for edge in found if edge.on in definition.components))


def _referred(component: Component) -> Iterator[tuple[str, str]]:
    """What a component's texts refer to; a text that cannot be read refers to nothing."""
    for _, text in references.scalars(component, ""):
        with suppress(references.Malformed):
            for reference in references.references(text):
                if reference.root == "components" and len(reference.steps) > 2:
                    yield reference.steps[1], reference.steps[3] if len(reference.steps) > 3 else ""


def needs(found: Iterable[Edge]) -> dict[str, tuple[str, ...]]:
    """The components that each component needs."""
    wanted: dict[str, set[str]] = {}
    for edge in found:
        wanted.setdefault(edge.of, set()).add(edge.on)
    return {name: tuple(sorted(on)) for name, on in wanted.items()}


def cycle(needed: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """One way round in a circle, its beginning again at the end; empty when there is none."""
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> tuple[str, ...]:
        if name in way:
            return (*way[way.index(name) :], name)
        if name in done:
            return ()
        for other in needed.get(name, ()):
            if found := walk(other, (*way, name)):
                return found
        done.add(name)
        return ()

    return next((found for name in sorted(needed) if (found := walk(name, ()))), ())


def order(names: Iterable[str], needed: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The names so that what is needed comes first; otherwise as they stand, also within a circle."""
    placed: dict[str, None] = {}
    met: set[str] = set()

    def place(name: str) -> None:
        if name not in met:
            met.add(name)
            for other in needed.get(name, ()):
                place(other)
            placed[name] = None

    for name in names:
        place(name)
    return tuple(placed)
