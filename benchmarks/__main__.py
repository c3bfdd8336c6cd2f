"""``make bench [ONLY=name]``: runs the benchmarks on a platform of their own, prints a table and then JSON."""

import json
import sys
from collections.abc import Callable

from benchmarks.figures import Figure
from benchmarks.first_ready import first_ready
from benchmarks.memory import memory
from benchmarks.requests import requests
from tests.platform import Platform

BENCHMARKS: dict[str, Callable[[Platform], list[Figure]]] = {
    "first-ready": first_ready,
    "requests": requests,
    "memory": memory,
}


def main(only: list[str]) -> int:
    unknown = set(only) - set(BENCHMARKS)
    if unknown:
        print(f"no benchmark called {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
        return 2
    platform = Platform()
    figures: list[Figure] = []
    try:
        platform.start(within=120)
        for name in only or BENCHMARKS:
            figures += BENCHMARKS[name](platform)
    finally:
        platform.stop()
        platform.down()
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        print(f"{figure.name:<{width}}  {figure.value:>9.2f} {figure.unit:<6} {figure.verdict}")
    print(json.dumps([figure.as_data() for figure in figures]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
