"""The wanted rules as the objects of one nftables table. Pure.

Portals are looked up in maps, so a thousand services cost a packet no more than one. A portal is one chain
that spreads over its targets by a map; only one with affinity needs a chain and a set of clients per target.
Chains and elements mean what they mean in ``chains``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping

from msgspec import Struct

from node_agent.names import Names
from node_agent.proxy.rules import HostPort, Portal, Target, Wanted

MARK = "0x2000"
_HASH = 16
_KEY = "type ipv4_addr . inet_proto . inet_service"

MAPS = {
    "services": f"{_KEY} : verdict;",
    "host-ports": f"{_KEY} : verdict;",
    "any-host-ports": "type inet_proto . inet_service : verdict;",
    "node-ports": "type inet_proto . inet_service : verdict;",
}
SETS = {
    "refused": f"{_KEY};",
    "refused-ports": "type inet_proto . inet_service;",
    "dropped": f"{_KEY};",
    "dropped-ports": "type inet_proto . inet_service;",
    "loops": "type ipv4_addr . ipv4_addr;",
}
_MARKED = f"meta mark set meta mark | {MARK}"
CLIENTS = "clients-"
"""Sets whose elements the kernel adds: who is with which target."""


class Objects(Struct, frozen=True):
    """A table's chains (with their rules), maps and sets (with their elements)."""

    chains: Mapping[str, tuple[str, ...]]
    elements: Mapping[str, Mapping[str, str]]
    clients: Mapping[str, int]
    """Sets of clients: name -> seconds."""


def table_name(names: Names) -> str:
    return f"drover{names.instance}"


class Renderer:
    """Renders for one instance. What stayed as it was keeps its very objects."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._pieces: dict[Portal | HostPort, Objects] = {}

    def render(self, wanted: Wanted) -> Objects:
        """The objects for ``wanted``. Order and names depend on nothing else."""
        known, fresh = self._pieces, dict[Portal | HostPort, Objects]()
        for portal in wanted.portals:
            fresh[portal] = known.get(portal) or _Piece(self._names).portal(portal)
        for host_port in wanted.host_ports:
            fresh[host_port] = known.get(host_port) or _Piece(self._names).host_port(host_port)
        self._pieces = fresh
        chains = dict(_frame())
        elements: dict[str, dict[str, str]] = {name: {} for name in (*MAPS, *SETS)}
        clients: dict[str, int] = {}
        for piece in fresh.values():
            chains.update(piece.chains)
            clients.update(piece.clients)
            for name, some in piece.elements.items():
                elements[name].update(some)
        return Objects(chains, elements, clients)


def _frame() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The chains that are always there."""
    nat = "type nat hook {} priority {}; policy accept;"
    filtering = "type filter hook {} priority 0; policy accept;"
    find = (
        "ip daddr . meta l4proto . th dport vmap @services",
        "fib daddr type local jump ports",
    )
    yield (
        "ports",
        (
            "ip daddr . meta l4proto . th dport vmap @host-ports",
            "meta l4proto . th dport vmap @any-host-ports",
            "meta l4proto . th dport vmap @node-ports",
        ),
    )
    yield (
        "refuse",
        (
            "ip daddr . meta l4proto . th dport @refused reject with icmp type port-unreachable",
            "fib daddr type local meta l4proto . th dport @refused-ports "
            "reject with icmp type port-unreachable",
            "ip daddr . meta l4proto . th dport @dropped drop",
            "fib daddr type local meta l4proto . th dport @dropped-ports drop",
        ),
    )
    yield "prerouting", (nat.format("prerouting", -100), *find)
    yield "output", (nat.format("output", -100), *find)
    yield (
        "postrouting",
        (
            nat.format("postrouting", 100),
            "ct status dnat ip saddr . ip daddr @loops masquerade fully-random",
            f"meta mark & {MARK} != {MARK} return",
            f"meta mark set meta mark ^ {MARK}",
            "masquerade fully-random",
        ),
    )
    for hook in ("input", "forward", "output"):
        yield f"filter-{hook}", (filtering.format(hook), "ct state new jump refuse")


