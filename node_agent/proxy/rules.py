"""What the rules of one node must do, whatever writes them. Pure; nothing here knows iptables or nftables.

The structs are also what travels to the proxy's process, so they hold only what rules need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, collapse_addresses
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from node_agent.slices import by_service, is_ready

if TYPE_CHECKING:  # the proxy's process plans nothing: it is spared the API's types
    from apps.cluster import types

    _Looked = tuple[types.Service, list[types.EndpointSlice], tuple["Portal", ...]]
    """A service, what was behind it, and the portals that makes."""

TCP, UDP = "tcp", "udp"
LOCAL, BALANCED = "Local", "LoadBalancer"
PROTOCOLS = frozenset({TCP, UDP, "sctp"})
AFFINITY_SECONDS = 10800
"""How long a client stays with its pod when the service does not say (the API's default)."""


class Target(Struct, frozen=True, order=True, gc=False):
    """One place that answers."""

    address: str
    port: int


class Portal(Struct, frozen=True, order=True, gc=False, omit_defaults=True):
    """One port of one service, and every door to it. Without targets, who asks is refused."""

    name: str
    """namespace/service:port name, as people read it."""
    protocol: str
    address: str
    port: int
    node_port: int = 0
    affinity: int = 0
    """Seconds that a client stays with the pod it met first; 0 for none."""
    targets: tuple[Target, ...] = ()
    here: tuple[Target, ...] = ()
    """Where one of the two below is set: the targets on this node. Without any, who asks there gets no answer."""
    inside_local: bool = False
    """Who asks the service's own address is led to ``here`` only."""
    outside_local: bool = False
    """Who comes from outside is led to ``here`` only, and seen under its own address."""
    balanced: tuple[str, ...] = ()
    """Addresses at which a balancer answers, at the service's own port."""
    sources: tuple[str, ...] = ()
    """Who may come by those: ranges that do not overlap; empty for everybody."""
    near: tuple[str, ...] = ()
    """Addresses behind it that may be pods of this node: one of them that asks may meet itself."""

    @property
    def inside(self) -> tuple[Target, ...]:
        """Where who asks the service's own address is led."""
        return self.here if self.inside_local else self.targets


class HostPort(Struct, frozen=True, order=True, gc=False, omit_defaults=True):
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


class Planner:
    """Plans for one node, again and again: a service is looked at anew when it or what is behind it has changed."""

    def __init__(self, node: str = "") -> None:
        self._node = node
        self._known: dict[tuple[str, str], _Looked] = {}

    def plan(
        self,
        services: Iterable[types.Service],
        slices: Iterable[types.EndpointSlice],
        host_ports: Iterable[HostPort] = (),
    ) -> Wanted:
        """The node's rules. Headless services have none; of two that claim one port the first has it."""
        behind, known = by_service(slices), self._known
        portals: dict[tuple[str, str, int], Portal] = {}
        node_ports: set[tuple[str, int]] = set()
        self._known = {}
        for service in services:
            key = service.metadata.namespace, service.metadata.name
            looked, found = known.get(key), behind.get(key, [])
            if looked is None or looked[0] != service or looked[1] != found:
                looked = service, found, tuple(_portals(service, found, self._node))
            self._known[key] = looked
        for key in sorted(self._known):
            for one in self._known[key][2]:
                if (one.protocol, one.address, one.port) in portals:
                    continue
                taken = one.node_port and (one.protocol, one.node_port) in node_ports
                node_ports.add((one.protocol, one.node_port))
                portals[one.protocol, one.address, one.port] = replace(one, node_port=0) if taken else one
        return Wanted(tuple(sorted(portals.values())), _distinct(host_ports))


def still_answers(endpoint: types.Endpoint) -> bool:
    """Whether it is about to end, and good enough while there is no other."""
    conditions = endpoint.conditions
    return conditions is not None and bool(conditions.serving and conditions.terminating)


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


def _portals(
    service: types.Service, found: Iterable[types.EndpointSlice], node: str
) -> Iterator[Portal]:
    address = service.spec.cluster_ip
    if address and address != "None" and ":" not in address:
        made = (_portal(service, port, found, node) for port in service.spec.ports)
        yield from (portal for portal in made if portal.protocol in PROTOCOLS)


def _portal(
    service: types.Service, port: types.ServicePort, slices: Iterable[types.EndpointSlice], node: str
) -> Portal:
    name, spec = f"{service.metadata.namespace}/{service.metadata.name}", service.spec
    protocol = (port.protocol or TCP).lower()
    behind = list(_behind(port.name, protocol, slices))
    inside_local = spec.internal_traffic_policy == LOCAL
    outside_local = spec.external_traffic_policy == LOCAL
    balancer = service.status.load_balancer
    ingress = balancer.ingress if balancer and spec.type == BALANCED else []
    balanced = tuple(sorted({one.ip for one in ingress if one.ip and ":" not in one.ip}))
    return Portal(
        name=f"{name}:{port.name}" if port.name else name,
        protocol=protocol,
        address=spec.cluster_ip,
        port=port.port,
        node_port=port.node_port or 0,
        affinity=_affinity(spec),
        targets=_targets(behind),
        here=_targets((number, one) for number, one in behind if one.node_name == node)
        if inside_local or outside_local
        else (),
        inside_local=inside_local,
        outside_local=outside_local,
        balanced=balanced,
        sources=_sources(spec.load_balancer_source_ranges) if balanced else (),
        near=_near(behind, node),
    )


def _behind(
    name: str, protocol: str, slices: Iterable[types.EndpointSlice]
) -> Iterator[tuple[int, types.Endpoint]]:
    """The endpoints of one port, each with the number it has there: slices carry the port's name."""
    for one in slices:
        for port in one.ports:
            if port.port and (port.name or "") == name and (port.protocol or TCP).lower() == protocol:
                yield from ((port.port, endpoint) for endpoint in one.endpoints)


def _targets(behind: Iterable[tuple[int, types.Endpoint]]) -> tuple[Target, ...]:
    listed = [(number, one) for number, one in behind if ":" not in one.addresses[0]]
    chosen = [each for each in listed if is_ready(each[1])] or [
        each for each in listed if still_answers(each[1])
    ]
    return tuple(sorted({Target(one.addresses[0], number) for number, one in chosen}))


def _near(behind: Iterable[tuple[int, types.Endpoint]], node: str) -> tuple[str, ...]:
    """An endpoint that somebody wrote by hand does not say where it is."""
    addresses = {one.addresses[0] for _, one in behind if (one.node_name or node) == node}
    return tuple(sorted(address for address in addresses if ":" not in address))


def _sources(ranges: Iterable[str]) -> tuple[str, ...]:
    """Without overlaps; none at all when everybody is among them."""
    merged = list(collapse_addresses(IPv4Network(text.strip()) for text in ranges))
    return tuple(str(one) for one in merged if merged[0].prefixlen)


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
            answers[portal.address, portal.port] = frozenset(target.address for target in portal.inside)
            answers.update(((address, portal.port), targets) for address in portal.balanced)
            if portal.node_port:
                answers["", portal.node_port] = targets
    for one in wanted.host_ports:
        if one.protocol == UDP:
            answers[one.address, one.port] = frozenset({one.target.address})
    return answers
