"""Two hundred clients that list, get and patch for a minute while an agent's reports go through the same store."""

import asyncio
import json
import os
import random
import time

from benchmarks.client import Talker
from benchmarks.figures import Figure, percentile
from tests.platform import Platform

CLIENTS = 200
SECONDS = float(os.environ.get("DROVER_BENCH_SECONDS") or 60)
THINKING = 2.0  # seconds between two requests of one client: people and tools, not a flood
MAPS = "/api/v1/namespaces/default/configmaps"
PATCH = "application/merge-patch+json"
AGENT_EVERY = 0.2


def crowd(platform: Platform) -> list[Figure]:
    """Errors, p99, and the longest an agent's kind of write (a pod's status) waited."""
    return asyncio.run(_crowd(platform))


async def _crowd(platform: Platform) -> list[Figure]:
    async with Talker(platform) as talker:
        for number in range(CLIENTS):
            body = {"metadata": {"name": f"crowd-{number}", "labels": {"bench": "crowd"}}, "data": {"n": "0"}}
            await talker.ask("POST", MAPS, body)
        spec = {"schedulerName": "nobody", "containers": [{"name": "a", "image": "a"}]}
        pod = {"metadata": {"name": "crowd"}, "spec": spec}
        await talker.ask("POST", "/api/v1/namespaces/default/pods", pod)
    until = time.monotonic() + SECONDS
    took: list[float] = []
    errors: list[str] = []
    waits: list[float] = []
    await asyncio.gather(
        _reports(platform, until, waits, errors),
        *(_client(platform, number, until, took, errors) for number in range(CLIENTS)),
    )
    async with Talker(platform) as talker:
        await talker.ask("DELETE", f"{MAPS}?labelSelector=bench=crowd")
        await talker.ask("DELETE", "/api/v1/namespaces/default/pods/crowd?gracePeriodSeconds=0")
    detail = f"{len(took)} requests in {SECONDS:.0f} s" + (f"; first error: {errors[0]}" if errors else "")
    return [
        Figure(f"{CLIENTS} clients, errors", len(errors), "", at_most=0, detail=detail),
        Figure(f"{CLIENTS} clients, p99", percentile(took, 0.99) * 1000, "ms", at_most=500),
        Figure(f"{CLIENTS} clients, longest wait of a status write", max(waits, default=0), "s", at_most=1.0),
    ]


async def _client(platform: Platform, number: int, until: float, took: list[float], errors: list[str]) -> None:
    dice = random.Random(number)
    async with Talker(platform) as talker:
        await asyncio.sleep(dice.random() * THINKING)
        while (began := time.monotonic()) < until:
            chosen, name = dice.random(), f"{MAPS}/crowd-{dice.randrange(CLIENTS)}"
            if chosen < 0.2:
                status, told = await talker.ask("GET", f"{MAPS}?limit=100")
            elif chosen < 0.8:
                status, told = await talker.ask("GET", name)
            else:
                patch = {"data": {"n": str(dice.random())}}
                status, told = await talker.ask("PATCH", f"{MAPS}/crowd-{number}", patch, PATCH)
            took.append(time.monotonic() - began)
            if status >= 400:
                errors.append(told.decode(errors="replace")[:200])
            await asyncio.sleep(dice.random() * 2 * THINKING)


async def _reports(platform: Platform, until: float, waits: list[float], errors: list[str]) -> None:
    """The same write as an agent's status report: one pod's status, again and again."""
    path = "/api/v1/namespaces/default/pods/crowd/status"
    turn = 0
    async with Talker(platform) as talker:
        while (began := time.monotonic()) < until:
            turn += 1
            status, told = await talker.ask("PATCH", path, {"status": {"message": f"report {turn}"}}, PATCH)
            waits.append(time.monotonic() - began)
            if status >= 400:
                errors.append(json.loads(told).get("message", ""))
            await asyncio.sleep(AGENT_EVERY)
