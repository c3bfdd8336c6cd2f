"""``make bench [ONLY=name]``: runs the benchmarks on platforms of their own, prints a table and then JSON."""

import json
import sys
from collections.abc import Callable, Iterator

from benchmarks.applications import app_list, first_page, rendering
from benchmarks.crowd import crowd
from benchmarks.deciding import deciding
from benchmarks.figures import Figure
from benchmarks.first_ready import first_ready
from benchmarks.hollow_nodes import binding, idle
from benchmarks.many_ready import many_ready
from benchmarks.memory import memory
from benchmarks.names import names
from benchmarks.quiet import quiet
from benchmarks.requests import requests
from benchmarks.screens import live_page, screens
from benchmarks.services import services
from benchmarks.watching import watching
from tests.browser.server import PASSWORD
from tests.platform import Platform, running

Measure = Callable[[Platform], list[Figure]]
# On one platform with this machine as its node, one after the other.
ON_THE_NODE: dict[str, Measure] = {
    "first-ready": first_ready,
    "many-ready": many_ready,
    "memory": memory,
    "first-page": first_page,
    "live-page": live_page,
    "quiet": quiet,
}
# Each on a control plane alone, fresh.
ON_A_CONTROL_PLANE: dict[str, Measure] = {
    "requests": requests,
    "crowd": crowd,
    "watching": watching,
    "binding": binding,
    "app-list": app_list,
    "screens": screens,
    "idle": idle,
}
ALONE: dict[str, Callable[[], list[Figure]]] = {
    "deciding": deciding,
    "rendering": rendering,
    "names": names,
    "services": services,
}
NAMES = (*ON_THE_NODE, *ON_A_CONTROL_PLANE, *ALONE)


def main(only: list[str]) -> int:
    unknown = set(only) - set(NAMES)
    if unknown:
        print(f"no benchmark called {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
        return 2
    figures: list[Figure] = []
    for figure in measured(only or list(NAMES)):
        figures.append(figure)
        print(f"{figure.name:<62} {figure.value:>9.2f} {figure.unit:<4} {figure.verdict}", flush=True)
    print(json.dumps([figure.as_data() for figure in figures]))
    return 0


def measured(names: list[str]) -> Iterator[Figure]:
    """Every figure as soon as it is known; one benchmark that fails costs only its own figures."""
    on_the_node = [name for name in names if name in ON_THE_NODE]
    if on_the_node:
        with running(nodes=1, DROVER_ADMIN_PASSWORD=PASSWORD) as platform:
            for name in on_the_node:
                yield from _figures(name, lambda name=name: ON_THE_NODE[name](platform))  # type: ignore[misc]
    for name in names:
        if name in ON_A_CONTROL_PLANE:
            with running(nodes=0, DROVER_ADMIN_PASSWORD=PASSWORD) as platform:
                yield from _figures(name, lambda name=name: ON_A_CONTROL_PLANE[name](platform))  # type: ignore[misc]
        elif name in ALONE:
            yield from _figures(name, ALONE[name])


def _figures(name: str, work: Callable[[], list[Figure]]) -> list[Figure]:
    try:
        return work()
    except Exception as error:
        print(f"{name} could not be measured: {type(error).__name__}: {str(error)[:500]}", file=sys.stderr)
        return []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
