"""What the cluster's names mean, after Kubernetes' "DNS-Based Service Discovery" 1.1.0. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Final

from msgspec import Struct

from node_agent.dns import CLUSTER_DOMAIN
from node_agent.dns.records import Host, Key, Listed, Port

TTL: Final = 5
SCHEMA: Final = "1.1.0"
REVERSE: Final = ("in-addr", "arpa")
DOMAIN: Final = tuple(CLUSTER_DOMAIN.split("."))
SERVER: Final = f"ns.dns.{CLUSTER_DOMAIN}"
LONGEST_CHAIN: Final = 8
"""An alias may stand for another alias, but not for ever."""

Labels = tuple[str, ...]
"""A name in lower case, its own label first, without the root's."""


class Record(Struct, frozen=True, gc=False):
    """One answer: ``value`` is an address, a name, a text, or for SRV (priority, weight, port, name)."""

    owner: str
    type: str
    value: str | tuple[int, int, int, str]


class Found(Struct, frozen=True):
    """What the cluster says to a question."""

    exists: bool = True
    answers: tuple[Record, ...] = ()
    extra: tuple[Record, ...] = ()
    onward: str = ""
    """The answers end in an alias for this name, which is not the cluster's to answer."""
    zone: str = CLUSTER_DOMAIN


NOTHING = Found()
NOT_THERE = Found(exists=False)


class Zone:
    """The services of a cluster by name and by address."""

    def __init__(self, networks: Iterable[IPv4Network] = ()) -> None:
        self._networks = tuple(networks)
        """Addresses whose names are the cluster's to tell."""
        self._services: dict[Key, Listed] = {}
        self._namespaces: Counter[str] = Counter()
        self._reverse: dict[str, dict[str, None]] = {}

    def put(self, listed: Listed) -> None:
        self.drop(listed.key)
        self._services[listed.key] = listed
        self._namespaces[listed.namespace] += 1
        for address, name in _addresses(listed):
            self._reverse.setdefault(address, {})[name] = None

    def drop(self, key: Key) -> None:
        before = self._services.pop(key, None)
        if before is None:
            return
        self._namespaces[before.namespace] -= 1
        for address, name in _addresses(before):
            names = self._reverse.get(address, {})
            names.pop(name, None)
            if not names:
                self._reverse.pop(address, None)

    def find(self, labels: Labels, kind: str) -> Found | None:
        """The answer to a question of type ``kind`` ("A", "SRV", ... "ANY"); None when it is not the cluster's."""
        if labels[-2:] == DOMAIN:
            return self._followed(self._inside(labels[:-2], kind), kind)
        if labels[-2:] == REVERSE and len(labels) == 6:
            return self._by_address(labels, kind)
        return None

    def _followed(self, found: Found, kind: str) -> Found:
        """An alias with what it stands for, as far as that is in the cluster."""
        answers: list[Record] = []
        for _ in range(LONGEST_CHAIN):
            answers += found.answers
            if not found.onward or kind == "CNAME":
                return Found(found.exists, tuple(answers), found.extra, zone=found.zone)
            labels = tuple(found.onward.lower().split("."))
            if labels[-2:] != DOMAIN:
                return Found(True, tuple(answers), onward=found.onward)
            found = self._inside(labels[:-2], kind)
        return NOTHING

    def _inside(self, labels: Labels, kind: str) -> Found:
        match labels:
            case ():
                return _chosen(
                    kind, [Record(CLUSTER_DOMAIN, "NS", SERVER), Record(CLUSTER_DOMAIN, "SOA", "")]
                )
            case ("dns-version",):
                return _chosen(kind, [Record(f"dns-version.{CLUSTER_DOMAIN}", "TXT", SCHEMA)])
            case ("svc",) | ("pod",) | (_, "pod"):
                return NOTHING
            case (address, namespace, "pod"):
                return _pod(address, namespace, kind)
            case (namespace, "svc"):
                return NOTHING if self._namespaces[namespace] else NOT_THERE
            case (*own, name, namespace, "svc"):
                service = self._services.get((namespace, name))
                return NOT_THERE if service is None else _of_service(service, tuple(own), kind)
        return NOT_THERE

    def _by_address(self, labels: Labels, kind: str) -> Found | None:
        address = ".".join(reversed(labels[:4]))
        owner, zone = ".".join(labels), ".".join(labels[3:])
        names = self._reverse.get(address)
        if names:
            found = _chosen(kind, [Record(owner, "PTR", name) for name in names])
            return Found(True, found.answers, zone=zone)
        try:
            ours = any(IPv4Address(address) in network for network in self._networks)
        except AddressValueError:
            return None
        return Found(exists=False, zone=zone) if ours else None


