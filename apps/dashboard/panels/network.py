"""Panels of ingresses, services and endpoints: the way from a name or an address to the pods behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.cluster import ranges, store, types
from apps.cluster.exposure import exposures
from apps.cluster.kinds import ENDPOINTS, NODE, POD, SECRET, SERVICE
from apps.cluster.types import ways
from apps.dashboard import access, exposed, paths
from apps.dashboard.panels.base import Subject, panel


@dataclass(frozen=True)
class Behind:
    """One address behind a service."""

    address: str
    ready: bool
    pod: str
    href: str
    node: str
    node_href: str


@panel("services", template="route.html")
def route(subject: Subject) -> Mapping[str, Any]:
    """Each port: where it is reached, where it leads."""
    service: types.Service = subject.obj
    nodes = store.list(NODE).objects  # whoever asks: as the API has ways in
    found = exposed.plain(exposures([service], [], nodes, []))
    open_at = [way for way in found if way.exposure.addresses]
    return {
        "service": service,
        "ports": [(port, [way for way in open_at if _is_of(way, port)]) for port in service.spec.ports],
    }


def _is_of(way: exposed.WayIn, port: types.ServicePort) -> bool:
    return way.exposure.protocol == port.protocol and way.exposure.port in (port.node_port, port.port)


@panel("ingresses.networking.k8s.io", template="ways.html")
def ways_in(subject: Subject) -> Mapping[str, Any]:
    """Each host and path: where it leads, and whether by TLS."""
    ingress: types.Ingress = subject.obj
    secured = ways.secured(ingress)
    found = [
        {
            "host": way.host or "any other host",
            "path": way.path,
            "exact": way.exact,
            "service": service.name if service else "",
            "port": (service.port.name or service.port.number) if service else "",
            "href": paths.of_object(SERVICE, subject.namespace, service.name) if service else "",
            "url": f"{'https' if way.host in secured else 'http'}://{way.host}{way.path}" if _opens(way) else "",
            "secret": (secret := secured.get(way.host)),
            "secret_href": paths.of_object(SECRET, subject.namespace, secret) if secret else "",
        }
        for way in ways.ways(ingress)
        for service in (way.backend.service,)
    ]
    return {"ways": found}


def _opens(way: ways.Way) -> bool:
    """Whether a browser may try it."""
    return bool(way.host) and not way.host.startswith("*")


@panel("services", template="behind.html", topics=("endpoints/{namespace}/{name}",))
def behind_service(subject: Subject) -> Mapping[str, Any] | None:
    spec = subject.obj.spec
    if spec.external_name or spec.cluster_ip == str(ranges.DNS_IP):
        return None  # nothing is ever behind these
    stored = store.find(ENDPOINTS, subject.namespace, subject.name)
    allowed = access.may(subject.who, "get", ENDPOINTS, subject.namespace, subject.name)
    found = behind(stored.object) if stored and allowed else []
    return {
        "behind": found,
        "selector": spec.selector,
        "refused": "" if allowed else allowed.reason,
    }


@panel("endpoints", template="behind.html")
def behind_endpoints(subject: Subject) -> Mapping[str, Any]:
    return {"behind": behind(subject.obj), "selector": True, "refused": ""}


def behind(endpoints: types.Endpoints) -> list[Behind]:
    found = []
    for subset in endpoints.subsets:
        ports = [port.port for port in subset.ports]
        for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
            found += [_behind(address, ready, ports) for address in addresses]
    return found


def _behind(address: types.EndpointAddress, ready: bool, ports: list[int]) -> Behind:
    ref = address.target_ref
    is_pod = ref is not None and ref.kind == POD.name
    return Behind(
        address=", ".join(f"{address.ip}:{port}" for port in ports) or address.ip,
        ready=ready,
        pod=ref.name if ref else "",
        href=paths.of_object(POD, ref.namespace, ref.name) if ref and is_pod else "",
        node=address.node_name or "",
        node_href=paths.of_object(NODE, "", address.node_name) if address.node_name else "",
    )
