"""Hands out cluster IPs, node ports and the nodes' pod networks, inside the write that asks for them.

The first try follows from the asker's name, so that what is deleted and made again tends to get what it had.
Each try is one indexed query; writes wait for each other, so nothing is given twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import chain

from apps.cluster import ranges, types
from apps.cluster.errors import Invalid, invalid
from apps.cluster.kinds import refusals
from apps.cluster.kinds.service_checks import (
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NODE_PORT,
    has_health_check,
    is_external,
)
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.registry import kind_of
from apps.cluster.selectors import FieldSelector
from apps.cluster.types import Problem

FIRST_NODES = 16
NODE_STEP = 1 << (32 - ranges.NODE_POD_PREFIX)
LOWER_BAND = 256
TAKEN_IP = "provided IP is already allocated"
TAKEN_PORT = "provided port is already allocated"


def _start(asker: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(asker.encode()).digest()[:8]) % size


def _around(asker: str, size: int) -> Iterator[int]:
    """Every number below ``size`` once, from one that follows from the name."""
    start = _start(asker, size)
    yield from range(start, size)
    yield from range(start)


def _refusal(obj: types.Service | types.Node, *problems: Problem) -> Invalid:
    return invalid(obj.kind, obj.metadata.name, problems)


def _key(service: types.Service) -> str:
    return f"{service.metadata.namespace}/{service.metadata.name}"


# Cluster IPs


def allocate_cluster_ip(tx: Transaction, old: types.Service | None, new: types.Service) -> None:
    """A service has one address for as long as it needs one; "None" asks for none."""
    spec = new.spec
    if spec.type == EXTERNAL_NAME:
        return
    if old is not None and old.spec.cluster_ip:
        spec.cluster_ip = spec.cluster_ip or old.spec.cluster_ip
    elif not spec.cluster_ip:
        spec.cluster_ip = _free_cluster_ip(tx, new)
    elif spec.cluster_ip != "None":
        _check_wished_ip(tx, new)
    spec.cluster_ips = [spec.cluster_ip]


def _cluster_ip_taken(tx: Transaction, address: IPv4Address) -> bool:
    return tx.taken(kind_of("services"), "spec.clusterIP", str(address))


def _free_cluster_ip(tx: Transaction, service: types.Service) -> str:
    """From above the lower band, which is left to wishes for as long as there is room elsewhere."""
    network = ranges.SERVICE_CIDR
    size = network.num_addresses
    band = min(LOWER_BAND, size // 4)
    upper = (band + offset for offset in _around(_key(service), size - band - 1))
    for offset in chain(upper, range(1, band)):
        address = network.network_address + offset
        if address not in ranges.RESERVED and not _cluster_ip_taken(tx, address):
            return str(address)
    raise _refusal(service, refusals.invalid("spec.clusterIP", "", f"no address of {network} is free"))


def _check_wished_ip(tx: Transaction, service: types.Service) -> None:
    wished = IPv4Address(service.spec.cluster_ip)
    network = ranges.SERVICE_CIDR
    why = ""
    if wished not in network or wished in {network.network_address, network.broadcast_address}:
        why = f"provided IP is not in the valid range. The range of valid IPs is {network}"
    elif wished in ranges.RESERVED and not _may_have(service, wished):
        why = "provided IP is reserved by the cluster"
    elif _cluster_ip_taken(tx, wished):
        why = TAKEN_IP
    if why:
        raise _refusal(service, refusals.invalid("spec.clusterIP", str(wished), why))


def _may_have(service: types.Service, wished: IPv4Address) -> bool:
    return (service.metadata.namespace, service.metadata.name) == ranges.RESERVED[wished]


# Node ports


def allocate_node_ports(tx: Transaction, old: types.Service | None, new: types.Service) -> None:
    """Each port of a service that nodes answer for gets one, unless a balancer needs none."""
    if not is_external(new.spec):
        return
    _carry_over(old, new)
    had, asked = _node_ports(old), _node_ports(new)
    lacking = [port for port in new.spec.ports if not port.node_port]
    if new.spec.allocate_load_balancer_node_ports is False:
        lacking = []
    if asked <= had and not lacking:
        return
    taken = _taken_ports(tx, new)
    _check_wished_ports(new, had, taken)
    for port in lacking:
        port.node_port = _free_node_port(new, f"{port.protocol}/{port.port}", taken | _node_ports(new))


def allocate_health_check_port(tx: Transaction, old: types.Service | None, new: types.Service) -> None:
    """Where a balancer asks each node whether it has an endpoint: kept while it is needed."""
    spec = new.spec
    if not has_health_check(spec):
        return
    had = old.spec.health_check_node_port if old is not None else 0
    spec.health_check_node_port = spec.health_check_node_port or had
    if spec.health_check_node_port and spec.health_check_node_port == had:
        return
    taken = _taken_ports(tx, new) | {port.node_port for port in spec.ports if port.node_port}
    if not spec.health_check_node_port:
        spec.health_check_node_port = _free_node_port(new, "health", taken)
    elif why := _refused_port(spec.health_check_node_port, taken):
        path = "spec.healthCheckNodePort"
        raise _refusal(new, refusals.invalid(path, spec.health_check_node_port, why))


def _node_ports(service: types.Service | None) -> set[int]:
    """Every port that nodes open for the service."""
    if service is None:
        return set()
    found = {port.node_port for port in service.spec.ports if port.node_port}
    return found | ({service.spec.health_check_node_port} - {0})


def _taken_ports(tx: Transaction, service: types.Service) -> set[int]:
    """What the others have: at most as many services as there are ports."""
    others = [
        other
        for wanted in (NODE_PORT, LOAD_BALANCER)
        for other in tx.list(kind_of("services"), fields=FieldSelector.of({"spec.type": wanted}))
        if _key(other) != _key(service)
    ]
    return {port for other in others for port in _node_ports(other)}


def _carry_over(old: types.Service | None, new: types.Service) -> None:
    """An update that leaves a node port out keeps it."""
    asked = _node_ports(new)
    before = {(port.protocol, port.port): port.node_port for port in old.spec.ports} if old else {}
    for port in new.spec.ports:
        kept = before.get((port.protocol, port.port))
        if not port.node_port and kept not in asked:
            port.node_port = kept


def _check_wished_ports(service: types.Service, had: set[int], taken: set[int]) -> None:
    problems = []
    for index, port in enumerate(service.spec.ports):
        path, wished = f"spec.ports[{index}].nodePort", port.node_port
        if not wished or wished in had:
            continue
        if why := _refused_port(wished, taken):
            problems.append(refusals.invalid(path, wished, why))
    if problems:
        raise _refusal(service, *problems)


def _refused_port(wished: int, taken: set[int]) -> str:
    if wished not in ranges.NODE_PORTS:
        first, last = ranges.NODE_PORTS[0], ranges.NODE_PORTS[-1]
        return f"provided port is not in the valid range. The range of valid ports is {first}-{last}"
    return TAKEN_PORT if wished in taken else ""


def _free_node_port(service: types.Service, what: str, taken: set[int]) -> int:
    for offset in _around(f"{_key(service)}/{what}", len(ranges.NODE_PORTS)):
        if ranges.NODE_PORTS[offset] not in taken:
            return ranges.NODE_PORTS[offset]
    raise _refusal(service, refusals.invalid("spec.ports", "", "no node port is free"))


# Pod networks of nodes


def allocate_pod_cidr(tx: Transaction, old: types.Node | None, new: types.Node) -> None:
    """A node has one network for its pods, free again when the node is gone."""
    spec = new.spec
    if old is not None and old.spec.pod_cidr:
        spec.pod_cidr = spec.pod_cidr or old.spec.pod_cidr
    elif not spec.pod_cidr:
        spec.pod_cidr = _free_pod_cidr(tx, new)
    else:
        _check_wished_cidr(tx, new)
    spec.pod_cidrs = [spec.pod_cidr]


def _pod_cidr_taken(tx: Transaction, network: IPv4Network) -> bool:
    return tx.taken(kind_of("nodes"), "spec.podCIDR", str(network))


def _free_pod_cidr(tx: Transaction, node: types.Node) -> str:
    """The first ones in order, for small clusters; further on spread, so that few tries suffice."""
    size = ranges.POD_CIDR.num_addresses // NODE_STEP
    first = range(min(FIRST_NODES, size))
    small = not _pod_cidr_taken(tx, _pod_cidr(first[-1]))
    for index in chain(first if small else (), _around(node.metadata.name, size)):
        if not _pod_cidr_taken(tx, _pod_cidr(index)):
            return str(_pod_cidr(index))
    raise _refusal(node, refusals.invalid("spec.podCIDR", "", f"no network of {ranges.POD_CIDR} is free"))


def _pod_cidr(index: int) -> IPv4Network:
    return IPv4Network((ranges.POD_CIDR.network_address + index * NODE_STEP, ranges.NODE_POD_PREFIX))


def _check_wished_cidr(tx: Transaction, node: types.Node) -> None:
    wished = IPv4Network(node.spec.pod_cidr)
    why = ""
    if not wished.subnet_of(ranges.POD_CIDR):
        why = f"must be a network within {ranges.POD_CIDR}"
    elif wished.prefixlen != ranges.NODE_POD_PREFIX:
        why = f"must be a network of length {ranges.NODE_POD_PREFIX}"
    elif _pod_cidr_taken(tx, wished):
        why = "provided network is already allocated"
    if why:
        raise _refusal(node, refusals.invalid("spec.podCIDR", node.spec.pod_cidr, why))
