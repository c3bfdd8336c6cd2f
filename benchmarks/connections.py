"""Opens connections as fast as it can, to several places in turn; or takes them. A process for each end.

``python -m benchmarks.connections serve ADDRESS PORT``
``python -m benchmarks.connections open TURNS SECONDS ADDRESS:PORT...`` prints the best rate of each place as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time


def serve(address: str, port: int) -> None:
    with socket.create_server((address, port), backlog=4096) as server:
        print("ready", flush=True)
        while True:
            server.accept()[0].close()


def opened(turns: int, seconds: float, places: list[tuple[str, int]]) -> list[float]:
    """Connections a second to each place: the best of its turns, for whatever disturbs a turn only slows it."""
    best = [0.0] * len(places)
    for _ in range(turns):
        for index, place in enumerate(places):
            best[index] = max(best[index], _rate(place, seconds))
    return best


def _rate(place: tuple[str, int], seconds: float) -> float:
    began, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        for _ in range(50):
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            one.connect(place)
            one.close()
        count += 50
    return count / passed


def main(arguments: list[str]) -> None:
    if arguments[0] == "serve":
        serve(arguments[1], int(arguments[2]))
    turns, seconds, *places = arguments[1:]
    split = [place.rsplit(":", 1) for place in places]
    print(json.dumps(opened(int(turns), float(seconds), [(address, int(port)) for address, port in split])))


if __name__ == "__main__":
    main(sys.argv[1:])
