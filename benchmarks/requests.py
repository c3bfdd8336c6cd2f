"""Requests: one kept connection over TLS for reading and creating, several for creates a second, a list of pods."""

import asyncio
import json
import time
from collections.abc import Callable
from statistics import median

from benchmarks.client import Talker
from benchmarks.figures import Figure
from tests.platform import Platform

TURNS = 200
MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
CREATES, CONNECTIONS = 1500, 8
LISTED, POD_BYTES, LISTS = 1000, 2600, 15
IMAGE = "busybox"


def requests(platform: Platform) -> list[Figure]:
    """Medians in milliseconds, and creates a second."""
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
        Figure("POST configmap, p50", timed(lambda turn: send("POST", MAPS, config_map(turn))), "ms", at_most=4),
        Figure("GET configmap, p50", timed(lambda turn: send("GET", f"{MAPS}/bench-{turn}")), "ms", at_most=3),
    ]
    send("DELETE", f"{MAPS}?labelSelector=bench=requests")
    api.close()
    rate = asyncio.run(creates_a_second(platform))
    figures.append(Figure(f"creates a second, {CONNECTIONS} connections", rate, "/s", at_least=300))
    took, size = asyncio.run(listed(platform))
    words = f"{size / LISTED:.0f} bytes a pod"
    figures.append(Figure(f"LIST {LISTED} pods, p50", took, "ms", at_most=36, detail=words))
    return figures


async def creates_a_second(platform: Platform) -> float:
    """With several connections at once; one loop sends them all."""
    numbers = iter(range(CREATES))

    async def work() -> None:
        async with Talker(platform) as talker:
            for number in numbers:
                meta = {"name": f"rate-{number}", "labels": {"bench": "rate"}}
                status, told = await talker.ask("POST", MAPS, {"metadata": meta, "data": {"text": "x" * 100}})
                assert status == 201, told

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    took = time.monotonic() - began
    async with Talker(platform) as talker:
        await talker.ask("DELETE", f"{MAPS}?labelSelector=bench%3Drate")
    return CREATES / took


async def listed(platform: Platform) -> tuple[float, int]:
    """Median milliseconds of a list of pods that wait for a node that never comes, and its size."""
    numbers = iter(range(LISTED))

    async def make() -> None:
        async with Talker(platform) as talker:
            for number in numbers:
                status, told = await talker.ask("POST", PODS, waiting_pod(number))
                assert status == 201, told

    await asyncio.gather(*(make() for _ in range(CONNECTIONS)))
    took = []
    async with Talker(platform) as talker:
        for _ in range(LISTS):
            began = time.monotonic()
            status, told = await talker.ask("GET", PODS)
            took.append(time.monotonic() - began)
            assert status == 200, told[:200]
        await talker.ask("DELETE", f"{PODS}?labelSelector=bench%3Dlist&gracePeriodSeconds=0")
    return median(took) * 1000, len(told)


def waiting_pod(number: int) -> dict[str, object]:
    meta = {"name": f"list-{number}", "labels": {"bench": "list"}, "annotations": {"fill": "x" * (POD_BYTES - 1700)}}
    spec = {
        "nodeSelector": {"bench": "nowhere"}, "schedulerName": "nobody", "automountServiceAccountToken": False,
        "containers": [{"name": "app", "image": IMAGE}],
    }  # fmt: skip
    return {"metadata": meta, "spec": spec}
