"""The panel of a service's names: what a pod may write, from where, and what it gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.cluster import ranges, store, types
from apps.cluster.kinds import ENDPOINTS
from apps.dashboard import access
from apps.dashboard.panels.base import Subject, panel

DOMAIN = "svc.cluster.local"
SHOWN = 10
"""Pods of a headless service that are listed by name."""


@dataclass(frozen=True)
class Named:
    """One name; ``where`` says who may write it so."""

    name: str
    where: str
    leads_to: str


@panel("services", template="names.html", topics=("endpoints/{namespace}/{name}",))
def names(subject: Subject) -> Mapping[str, Any]:
    service: types.Service = subject.obj
    hosts: list[tuple[str, str]] = []
    if service.spec.cluster_ip == "None":
        stored = store.find(ENDPOINTS, subject.namespace, subject.name)
        if stored and access.may(subject.who, "get", ENDPOINTS, subject.namespace, subject.name):
            hosts = _hosts(stored.object)
    return {
        "names": list(named(service, hosts[:SHOWN])),
        "more": max(0, len(hosts) - SHOWN),
        "own": service.spec.cluster_ip == str(ranges.DNS_IP),
    }


def named(service: types.Service, hosts: list[tuple[str, str]]) -> Iterator[Named]:
    """The names of one service, the shortest first. Pure."""
    name, namespace, spec = service.metadata.name, service.metadata.namespace, service.spec
    headless = spec.cluster_ip == "None"
    leads_to = spec.external_name or ("every ready pod" if headless else spec.cluster_ip)
    whole = f"{name}.{namespace}.{DOMAIN}"
    yield Named(name, f"pods of {namespace}", leads_to)
    yield Named(f"{name}.{namespace}", "every pod", leads_to)
    yield Named(whole, "every pod", leads_to)
    if spec.external_name:
        return
    for port in spec.ports:
        if port.name:
            target = "each ready pod and its port" if headless else f"port {port.port} of {name}"
            yield Named(f"_{port.name}._{port.protocol.lower()}.{whole}", "every pod (SRV)", target)
    for label, address in hosts:
        yield Named(f"{label}.{whole}", "every pod", address)


def _hosts(endpoints: types.Endpoints) -> list[tuple[str, str]]:
    """Each ready address with its own label."""
    return [
        (address.hostname or address.ip.replace(".", "-"), address.ip)
        for subset in endpoints.subsets
        for address in subset.addresses
    ]
