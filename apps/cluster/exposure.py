"""What is reachable from outside the cluster: the one list that the API and the dashboard show. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from apps.cluster import types
from apps.cluster.conditions import is_ready
from apps.cluster.edge import address_of, serving, unserved
from apps.cluster.kinds.service_checks import ADDRESS_ASSIGNED
from apps.cluster.kinds.services import external_addresses
from apps.cluster.types import Wire, ways

NODE_PORT, LOAD_BALANCER, INGRESS = "NodePort", "LoadBalancer", "Ingress"
HOST_PORT, HOST_NETWORK = "HostPort", "HostNetwork"
NOT_PLACED = "its pod has no node yet"


class Exposure(Wire):
    """One port that the outside may come by, and where that leads."""

    via: str
    """NodePort, LoadBalancer, Ingress, HostPort or HostNetwork."""
    kind: str
    """Of the object that opens it."""
    namespace: str
    name: str
    addresses: list[str]
    """Where it is open just now; none while no node is ready, or no balancer has an address."""
    port: int
    protocol: str
    target: str
    """What answers, for people: a service's port, or a pod's; with the host and path where only those lead there."""
    services: list[str] = []
    """The names of the services that it leads to; none where it leads to a pod."""
    source_ranges: list[str] = []
    """Who may come; empty for everybody."""
    why: str = ""
    """What keeps it from being open, or open everywhere it could be, in words."""


def exposures(
    services: Iterable[types.Service],
    pods: Iterable[types.Pod],
    nodes: Iterable[types.Node],
    ingresses: Iterable[types.Ingress] = (),
    classes: Iterable[types.IngressClass] = (),
) -> list[Exposure]:
    """Every way in, by namespace and name."""
    nodes = list(nodes)
    by_name, hindrance = {one.metadata.name: one for one in classes}, unserved(*serving(nodes))
    edge = hindrance[1] if hindrance else ""
    open_at = {node.metadata.name: address_of(node) for node in nodes if is_ready(node.status.conditions)}
    found = [
        *(
            one
            for service in services
            for one in _of_service(service, sorted(filter(None, open_at.values())))
        ),
        *(
            one
            for ingress in ingresses
            for one in _of_ingress(ingress, by_name.get(ways.class_of(ingress)), edge)
        ),
        *(one for pod in pods if not pod.status.is_finished for one in _of_pod(pod, open_at)),
    ]
    return sorted(found, key=lambda one: (one.namespace, one.name, one.port, one.protocol, one.via))


def _of_service(service: types.Service, nodes: list[str]) -> Iterator[Exposure]:
    meta, spec = service.metadata, service.spec
    for port in spec.ports:
        target = f"{meta.name}:{port.port}"
        if spec.type == LOAD_BALANCER:
            yield Exposure(
                via=LOAD_BALANCER, kind="Service", namespace=meta.namespace, name=meta.name,
                addresses=external_addresses(service), port=port.port, protocol=port.protocol, target=target,
                services=[meta.name], source_ranges=spec.load_balancer_source_ranges, why=_unassigned(service),
            )  # fmt: skip
        if port.node_port:
            yield Exposure(
                via=NODE_PORT, kind="Service", namespace=meta.namespace, name=meta.name, addresses=nodes,
                port=port.node_port, protocol=port.protocol, target=target, services=[meta.name],
                why="" if nodes else "no node is ready",
            )  # fmt: skip


def _unassigned(service: types.Service) -> str:
    told = (one for one in service.status.conditions if one.type == ADDRESS_ASSIGNED and one.status != "True")
    return next((one.message for one in told), "")


def _of_ingress(ingress: types.Ingress, found_class: types.IngressClass | None, edge: str) -> Iterator[Exposure]:
    """One for each port that the edge nodes opened for it, or are to open; ``edge`` says what keeps them from it."""
    meta, balancer = ingress.metadata, ingress.status.load_balancer
    found = balancer.ingress if balancer else []
    leads = [_way(way) for way in ways.ways(ingress)]
    more = f", and {len(leads) - 1} more" if len(leads) > 1 else ""
    opened = sorted({port.port for one in found for port in one.ports})
    ours = found_class is not None and found_class.spec.controller == ways.CONTROLLER
    why = edge if ours else ""
    if not opened and not why:
        why = f"its events say why: kubectl -n {meta.namespace} describe ingress {meta.name}"
    for port in opened or ways.ports(ingress, found_class):
        yield Exposure(
            via=INGRESS, kind="Ingress", namespace=meta.namespace, name=meta.name,
            addresses=[one.ip or one.hostname for one in found if port in [each.port for each in one.ports]],
            port=port, protocol="TCP", target=f"{leads[0]}{more}",
            services=sorted(ways.services_of(ingress)), why=why,
        )  # fmt: skip


def _way(way: ways.Way) -> str:
    service = way.backend.service
    leads = f"{service.name}:{service.port.name or service.port.number}" if service else "nowhere"
    return f"{way.host or '*'}{way.path} to {leads}"


def _of_pod(pod: types.Pod, open_at: Mapping[str, str]) -> Iterator[Exposure]:
    meta, host = pod.metadata, bool(pod.spec.host_network)
    own = open_at.get(pod.spec.node_name, "")
    for container in pod.spec.containers:
        for port in container.ports:
            if port.host_ip.startswith("127.") or not (port.host_port or host):
                continue
            chosen = port.host_ip if port.host_ip not in {"", "0.0.0.0"} else own
            yield Exposure(
                via=HOST_NETWORK if host else HOST_PORT, kind="Pod", namespace=meta.namespace, name=meta.name,
                addresses=[chosen] if chosen else [], port=port.host_port or port.container_port,
                protocol=port.protocol or "TCP", target=f"{meta.name}:{port.container_port}",
                why="" if chosen else f"node {pod.spec.node_name} is not ready" if pod.spec.node_name else NOT_PLACED,
            )  # fmt: skip