class _Piece:
    """What one portal or host port adds to the table."""

    def __init__(self, names: Names) -> None:
        self._from_pods = f'iifname "{names.bridge}"'
        self._outsider = f'iifname != "{names.bridge}"'
        self._chains: dict[str, tuple[str, ...]] = {}
        self._elements: dict[str, dict[str, str]] = defaultdict(dict)
        self._clients: dict[str, int] = {}

    def portal(self, one: Portal) -> Objects:
        if one.targets:
            self._serve(one)
        else:
            self._turn_away(one, "refused", one.address, *one.balanced)
            if one.node_port:
                self._turn_away_at_port(one, "refused-ports")
        return Objects(self._chains, self._elements, self._clients)

    def host_port(self, one: HostPort) -> Objects:
        own = _name("host", one.name, one.protocol, one.address, one.port)
        port = f"{one.protocol} . {one.port}"
        if one.address:
            self._elements["host-ports"][f"{one.address} . {port}"] = f"goto {own}"
        else:
            self._elements["any-host-ports"][port] = f"goto {own}"
        self._loop(one.target.address)
        self._chains[own] = (
            f"ip saddr 127.0.0.0/8 {_MARKED}",
            f"meta l4proto {one.protocol} dnat to {one.target.address}:{one.target.port}",
        )
        return Objects(self._chains, self._elements, self._clients)

    def _serve(self, one: Portal) -> None:
        key = (one.name, one.protocol, one.port)
        for address in one.near:
            self._loop(address)
        own, local, outside = (_name(kind, *key) for kind in ("service", "local", "node"))
        self._spread(one, own, one.targets, (f"ip daddr {one.address} {self._outsider} {_MARKED}",))
        if one.here:
            self._spread(one, local, one.here)
        if one.inside:
            self._lead(one, one.address, local if one.inside_local else own)
        else:
            self._turn_away(one, "dropped", one.address)
        if one.node_port or one.balanced:
            self._chains[outside] = tuple(self._from_outside(one, own, local))
        absent = one.outside_local and not one.here
        if one.node_port:
            self._elements["node-ports"][f"{one.protocol} . {one.node_port}"] = f"goto {outside}"
            if absent:
                self._turn_away_at_port(one, "dropped-ports")
        if one.sources and one.balanced:
            chosen = _name("chosen", *key)
            self._chains[chosen] = (
                f"ip saddr {{ {', '.join(one.sources)} }} goto {outside}",
                f"fib saddr type local goto {outside}",
            )
            outside = chosen
        for address in one.balanced:
            self._lead(one, address, outside)
        if absent or one.sources:
            self._turn_away(one, "dropped", *one.balanced)

    def _lead(self, one: Portal, address: str, chain: str) -> None:
        self._elements["services"][f"{address} . {one.protocol} . {one.port}"] = f"goto {chain}"

    def _turn_away(self, one: Portal, how: str, *addresses: str) -> None:
        self._elements[how].update((f"{address} . {one.protocol} . {one.port}", "") for address in addresses)

    def _turn_away_at_port(self, one: Portal, how: str) -> None:
        self._elements[how][f"{one.protocol} . {one.node_port}"] = ""

    def _from_outside(self, one: Portal, own: str, local: str) -> Iterator[str]:
        if not one.outside_local:
            yield _MARKED
            yield f"goto {own}"
            return
        yield f"{self._from_pods} goto {own}"
        yield f"fib saddr type local {_MARKED} goto {own}"
        if one.here:
            yield f"goto {local}"

    def _spread(
        self, one: Portal, own: str, targets: tuple[Target, ...], first: tuple[str, ...] = ()
    ) -> None:
        if not one.affinity:
            self._chains[own] = (*first, _choice(one.protocol, targets))
            return
        # A set's timeout is fixed when it is made, so it is part of the name.
        ends = {each: _name("target", own, each.address, each.port, one.affinity) for each in targets}
        for target, end in ends.items():
            self._clients[CLIENTS + end] = one.affinity
            self._chains[end] = (
                f"update @{CLIENTS}{end} {{ ip saddr }}",
                f"meta l4proto {one.protocol} dnat to {target.address}:{target.port}",
            )
        stay = tuple(f"ip saddr @{CLIENTS}{end} goto {end}" for end in ends.values())
        choice = ", ".join(f"{index} : goto {end}" for index, end in enumerate(ends.values()))
        self._chains[own] = (*first, *stay, f"numgen random mod {len(ends)} vmap {{ {choice} }}")

    def _loop(self, address: str) -> None:
        """A pod that meets itself would see its own address and answer past the rules."""
        self._elements["loops"][f"{address} . {address}"] = ""


def _choice(protocol: str, targets: tuple[Target, ...]) -> str:
    if len(targets) == 1:
        return f"meta l4proto {protocol} dnat to {targets[0].address}:{targets[0].port}"
    choice = ", ".join(f"{index} : {target.address} . {target.port}" for index, target in enumerate(targets))
    return f"meta l4proto {protocol} dnat ip to numgen random mod {len(targets)} map {{ {choice} }}"


def _name(kind: str, *key: object) -> str:
    return f"{kind}-{hashlib.sha256(chr(0).join(map(str, key)).encode()).hexdigest()[:_HASH]}"
