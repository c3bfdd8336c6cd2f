"""From a write to the event: one watcher, a thousand, and whether a burst closes anybody's watch."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from benchmarks.burst import program
from benchmarks.client import Talker
from benchmarks.figures import Figure, percentile
from tests.platform import BASE, Platform

MAPS = "/api/v1/namespaces/default/configmaps"
CHOSEN = f"{MAPS}?watch=1&labelSelector=bench%3Dwatching"
WARM_UP, WRITES, BETWEEN = 10, 100, 0.1
MANY = 1000
BURST_WATCHERS, BURST_RATE, BURST_SECONDS = 50, 500, 4
STAMP = b'"stamp":"'
BURST = program("CONFIG_MAP", [f"burst-{at}" for at in range(5)], BURST_RATE, BURST_SECONDS)


def watching(platform: Platform) -> list[Figure]:
    """p99 in milliseconds, from sending the write until the last watcher has read the event; forced closes."""
    one = asyncio.run(_latencies(platform, 1))
    many = asyncio.run(_latencies(platform, MANY))
    closes, rate, seen = asyncio.run(_burst(platform))
    detail = f"{rate:.0f} changes/s, {BURST_WATCHERS} watchers, {seen} events"
    return [
        Figure("watch, write -> event, p99, 1 watcher", percentile(one, 0.99) * 1000, "ms", at_most=20),
        Figure(
            f"watch, write -> event, p99, {MANY} watchers", percentile(many, 0.99) * 1000, "ms", at_most=100
        ),
        Figure(f"forced closes at {BURST_RATE} changes/s", closes, "", at_most=0, detail=detail),
    ]


async def _latencies(platform: Platform, count: int) -> Sequence[float]:
    took: list[float] = []
    async with AsyncExitStack() as open_:
        watchers = [await open_.enter_async_context(Talker(platform)) for _ in range(count)]
        tasks = [asyncio.create_task(_note(watcher, took)) for watcher in watchers]
        writer = await open_.enter_async_context(Talker(platform))
        body = {"metadata": {"name": "watched", "labels": {"bench": "watching"}}, "data": {"stamp": "0"}}
        await writer.ask("POST", MAPS, body)
        await _until(lambda: len(took) >= count)
        for turn in range(WARM_UP + WRITES):
            if turn == WARM_UP:
                took.clear()
            body["data"] = {"stamp": str(time.monotonic_ns())}
            reached = len(took) // count + 1
            await writer.ask("PUT", f"{MAPS}/watched", body)
            await _until(lambda reached=reached: len(took) >= reached * count)
            await asyncio.sleep(BETWEEN)
        await writer.ask("DELETE", f"{MAPS}/watched")
        for task in tasks:
            task.cancel()
    return took


async def _note(watcher: Talker, took: list[float]) -> None:
    async for line in watcher.watch(CHOSEN):
        _, _, rest = line.partition(STAMP)
        took.append((time.monotonic_ns() - int(rest[: rest.index(b'"')])) / 1e9)


async def _until(done: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline, "the watchers never saw it"
        await asyncio.sleep(0.002)


async def _burst(platform: Platform) -> tuple[int, float, int]:
    """How many watches ended, the rate reached, and the events seen."""
    seen = [0] * BURST_WATCHERS
    ended: list[int] = []

    async def follow(number: int, watcher: Talker) -> None:
        async for line in watcher.watch(CHOSEN):
            seen[number] += 1
            if b'"ERROR"' in line[:20]:
                break
        ended.append(number)

    async with AsyncExitStack() as open_:
        writer = await open_.enter_async_context(Talker(platform))
        for at in range(5):
            meta = {"name": f"burst-{at}", "labels": {"bench": "watching"}}
            await writer.ask("POST", MAPS, {"metadata": meta, "data": {"stamp": "0"}})
        watchers = [await open_.enter_async_context(Talker(platform)) for _ in range(BURST_WATCHERS)]
        tasks = [asyncio.create_task(follow(number, each)) for number, each in enumerate(watchers)]
        command = [sys.executable, "manage.py", "shell", "-c", BURST]
        process = await asyncio.create_subprocess_exec(
            *command, env=platform.environment, cwd=BASE, stdout=subprocess.PIPE
        )
        told, _ = await process.communicate()
        wanted = BURST_RATE * BURST_SECONDS
        await _until(lambda: ended or min(seen) >= wanted)
        await writer.ask("DELETE", f"{MAPS}?labelSelector=bench=watching")
        for task in tasks:
            task.cancel()
    return len(ended), float(told.split()[-1]), sum(seen)
