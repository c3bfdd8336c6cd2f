"""Which way leads to the pods of each other node. Pure.

Where two nodes share a link the other node itself is the gateway (host-gw). Where a router lies between them, it knows
nothing of pods, so what goes to them travels in packets between the nodes (VXLAN).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from node_agent.network import Neighbour

AUTO, HOST_GW, VXLAN = "auto", "host-gw", "vxlan"
MODES = (AUTO, HOST_GW, VXLAN)


@dataclass(frozen=True, order=True)
class Road:
    """A route to the pods of one node. ``link`` "" is the tunnel."""

    pods: str
    gateway: str
    link: str = ""


@dataclass(frozen=True)
class Roads:
    """All of them, and the far ends of the tunnel."""

    routes: frozenset[Road] = frozenset()
    tunnelled: tuple[Neighbour, ...] = ()
    direct: tuple[str, ...] = ()
    """Addresses of nodes that know the way back to our pods, so that a pod may show them its own address."""
    lost: tuple[str, ...] = ()
    """Addresses of nodes behind a router when tunnels are forbidden."""


def plan(
    neighbours: Iterable[Neighbour], own: Sequence[tuple[str, IPv4Interface]], mode: str = AUTO
) -> Roads:
    """``own`` are this machine's links and their addresses towards others."""
    routes: set[Road] = set()
    tunnelled, direct, lost = [], [], []
    here = {str(face.ip) for _, face in own}
    for each in sorted(neighbours):
        if each.address in here:
            continue  # another node of this very machine: nothing leads to its pods from outside
        link = _shared(each.address, own)
        if mode == VXLAN or (mode == AUTO and not link):
            routes.add(Road(each.pods, end_of(each.pods)))
            tunnelled.append(each)
        elif link:
            routes.add(Road(each.pods, each.address, link))
            direct.append(each.address)
        else:
            lost.append(each.address)
    return Roads(frozenset(routes), tuple(tunnelled), tuple(direct), tuple(lost))


def end_of(pods: str) -> str:
    """The tunnel's own address on the node with these pods: the first of their network, which no pod gets."""
    return str(IPv4Network(pods).network_address)


def tunnel_number(cluster_cidr: str) -> int:
    """Which of a machine's tunnels is this cluster's: two clusters never share the addresses of their pods."""
    return int(IPv4Network(cluster_cidr).network_address) >> 8


def _shared(address: str, own: Sequence[tuple[str, IPv4Interface]]) -> str:
    """The link on which ``address`` is a neighbour, the narrowest of several; "" for none."""
    fitting = [
        (face.network.prefixlen, link)
        for link, face in own
        if face.network.prefixlen < 32 and IPv4Address(address) in face.network
    ]
    return max(fitting)[1] if fitting else ""
