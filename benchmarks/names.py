"""Names a node answers in a second, beside a process that only sends every datagram back, turn by turn in one run."""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import dns.message

from apps.cluster import types
from benchmarks.figures import Figure
from benchmarks.memory import pss
from node_agent.dns.client import DnsProcess
from node_agent.names import Names

# Addresses of loopback: nothing of the machine is changed.
OURS, ECHO = "127.53.0.10", "127.53.0.11"
PORT = 53
SERVICES = int(os.environ.get("DROVER_BENCH_SERVICES") or 1000)
TURNS, SECONDS = 5, 1.0
UNDER_WAY = 32
CHANGES = 50
ECHOING = f"""
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("{ECHO}", {PORT}))
print(flush=True)
while True:
    one.sendto(*one.recvfrom(4096))
"""


def names() -> list[Figure]:
    """Questions a second, each turn against the echo; then how soon a change is answered, and the memory of it all."""
    known = [_packet(f"service-{at}.default.svc.cluster.local") for at in range(SERVICES)]
    never = _packet("never-00000000.default.svc.cluster.local")
    fresh = (never.replace(b"00000000", b"%08d" % at) for at in range(1, 1 << 24))
    with tempfile.TemporaryDirectory() as state, _echo(), _answering(Path(state)) as dns:
        services = [_service(at, at) for at in range(SERVICES)]
        assert dns.wait(dns.update(services, []), 30), dns.error
        _rate(OURS, iter(known))  # each is answered once
        raw, again, first = [], [], []
        for _ in range(TURNS):
            raw.append(_rate(ECHO, _for_ever(known)))
            again.append(_rate(OURS, _for_ever(known)))
            first.append(_rate(OURS, fresh))
        waits = [_change(dns, services, turn) for turn in range(CHANGES)]
        size = pss(dns.pid)
    ratio = median(mine / theirs for mine, theirs in zip(again, raw, strict=True))
    return [
        Figure("names answered a second, asked before", median(again), "/s", at_least=5000),
        Figure("names answered a second, never asked before", median(first), "/s"),
        Figure("datagrams sent back a second by a bare loop", median(raw), "/s"),
        Figure("names answered / datagrams sent back", ratio, "x"),
        Figure(
            f"a service of {SERVICES} changed -> answered so, p50", median(waits) * 1000, "ms", at_most=1000
        ),
        Figure(f"memory of the process with {SERVICES} services, PSS", size, "MiB", at_most=30),
    ]


def _packet(name: str) -> bytes:
    return dns.message.make_query(name, "A", use_edns=False).to_wire()


def _service(number: int, address: int) -> types.Service:
    spec = types.ServiceSpec(
        cluster_ip=f"10.254.{address // 250}.{address % 250 + 1}", ports=[types.ServicePort(port=80)]
    )
    return types.Service(metadata=types.ObjectMeta(name=f"service-{number}", namespace="default"), spec=spec)


def _for_ever(packets: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from packets


def _rate(address: str, packets: Iterator[bytes]) -> float:
    """Answers a second with a few questions under way at a time; every one must come."""
    answered = 0
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(5)
        client.connect((address, PORT))
        began = time.perf_counter()
        for number in range(UNDER_WAY):
            client.send(_numbered(next(packets), number))
        for number, packet in enumerate(packets, UNDER_WAY):
            client.recv(4096)
            answered += 1
            if answered % 256 == 0 and time.perf_counter() - began > SECONDS:
                break
            client.send(_numbered(packet, number))
        return answered / (time.perf_counter() - began)


def _numbered(packet: bytes, number: int) -> bytes:
    return struct.pack("!H", number & 0xFFFF) + packet[2:]


def _change(dns: DnsProcess, services: list[types.Service], turn: int) -> float:
    """Seconds until the new address of one service is the answer."""
    services[turn] = _service(turn, SERVICES + turn)
    wanted = socket.inet_aton(services[turn].spec.cluster_ip)
    packet = _packet(f"service-{turn}.default.svc.cluster.local")
    began = time.perf_counter()
    dns.update(services, [])
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.settimeout(5)
        client.connect((OURS, PORT))
        while True:
            client.send(packet)
            if client.recv(4096).endswith(wanted):
                return time.perf_counter() - began


@contextmanager
def _answering(state: Path) -> Iterator[DnsProcess]:
    dns = DnsProcess(Names.of(state), OURS)
    dns.start()
    try:
        yield dns
    finally:
        dns.stop()


@contextmanager
def _echo() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", ECHOING], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()
