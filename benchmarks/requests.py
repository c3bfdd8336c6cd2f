"""Single requests over TLS on one kept connection: read one object, create one, list many."""

import json
import time
from collections.abc import Callable
from statistics import median

from benchmarks.figures import Figure
from tests.platform import Platform

TURNS = 200
MAPS = "/api/v1/namespaces/default/configmaps"


def requests(platform: Platform) -> list[Figure]:
    """Medians in milliseconds."""
    api, headers = platform.connection(), platform.headers()

    def send(method: str, path: str, body: object = None) -> bytes:
        api.request(method, path, None if body is None else json.dumps(body), headers)
        answer = api.getresponse()
        told = answer.read()
        assert answer.status < 300, told
        return told

    def timed(work: Callable[[int], object]) -> float:
        took = []
        for turn in range(TURNS):
            began = time.monotonic()
            work(turn)
            took.append(time.monotonic() - began)
        return median(took) * 1000

    def config_map(turn: int) -> dict[str, object]:
        return {
            "metadata": {"name": f"bench-{turn}", "labels": {"bench": "requests"}},
            "data": {"text": "x" * 1000},
        }

    figures = [
        Figure("POST configmap, p50", timed(lambda turn: send("POST", MAPS, config_map(turn))), "ms"),
        Figure("GET configmap, p50", timed(lambda turn: send("GET", f"{MAPS}/bench-{turn}")), "ms"),
        Figure(f"LIST {TURNS} configmaps, p50", timed(lambda _: send("GET", MAPS)), "ms"),
    ]
    send("DELETE", f"{MAPS}?labelSelector=bench=requests")
    return figures