def name_of(listed: Listed) -> str:
    return f"{listed.name}.{listed.namespace}.svc.{CLUSTER_DOMAIN}"


def _of_service(service: Listed, own: Labels, kind: str) -> Found:
    """``own`` are the labels before the service's name."""
    name = name_of(service)
    if service.alias:
        return (
            NOT_THERE if own else Found(True, (Record(name, "CNAME", service.alias),), onward=service.alias)
        )
    match own:
        case ():
            addresses = _addresses_of(service, name)
            return _located(service, _all_ports(service)) if kind == "SRV" else _chosen(kind, addresses)
        case (port, protocol) if port.startswith("_") and protocol.startswith("_"):
            wanted = port[1:], protocol[1:]
            targets = [each for each in _all_ports(service) if (each[0].name, each[0].protocol) == wanted]
            if not targets:
                return NOT_THERE
            owner = f"{port}.{protocol}.{name}"
            return _located(service, targets, owner) if kind in ("SRV", "ANY") else NOTHING
        case (protocol,) if protocol.startswith("_"):
            known = any(port.protocol == protocol[1:] and port.name for port, _ in _all_ports(service))
            return NOTHING if known else NOT_THERE
        case (label,):
            hosts = [host for host in service.hosts if host.label.lower() == label]
            found = [Record(f"{label}.{name}", "A", address) for address in _distinct(hosts)]
            return _chosen(kind, found) if found else NOT_THERE
    return NOT_THERE


def _located(service: Listed, targets: Sequence[tuple[Port, Host | None]], owner: str = "") -> Found:
    """SRV records, with the addresses of what they name."""
    name = name_of(service)
    answers: list[Record] = []
    extra: dict[Record, None] = {}
    weight = max(1, 100 // max(1, len(targets)))
    for port, host in targets:
        target = f"{host.label}.{name}" if host else name
        answers.append(Record(owner or name, "SRV", (0, weight, port.port, target)))
        extra[Record(target, "A", host.address if host else service.address)] = None
    return Found(True, tuple(answers), tuple(extra))


def _all_ports(service: Listed) -> list[tuple[Port, Host | None]]:
    """Each port with who offers it: the service itself, or a headless one's every host."""
    if service.address:
        return [(port, None) for port in service.ports]
    return [(port, host) for host in service.hosts for port in host.ports]


def _addresses_of(service: Listed, name: str) -> list[Record]:
    addresses = [service.address] if service.address else _distinct(service.hosts)
    return [Record(name, "A", address) for address in addresses]


def _pod(address: str, namespace: str, kind: str) -> Found:
    """Any address has a name here, as with Kubernetes' default ``pods insecure``: it says nothing of who has it."""
    try:
        value = str(IPv4Address(address.replace("-", ".")))
    except AddressValueError:
        return NOT_THERE
    return _chosen(kind, [Record(f"{address}.{namespace}.pod.{CLUSTER_DOMAIN}", "A", value)])


def _addresses(listed: Listed) -> Iterator[tuple[str, str]]:
    """Each address with the name that it leads back to."""
    name = name_of(listed)
    if listed.address:
        yield listed.address, name
    for host in listed.hosts:
        yield host.address, f"{host.label}.{name}"


def _chosen(kind: str, records: Iterable[Record]) -> Found:
    return Found(True, tuple(record for record in records if kind in (record.type, "ANY")))


def _distinct(hosts: Iterable[Host]) -> list[str]:
    return list(dict.fromkeys(host.address for host in hosts))
