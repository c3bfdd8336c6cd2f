"""What services cost: connections through one against direct ones, and how long rules take, on both backends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from apps.cluster import types
from benchmarks.figures import Figure
from tests.agent_net.cluster import Cluster
from tests.agent_net.lab import Space, machine
from tests.agent_net.objects import endpoints, service
from tests.platform import BASE, eventually

TURNS = int(float(os.environ.get("DROVER_BENCH_SECONDS") or 4) * 50)
CHANGES, FULL_TURNS = 15, 5
PATIENCE = 60.0
FEW, MANY = 1000, 5000
HERE = "10.64.3."
COUNTS = {"iptables": (1, FEW), "nftables": (1, FEW, MANY)}
VIP, PORT = "10.254.255.9", 8080


def services() -> list[Figure]:
    """Each backend in a network of its own; direct and through the service turn by turn."""
    return [figure for backend, counts in COUNTS.items() for figure in _of(backend, counts)]


def _of(backend: str, counts: tuple[int, ...]) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as folder, machine() as (space, outside), ExitStack() as at_end:
        cluster = Cluster(space, outside, Path(folder), backend)
        at_end.callback(cluster.close)
        pod, client = cluster.pod("server"), cluster.pod("client")
        for each in (pod, client, space):
            # Else ports used again meet what is remembered of their last connection.
            each.sysctl("ipv4/tcp_max_tw_buckets", "0")
        space.sysctl("netfilter/nf_conntrack_tcp_timeout_time_wait", "1")
        server = _process(pod, "serve", "0.0.0.0", str(PORT))
        at_end.callback(server.kill)
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        for count in counts:
            figures += _at(cluster, client, count)
    return figures


def _at(cluster: Cluster, client: Space, count: int) -> list[Figure]:
    """The last of ``count`` services leads to the server; the others share addresses that nobody has."""
    others = [
        service(f"s{number}", f"10.254.{number // 250}.{number % 250 + 1}", ("", 80, 0))
        for number in range(count - 1)
    ]
    behind = [_behind(one.metadata.name, _pods(number)) for number, one in enumerate(others)]
    measured = service("zz-measured", VIP, ("", 80, 0))
    answers = endpoints("zz-measured", [cluster.addresses["server"]], ("", PORT))
    figures = []
    cluster.update([measured], [answers], within=PATIENCE)
    name = f"{count} services, {cluster.backend}"
    if count == FEW:
        took = [_afresh(cluster, [*others, measured], [*behind, answers]) for _ in range(FULL_TURNS)]
        wall, cpu = (min(each) * 1000 for each in zip(*took, strict=True))
        words = f"{cpu:.0f} ms of CPU"
        figures.append(Figure(f"all rules of {name}, best", wall, "ms", at_most=200, detail=words))
    cluster.update([*others, measured], [*behind, answers], within=PATIENCE)
    if count == FEW:
        figures.append(_one_endpoint(cluster, [*others, measured], behind, answers, name))
    direct, through = _rates(client, f"{cluster.addresses['server']}:{PORT}", f"{VIP}:80")
    words = f"{through:.0f} of {direct:.0f} in a second of CPU"
    ratio = Figure(f"new connections / direct, {name}", through / direct, "x", at_least=0.8, detail=words)
    return [*figures, ratio]


def _pods(number: int) -> list[str]:
    """A service's three pods, as one of thirty nodes knows them: every tenth service has one of them here."""
    place = f"{number // 250}.{number % 250 + 1}"
    first = f"10.65.{place}" if number % 10 else f"{HERE}{number // 10 % 100 + 100}"
    return [first, f"10.66.{place}", f"10.67.{place}"]


def _behind(name: str, pods: list[str]) -> types.EndpointSlice:
    nodes = {pod: "node-1" if pod.startswith(HERE) else "node-2" for pod in pods}
    return endpoints(name, pods, ("", 80), nodes=nodes)


def _afresh(
    cluster: Cluster, wanted: list[types.Service], found: list[types.EndpointSlice]
) -> tuple[float, float]:
    """Seconds, and of CPU, that a process takes for its first order: everything is written, planning included."""
    cluster.proxy.stop()
    cluster.proxy = cluster.new_proxy()
    eventually(lambda: cluster.proxy.backend, what="the proxy is there")
    before = _cpu(cluster.proxy.pid) + time.process_time()
    wall = _took(lambda: cluster.update(wanted, found, within=PATIENCE))
    return wall, _cpu(cluster.proxy.pid) + time.process_time() - before


def _one_endpoint(
    cluster: Cluster,
    wanted: list[types.Service],
    behind: list[types.EndpointSlice],
    answers: types.EndpointSlice,
    name: str,
) -> Figure:
    """From the change of one slice to its rules in the kernel, planning included."""
    took, before = [], _cpu(cluster.proxy.pid) + time.process_time()
    for turn in range(CHANGES):
        moved = _behind("s0", [f"{HERE}{turn + 200}", *_pods(0)[1:]])
        slices = [moved, *behind[1:], answers]
        took.append(_took(lambda slices=slices: cluster.update(wanted, slices, within=PATIENCE)))  # type: ignore[misc]
    cpu = (_cpu(cluster.proxy.pid) + time.process_time() - before) / CHANGES
    words = f"{cpu * 1000:.0f} ms of CPU each"
    return Figure(f"one endpoint of {name}, best", min(took) * 1000, "ms", at_most=20, detail=words)


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process and the commands it ran have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _took(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _rates(client: Space, *places: str) -> list[float]:
    process = _process(client, "open", str(TURNS), *places)
    told, _ = process.communicate(timeout=300)
    rates: list[float] = json.loads(told)
    return rates


def _process(space: Space, *arguments: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "benchmarks.connections", *arguments]
    return space.run(lambda: subprocess.Popen(argv, cwd=BASE, stdout=subprocess.PIPE, text=True))
