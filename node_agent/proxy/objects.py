"""The wanted rules as the objects of one nftables table. Pure.

Portals are looked up in maps, so a thousand services cost a packet no more than one. A portal is one chain
that spreads over its targets by a map; only one with affinity needs a chain and a set of clients per target.
"""

from __future__ import annotations

import hashlib
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
    "loops": "type ipv4_addr . ipv4_addr;",
}
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


def render(wanted: Wanted, names: Names) -> Objects:
    """The objects for ``wanted``. Order and names depend on nothing else."""
    chains = dict(_frame(names))
    elements: dict[str, dict[str, str]] = {name: {} for name in (*MAPS, *SETS)}
    clients: dict[str, int] = {}
    for portal in wanted.portals:
        _add_portal(portal, names, chains, elements, clients)
    for host_port in wanted.host_ports:
        _add_host_port(host_port, chains, elements)
    return Objects(chains, elements, clients)


def _frame(names: Names) -> Iterator[tuple[str, tuple[str, ...]]]:
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


def _add_portal(
    one: Portal,
    names: Names,
    chains: dict[str, tuple[str, ...]],
    elements: dict[str, dict[str, str]],
    clients: dict[str, int],
) -> None:
    at, port = f"{one.address} . {one.protocol} . {one.port}", f"{one.protocol} . {one.node_port}"
    if not one.targets:
        elements["refused"][at] = ""
        if one.node_port:
            elements["refused-ports"][port] = ""
        return
    own = _name("service", one.name, one.protocol, one.port)
    elements["services"][at] = f"goto {own}"
    mark = f"meta mark set meta mark | {MARK}"
    if one.node_port:
        through = _name("node", one.name, one.protocol, one.port)
        elements["node-ports"][port] = f"goto {through}"
        chains[through] = (mark, f"goto {own}")
    for target in one.targets:
        _add_loop(target, elements)
    outsider = f'ip daddr {one.address} iifname != "{names.bridge}" {mark}'
    if not one.affinity:
        chains[own] = (outsider, _spread(one))
        return
    # A set's timeout is fixed when it is made, so it is part of the name.
    ends = {one_of: _name("target", own, one_of.address, one_of.port, one.affinity) for one_of in one.targets}
    for target, end in ends.items():
        clients[CLIENTS + end] = one.affinity
        chains[end] = (
            f"update @{CLIENTS}{end} {{ ip saddr }}",
            f"meta l4proto {one.protocol} dnat to {target.address}:{target.port}",
        )
    stay = tuple(f"ip saddr @{CLIENTS}{end} goto {end}" for end in ends.values())
    choice = ", ".join(f"{index} : goto {end}" for index, end in enumerate(ends.values()))
    chains[own] = (outsider, *stay, f"numgen random mod {len(ends)} vmap {{ {choice} }}")


def _add_host_port(
    one: HostPort, chains: dict[str, tuple[str, ...]], elements: dict[str, dict[str, str]]
) -> None:
    own = _name("host", one.name, one.protocol, one.address, one.port)
    port = f"{one.protocol} . {one.port}"
    if one.address:
        elements["host-ports"][f"{one.address} . {port}"] = f"goto {own}"
    else:
        elements["any-host-ports"][port] = f"goto {own}"
    _add_loop(one.target, elements)
    chains[own] = (
        f"ip saddr 127.0.0.0/8 meta mark set meta mark | {MARK}",
        f"meta l4proto {one.protocol} dnat to {one.target.address}:{one.target.port}",
    )


def _add_loop(target: Target, elements: dict[str, dict[str, str]]) -> None:
    """A pod that meets itself would see its own address and answer past the rules."""
    elements["loops"][f"{target.address} . {target.address}"] = ""


def _spread(one: Portal) -> str:
    if len(one.targets) == 1:
        return f"meta l4proto {one.protocol} dnat to {one.targets[0].address}:{one.targets[0].port}"
    choice = ", ".join(
        f"{index} : {target.address} . {target.port}" for index, target in enumerate(one.targets)
    )
    return f"meta l4proto {one.protocol} dnat ip to numgen random mod {len(one.targets)} map {{ {choice} }}"


def _name(kind: str, *key: object) -> str:
    return f"{kind}-{hashlib.sha256(chr(0).join(map(str, key)).encode()).hexdigest()[:_HASH]}"
