"""Opens connections as fast as it can, to several places in turn; or takes them. A process for each end.

``python -m benchmarks.connections serve ADDRESS PORT``
``python -m benchmarks.connections open TURNS ADDRESS:PORT...`` prints the rate of each place as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time

AT_ONCE = 50


def serve(address: str, port: int) -> None:
    with socket.create_server((address, port), backlog=4096) as server:
        print("ready", flush=True)
        while True:
            server.accept()[0].close()


def opened(turns: int, places: list[tuple[str, int]]) -> list[float]:
    """Connections to each place in a second of this process's CPU, a few to each in turn.

    What the kernel does for a connection, up to the server's own accept, it does in the time of whoever opens it; and
    that time is the same whatever else the machine is busy with.
    """
    spent = [0.0] * len(places)
    for _ in range(turns):
        for index, place in enumerate(places):
            began = time.process_time()
            for _ in range(AT_ONCE):
                one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                one.connect(place)
                one.close()
            spent[index] += time.process_time() - began
    return [turns * AT_ONCE / seconds for seconds in spent]


def main(arguments: list[str]) -> None:
    if arguments[0] == "serve":
        serve(arguments[1], int(arguments[2]))
    turns, *places = arguments[1:]
    split = [place.rsplit(":", 1) for place in places]
    print(json.dumps(opened(int(turns), [(address, int(port)) for address, port in split])))


if __name__ == "__main__":
    main(sys.argv[1:])
