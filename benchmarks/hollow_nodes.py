"""Thousands of nodes that are only pretended: what they cost idle, and how soon their pods are bound."""

import asyncio
import os
import time
from pathlib import Path

from benchmarks.client import Talker
from benchmarks.figures import Figure
from benchmarks.memory import family, pss
from tests.faults.hollow import hollow_nodes
from tests.platform import Platform

BOUND_NODES, CONTROLLERS, REPLICAS = 1000, 10, 300
IDLE_NODES = int(os.environ.get("DROVER_BENCH_NODES") or 5000)
JOIN_SECONDS = 900.0
CALM_SECONDS = 40.0
MEASURED_SECONDS = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
RCS, PODS = "/api/v1/namespaces/default/replicationcontrollers", "/api/v1/namespaces/default/pods"


def binding(platform: Platform) -> list[Figure]:
    """Seconds from the first of ten controllers until all 3,000 pods have a node."""
    with hollow_nodes(platform, BOUND_NODES, within=JOIN_SECONDS):
        took = asyncio.run(_bound(platform))
    wanted = CONTROLLERS * REPLICAS
    return [Figure(f"{wanted} pods on {BOUND_NODES} hollow nodes, all bound", took, "s", at_most=3)]


async def _bound(platform: Platform) -> float:
    async with Talker(platform) as watcher, Talker(platform) as writer:
        on_nodes: set[bytes] = set()
        began = time.monotonic()
        for number in range(CONTROLLERS):
            status, told = await writer.ask("POST", RCS, controller(f"bound-{number}"))
            assert status == 201, told
        async with asyncio.timeout(300):
            async for line in watcher.watch(f"{PODS}?watch=1"):
                if b'"nodeName":"' in line:
                    on_nodes.add(line.partition(b'"uid":"')[2][:36])
                    if len(on_nodes) >= CONTROLLERS * REPLICAS:
                        break
        return time.monotonic() - began


def controller(name: str) -> dict[str, object]:
    labels = {"bench": name}
    spec = {"automountServiceAccountToken": False, "containers": [{"name": "app", "image": "hollow"}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {"metadata": {"name": name}, "spec": {"replicas": REPLICAS, "selector": labels, "template": template}}


def idle(platform: Platform) -> list[Figure]:
    """Cores and memory of the nodes' process and the platform together, while nothing happens."""
    began = time.monotonic()
    with hollow_nodes(platform, IDLE_NODES, within=JOIN_SECONDS) as nodes:
        joined = time.monotonic() - began
        time.sleep(CALM_SECONDS)
        before, at = {pid: cpu(pid) for pid in (nodes.pid, *family(platform.pid))}, time.monotonic()
        time.sleep(MEASURED_SECONDS)
        passed = time.monotonic() - at
        cores = {pid: (cpu(pid) - before.get(pid, 0.0)) / passed for pid in before}
        memory = pss(nodes.pid) + sum(pss(pid) for pid in family(platform.pid))
        theirs, ours = cores.pop(nodes.pid), sum(cores.values())
        words = f"nodes {theirs:.2f}, platform {ours:.2f}"
        parts = f"nodes {pss(nodes.pid):.0f}, joined in {joined:.0f} s"
    return [
        Figure(f"{IDLE_NODES} idle hollow nodes, cores", theirs + ours, "", at_most=1.0, detail=words),
        Figure(f"{IDLE_NODES} idle hollow nodes, PSS", memory, "MiB", at_most=1024, detail=parts),
    ]


def cpu(pid: int) -> float:
    """Seconds of processor time so far, with that of children that ended; 0 for a process that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS
