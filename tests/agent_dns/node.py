"""One node that answers names, a pod on it, and servers outside that know other names."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset

from apps.cluster import types
from node_agent.dns.client import DnsProcess
from node_agent.names import Names
from node_agent.network.bridge import BridgeNetwork
from tests.agent_dns.asking import NETWORKS, OWN, told
from tests.agent_net.lab import Space
from tests.calm import PATIENCE

PODS, SERVICES, CLUSTER = "10.64.3.0/24", *NETWORKS


class Node:
    def __init__(self, space: Space, state: Path, kind: type[DnsProcess] = DnsProcess) -> None:
        self.space, self.state, self._kind = space, state, kind
        self.names = Names.of(state)
        self.network = BridgeNetwork(self.names, state)
        self.resolv_conf = state / "resolv.conf"
        self.resolv_conf.write_text("")
        self.dns = self.new_process()
        self.pod = Space()

    def new_process(self) -> DnsProcess:
        made = self._kind(self.names, OWN, NETWORKS, self.resolv_conf)
        self.space.run(made.start)
        return made

    def connect(self) -> None:
        """The node's network comes up, and its pod gets a cable."""
        self.space.run(self.network.start, PODS, SERVICES, CLUSTER, OWN)
        self.space.run(self.network.attach, "pod", self.pod.pid)

    def know(self, services: list[types.Service], slices: list[types.EndpointSlice]) -> None:
        assert self.dns.wait(self.dns.update(services, slices), PATIENCE), self.dns.error

    def ask(self, name: str, kind: str = "A", *, tcp: bool = False, within: float = PATIENCE) -> list[str]:
        return ask(self.pod, name, kind, tcp=tcp, within=within)

    def close(self) -> None:
        self.dns.stop()
        self.pod.close()


def ask(
    space: Space, name: str, kind: str = "A", *, tcp: bool = False, within: float = PATIENCE
) -> list[str]:
    """Asks as a resolver does: rcode and answers in short."""
    query = dns.message.make_query(name, kind, use_edns=0)
    how = dns.query.tcp if tcp else dns.query.udp
    return told(space.run(lambda: how(query, OWN, timeout=within)).to_wire())


Behaviour = Callable[[dns.message.Message], list[str] | None]
"""The records to answer with, as "ttl type value"; None for silence."""


class Upstream:
    """A server for names by UDP and TCP; by UDP it never says more than fits 512 bytes."""

    def __init__(self, address: str, behaviour: Behaviour, space: Space | None = None) -> None:
        self._behaviour = behaviour
        self.asked: Counter[str] = Counter()
        self._udp, self._tcp = space.run(_sockets, address) if space else _sockets(address)
        if space is not None:
            space.at_close.callback(self.close)
        for serve in (self._serve_udp, self._serve_tcp):
            Thread(target=serve, daemon=True).start()

    def _answer(self, packet: bytes, how: str) -> dns.message.Message | None:
        query = dns.message.from_wire(packet)
        self.asked[how] += 1
        records = self._behaviour(query)
        if records is None:
            return None
        made = dns.message.make_response(query, recursion_available=True)
        for record in records:
            ttl, kind, value = record.split(" ", 2)
            made.answer.append(dns.rrset.from_text(query.question[0].name, int(ttl), "IN", kind, value))
        if not records:
            made.set_rcode(dns.rcode.NXDOMAIN)
        return made

    def _serve_udp(self) -> None:
        while True:
            try:
                packet, peer = self._udp.recvfrom(4096)
                if peer is None:  # shut down
                    return
                made = self._answer(packet, "udp")
                if made is not None:
                    self._udp.sendto(_short(made), peer)
            except OSError:
                return

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection:
                made = self._answer(connection.recv(4096)[2:], "tcp")
                if made is not None:
                    packet = made.to_wire(max_size=65535)
                    connection.sendall(len(packet).to_bytes(2, "big") + packet)

    def close(self) -> None:
        for one in (self._udp, self._tcp):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _sockets(address: str) -> tuple[socket.socket, socket.socket]:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, 53))
    return udp, socket.create_server((address, 53))


def _short(made: dns.message.Message) -> bytes:
    packet = made.to_wire(max_size=65535)
    if len(packet) <= 512:
        return packet
    made.answer.clear()
    made.flags |= dns.flags.TC
    return made.to_wire()
