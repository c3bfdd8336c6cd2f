"""What the rules of one node must do, whatever writes them. Pure; nothing here knows iptables or nftables.

The structs are also what travels to the proxy's process, so they hold only what rules need.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:  # the proxy's process plans nothing: it is spared the API's types
    from apps.cluster import types

TCP, UDP = "tcp", "udp"
PROTOCOLS = frozenset({TCP, UDP, "sctp"})
AFFINITY_SECONDS = 10800
"""How long a client stays with its pod when the service does not say (the API's default)."""


class Target(Struct, frozen=True, order=True, gc=False):
    """One place that answers."""

    address: str
    port: int


class Portal(Struct, frozen=True, order=True, gc=False):
    """One port of one service. Without targets, who asks is refused."""

    name: str
    """namespace/service:port name, as people read it."""
    protocol: str
    address: str
    port: int
    node_port: int = 0
    affinity: int = 0
    """Seconds that a client stays with the pod it met first; 0 for none."""
    targets: tuple[Target, ...] = ()


class HostPort(Struct, frozen=True, order=True, gc=False):
    """A port of the machine that belongs to one pod. ``address`` "" means every address of the machine."""

    protocol: str
    port: int
    target: Target
    address: str = ""
    name: str = ""
    """namespace/pod, for people who read the rules."""


class Wanted(Struct, frozen=True):
    """Everything the rules of one node must do. Equal wishes make equal values."""

    portals: tuple[Portal, ...] = ()
    host_ports: tuple[HostPort, ...] = ()


class Flow(Struct, frozen=True, order=True):
    """Connections without a handshake that the kernel remembers and should forget.

    To ``address`` ("" for any of the machine's) and ``port``, unless one of ``keep`` answers them.
    """

    address: str
    port: int
    keep: tuple[str, ...] = ()


def plan(
    services: Iterable[types.Service],
    endpoints: Iterable[types.Endpoints],
    host_ports: Iterable[HostPort] = (),
) -> Wanted:
    """The rules for these services. Headless ones have none; of two that claim one port the first has it."""
    subsets = {(one.metadata.namespace, one.metadata.name): one.subsets for one in endpoints}
    portals: dict[tuple[str, str, int], Portal] = {}
    node_ports: set[tuple[str, int]] = set()
    ordered = sorted(services, key=lambda one: (one.metadata.namespace, one.metadata.name))
    for service in ordered:
        if not _has_address(service.spec):
            continue
        found = subsets.get((service.metadata.namespace, service.metadata.name), [])
        for port in service.spec.ports:
            portal = _portal(service, port, found)
            if portal.protocol not in PROTOCOLS or (portal.protocol, portal.address, portal.port) in portals:
                continue
            if portal.node_port and (portal.protocol, portal.node_port) in node_ports:
                portal = replace(portal, node_port=0)
            node_ports.add((portal.protocol, portal.node_port))
            portals[portal.protocol, portal.address, portal.port] = portal
    return Wanted(tuple(sorted(portals.values())), _distinct(host_ports))


def stale_flows(before: Wanted | None, after: Wanted) -> tuple[Flow, ...]:
    """The UDP flows that would go on to where they may no longer go, or past a target that is there now.

    TCP needs none of this: a connection ends by itself, and one to a pod that is ending may still finish.
    ``before`` is None when nobody knows what was applied.
    """
    old, new = _answers(before) if before else {}, _answers(after)
    return tuple(
        Flow(*where, keep=tuple(sorted(new.get(where, ()))))
        for where in sorted(old.keys() | new.keys())
        if old.get(where) != new.get(where)
    )


def _has_address(spec: types.ServiceSpec) -> bool:
    return bool(spec.cluster_ip) and spec.cluster_ip != "None" and ":" not in spec.cluster_ip


def _portal(
    service: types.Service, port: types.ServicePort, subsets: Iterable[types.EndpointSubset]
) -> Portal:
    name = f"{service.metadata.namespace}/{service.metadata.name}"
    protocol = (port.protocol or TCP).lower()
    return Portal(
        name=f"{name}:{port.name}" if port.name else name,
        protocol=protocol,
        address=service.spec.cluster_ip,
        port=port.port,
        node_port=port.node_port or 0,
        affinity=_affinity(service.spec),
        targets=_targets(port.name, protocol, subsets),
    )


def _targets(name: str, protocol: str, subsets: Iterable[types.EndpointSubset]) -> tuple[Target, ...]:
    """The ready addresses behind one port: endpoints carry the port's name and the pod's own number."""
    return tuple(
        sorted(
            {
                Target(address.ip, port.port)
                for subset in subsets
                for port in subset.ports
                if port.name == name and (port.protocol or TCP).lower() == protocol
                for address in subset.addresses
                if ":" not in address.ip
            }
        )
    )


def _affinity(spec: types.ServiceSpec) -> int:
    if spec.session_affinity != "ClientIP":
        return 0
    config = spec.session_affinity_config
    seconds = config.client_ip.timeout_seconds if config and config.client_ip else None
    return seconds or AFFINITY_SECONDS


def _distinct(host_ports: Iterable[HostPort]) -> tuple[HostPort, ...]:
    """Sorted, one per port of one address."""
    chosen: dict[tuple[str, int, str], HostPort] = {}
    for one in sorted(host_ports):
        chosen.setdefault((one.protocol, one.port, one.address), one)
    return tuple(chosen.values())


def _answers(wanted: Wanted) -> dict[tuple[str, int], frozenset[str]]:
    """Who answers UDP, by (address or "" for the machine's own, port)."""
    answers: dict[tuple[str, int], frozenset[str]] = {}
    for portal in wanted.portals:
        if portal.protocol == UDP:
            targets = frozenset(target.address for target in portal.targets)
            answers[portal.address, portal.port] = targets
            if portal.node_port:
                answers["", portal.node_port] = targets
    for one in wanted.host_ports:
        if one.protocol == UDP:
            answers[one.address, one.port] = frozenset({one.target.address})
    return answers
