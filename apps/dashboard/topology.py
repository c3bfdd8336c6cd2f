"""An application as a picture: what needs what, from the ways in on the left to the data on the right. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from apps.catalog import graph
from apps.catalog.format import Component, Definition
from apps.catalog.types import ApplicationStatus, ComponentStatus
from apps.dashboard import look

WIDTH, HEIGHT = 176, 62
ACROSS, DOWN = 228, 22
"""From one column to the next, and the room under a component."""
DISK, INSET = 30, 12
"""A volume hangs under its component, a little narrower."""
MARGIN = 12
WIDE = 4 * ACROSS
"""What is wider than this wants the whole page."""


@dataclass(frozen=True)
class Box:
    """One thing in the picture, at its upper left corner; ``word`` is its state."""

    id: str
    kind: str
    title: str
    note: str
    x: int
    y: int
    word: str = ""
    look: look.Look = look.IDLE
    href: str = ""
    outside: bool = False
    chosen: bool = False
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def middle(self) -> int:
        return self.y + self.height // 2

    @property
    def right(self) -> int:
        return self.x + self.width


@dataclass(frozen=True)
class Line:
    """From the one that needs to the one that is needed, as an SVG path; ``label`` names the port."""

    path: str
    label: str
    x: int
    y: int
    waits: bool = False


@dataclass(frozen=True)
class Picture:
    boxes: tuple[Box, ...] = ()
    lines: tuple[Line, ...] = ()
    width: int = 0
    height: int = 0

    @property
    def least(self) -> int:
        """How wide it must be shown for its words to be read."""
        return self.width * 7 // 10

    @property
    def wide(self) -> bool:
        """Whether something beside it would leave it too little room."""
        return self.width > WIDE


@dataclass
class _Columns:
    """Boxes are put into columns from above."""

    filled: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: MARGIN))

    def place(self, column: int, height: int = HEIGHT) -> tuple[int, int]:
        top = self.filled[column]
        self.filled[column] += height + DOWN
        return MARGIN + column * ACROSS, top


@dataclass(frozen=True)
class Face:
    """What a box says under its name: a state word with a note beside it, or the note alone."""

    note: str
    word: str = ""
    look: look.Look = look.IDLE
    href: str = ""


def of_application(
    definition: Definition, status: ApplicationStatus, urls: Mapping[str, str], here: str, chosen: str = ""
) -> Picture:
    """A running application. ``here`` is the page's address, ``urls`` those of endpoints."""
    states = {one.name: one for one in status.components}
    faces = {
        name: _standing(component, states.get(name), f"{here}?component={name}")
        for name, component in definition.components.items()
    }
    ways = {
        name: Face(urls.get(name, "").partition("://")[2].rstrip("/") or "inside only", href=urls.get(name, ""))
        for name in definition.endpoints
    }
    return drawn(definition, faces, ways, chosen)


def _standing(component: Component, found: ComponentStatus | None, href: str) -> Face:
    if found is None:
        return Face(component.image, "Waiting", of_state("Waiting"), href)
    word = found.state or "Waiting"
    return Face(f"{found.ready} of {found.desired}", word, of_state(word), href)


def drawn(
    definition: Definition, faces: Mapping[str, Face], ways: Mapping[str, Face], chosen: str = ""
) -> Picture:
    """Ways in, and components by what they need, each over its volumes. ``faces`` are what components show, ``ways``
    what ways in show.

    A plan that is still being written may name what is not there, or go round in a circle.
    """
    edges = graph.edges(definition)
    columns, depth = _Columns(), _depths(definition, edges)
    boxes: dict[str, Box] = {}
    for name, face in ways.items():
        boxes[f"endpoint {name}"] = _box("endpoint", name, face, columns.place(0), outside=bool(face.href))
    first = 1 if definition.endpoints else 0
    for name in graph.order(definition.components, graph.needs(edges))[::-1]:
        disks = definition.components[name].volumes
        x, y = columns.place(first + depth[name], HEIGHT + DISK * len(disks))
        boxes[name] = _box("component", name, faces[name], (x, y), chosen=name == chosen)
        for at, (volume, given) in enumerate(disks.items()):
            place = x + INSET, y + HEIGHT + DISK * at
            boxes[f"volume {name} {volume}"] = replace(
                _box("volume", volume, Face(f"at {given.mount}"), place),
                id=f"volume-{name}-{volume}", width=WIDTH - 2 * INSET, height=DISK,
            )  # fmt: skip
    lines = [*_lines(definition, edges, boxes)]
    return Picture(
        tuple(boxes.values()), tuple(lines),
        max((box.right for box in boxes.values()), default=0) + MARGIN,
        max((box.y + box.height for box in boxes.values()), default=0) + MARGIN,
    )  # fmt: skip


def _box(
    kind: str, name: str, face: Face, place: tuple[int, int], *, outside: bool = False, chosen: bool = False
) -> Box:
    return Box(
        f"{kind}-{name}", kind, name, face.note, *place, face.word, face.look, face.href, outside, chosen
    )


def of_state(word: str) -> look.Look:
    """The look of a component's or an application's state."""
    known = {
        "Failing": look.BAD, "Degraded": look.WARN, "Complete": look.OK, "Stopped": look.IDLE, "Cancelled": look.IDLE,
    }  # fmt: skip
    return known.get(word) or look.of_word(word)


def _depths(definition: Definition, edges: Iterable[graph.Edge]) -> dict[str, int]:
    """How far from the ways in: one more than the furthest of those that need it."""
    users: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        users[edge.on].add(edge.of)
    depth: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in depth:
            depth[name] = 0  # where the way comes back in a circle
            depth[name] = max((of(user) + 1 for user in users[name]), default=0)
        return depth[name]

    return {name: of(name) for name in definition.components}


def _lines(definition: Definition, edges: Iterable[graph.Edge], boxes: Mapping[str, Box]) -> Iterable[Line]:
    for name, endpoint in definition.endpoints.items():
        if endpoint.component not in definition.components:
            continue
        yield _line(boxes[f"endpoint {name}"], boxes[endpoint.component], endpoint.port)
    told: dict[tuple[str, str], tuple[set[str], bool]] = {}
    for edge in edges:
        ports, waits = told.get((edge.of, edge.on), (set(), False))
        told[edge.of, edge.on] = (ports | ({edge.port} - {""}), waits or bool(edge.after))
    for (of, on), (ports, waits) in told.items():
        yield _line(boxes[of], boxes[on], ", ".join(sorted(ports)), waits=waits)


def _line(one: Box, other: Box, label: str, *, waits: bool = False) -> Line:
    start, end = one.right, other.x
    bend = max((end - start) // 2, 26)
    path = f"M{start},{one.middle} C{start + bend},{one.middle} {end - bend},{other.middle} {end - 6},{other.middle}"
    far = end - start > ACROSS - WIDTH  # its middle may lie behind a box: the label stands before the end then
    level = other.middle if far else (one.middle + other.middle) // 2
    return Line(path, label, end - (ACROSS - WIDTH) // 2, level - 6, waits)
