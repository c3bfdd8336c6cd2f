"""An application as a picture: what needs what, from the ways in on the left to the data on the right. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from apps.catalog import graph
from apps.catalog.format import Component, Definition
from apps.catalog.types import ApplicationStatus
from apps.dashboard import look

WIDTH, HEIGHT = 196, 66
ACROSS, DOWN = 268, 90
MARGIN = 12


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

    @property
    def middle(self) -> int:
        return self.y + HEIGHT // 2

    @property
    def right(self) -> int:
        return self.x + WIDTH


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


@dataclass
class _Columns:
    """Boxes are put into columns from above."""

    filled: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def place(self, column: int) -> tuple[int, int]:
        row = self.filled[column]
        self.filled[column] += 1
        return MARGIN + column * ACROSS, MARGIN + row * DOWN


def of_application(
    definition: Definition, status: ApplicationStatus, urls: Mapping[str, str], here: str, chosen: str = ""
) -> Picture:
    """Ways in, components by what they need, volumes. ``here`` is the page's address, ``urls`` those of endpoints."""
    edges = graph.edges(definition)
    columns, depth = _Columns(), _depths(definition, edges)
    boxes: dict[str, Box] = {}
    for name, endpoint in definition.endpoints.items():
        x, y = columns.place(0)
        url = urls.get(name, "")
        boxes[f"endpoint {name}"] = Box(
            f"endpoint-{name}", "endpoint", name, url.partition("://")[2].rstrip("/") or "inside only", x, y,
            href=url, outside=bool(url),
        )  # fmt: skip
        assert endpoint.component in definition.components
    first = 1 if definition.endpoints else 0
    states = {one.name: one for one in status.components}
    for name in graph.order(definition.components, graph.needs(edges))[::-1]:
        x, y = columns.place(first + depth[name])
        boxes[name] = _component(name, definition.components[name], states, x, y, here, chosen)
    for name, component in definition.components.items():
        for volume, given in component.volumes.items():
            x, y = columns.place(first + depth[name] + 1)
            boxes[f"volume {name} {volume}"] = Box(
                f"volume-{name}-{volume}", "volume", volume, f"at {given.mount}", x, y
            )
    lines = [*_lines(definition, edges, boxes)]
    return Picture(
        tuple(boxes.values()), tuple(lines),
        max((box.right for box in boxes.values()), default=0) + MARGIN,
        max((box.y + HEIGHT for box in boxes.values()), default=0) + MARGIN,
    )  # fmt: skip


def _component(
    name: str, component: Component, states: Mapping[str, object], x: int, y: int, here: str, chosen: str
) -> Box:
    found = states.get(name)
    word = getattr(found, "state", "") or "Waiting"
    ready, desired = getattr(found, "ready", 0), getattr(found, "desired", 0)
    note = f"{ready} of {desired}" if found is not None else component.image
    return Box(
        f"component-{name}", "component", name, note, x, y, word, of_state(word),
        href=f"{here}?component={name}", chosen=name == chosen,
    )  # fmt: skip


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
            depth[name] = max((of(user) + 1 for user in users[name]), default=0)
        return depth[name]

    return {name: of(name) for name in definition.components}


def _lines(definition: Definition, edges: Iterable[graph.Edge], boxes: Mapping[str, Box]) -> Iterable[Line]:
    for name, endpoint in definition.endpoints.items():
        yield _line(boxes[f"endpoint {name}"], boxes[endpoint.component], endpoint.port)
    told: dict[tuple[str, str], tuple[set[str], bool]] = {}
    for edge in edges:
        ports, waits = told.get((edge.of, edge.on), (set(), False))
        told[edge.of, edge.on] = (ports | ({edge.port} - {""}), waits or bool(edge.after))
    for (of, on), (ports, waits) in told.items():
        yield _line(boxes[of], boxes[on], ", ".join(sorted(ports)), waits=waits)
    for name, component in definition.components.items():
        for volume in component.volumes:
            yield _line(boxes[name], boxes[f"volume {name} {volume}"], "")


def _line(one: Box, other: Box, label: str, *, waits: bool = False) -> Line:
    start, end = one.right, other.x
    bend = max((end - start) // 2, 30)
    path = f"M{start},{one.middle} C{start + bend},{one.middle} {end - bend},{other.middle} {end - 6},{other.middle}"
    return Line(path, label, (start + end) // 2, (one.middle + other.middle) // 2 - 6, waits)
