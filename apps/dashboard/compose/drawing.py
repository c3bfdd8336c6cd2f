"""The picture of a draft: its components with what became of each, and those that would go. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from apps.catalog.format import Component, Definition, Endpoint
from apps.dashboard import look, topology
from apps.dashboard.compose import ways
from apps.dashboard.topology import Face, Picture

LOOKS = {
    "New": look.Look("ok", "plus"),
    "Edited": look.Look("busy", "event"),
    "Removed": look.Look("idle", "minus"),
}


def of_draft(
    definition: Definition,
    gone: Mapping[str, Component],
    changed: Mapping[str, str],
    problems: Mapping[str, int],
    here: str,
    chosen: str,
) -> Picture:
    """``gone`` are the components that run and are no longer in the draft; ``problems`` counts those of each."""
    shown = {**definition.components, **{name: Component(image=one.image) for name, one in gone.items()}}
    faces = {
        name: _face(name, one, changed.get(name, ""), problems.get(name, 0), here)
        for name, one in shown.items()
    }
    doors = {name: Face(_via(one), href=f"{here}?way={name}") for name, one in definition.endpoints.items()}
    whole = Definition(components=shown, endpoints=definition.endpoints)
    return topology.drawn(whole, faces, doors, chosen)


def _face(name: str, component: Component, word: str, problems: int, here: str) -> Face:
    image = short(component.image) or "no image yet"
    if problems:
        word = "1 problem" if problems == 1 else f"{problems} problems"
    sight = look.BAD if problems else LOOKS.get(word, look.IDLE)
    return Face(image, word, sight, f"{here}?component={name}")


def short(image: str) -> str:
    """An image without where it is kept."""
    return image.rpartition("/")[2]


def _via(endpoint: Endpoint) -> str:
    return ways.WORDS.get(endpoint.via, "as a parameter says")
