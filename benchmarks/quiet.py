"""What one node costs while nothing happens, after many pods came and went."""

import json
import os
import time

from benchmarks.figures import Figure
from benchmarks.hollow_nodes import cpu
from benchmarks.many_ready import Sight, delete, scale
from benchmarks.memory import family
from tests.platform import Platform

PODS = int(os.environ.get("DROVER_BENCH_PODS") or 1000)
AT_ONCE = 20
CALM_SECONDS = float(os.environ.get("DROVER_BENCH_CALM") or 600)
MEASURED_SECONDS = 60.0


def quiet(platform: Platform) -> list[Figure]:
    """Per cent of a core, all the platform's processes together."""
    sight, api = Sight(platform), platform.connection()
    for _ in range(0, PODS, AT_ONCE):
        scale(platform, api, sight, AT_ONCE)
        scale(platform, api, sight, 0)
    delete(platform, api)
    api.close()
    time.sleep(CALM_SECONDS)
    before, at = {pid: cpu(pid) for pid in family(platform.pid)}, time.monotonic()
    time.sleep(MEASURED_SECONDS)
    passed = time.monotonic() - at
    named = {pid: name for name, pid in platform.processes().items()}
    used = {pid: 100 * (cpu(pid) - then) / passed for pid, then in before.items()}
    parts = json.dumps({named.get(pid, "up"): round(part, 2) for pid, part in used.items() if part})
    words = f"{PODS} pods before, {CALM_SECONDS:.0f} s calm; {parts}"
    return [Figure("one node, idle, of a core", sum(used.values()), "%", at_most=2, detail=words)]
