"""Which ports of the edge nodes' own addresses are taken, and by whom. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from apps.cluster import types
from apps.cluster.edge import address_of
from apps.cluster.kinds.services import external_addresses

Port = tuple[str, int]
"""Protocol and number."""


def taken(
    nodes: Iterable[types.Node],
    balancers: Iterable[types.Service] = (),
    pods: Iterable[types.Pod] = (),
    ingresses: Iterable[types.Ingress] = (),
) -> dict[Port, str]:
    """By agents' doors, balancers and Ingresses that were given them, and pods. Who was first keeps his."""
    nodes = list(nodes)
    names = {node.metadata.name for node in nodes}
    addresses = {address_of(node) for node in nodes}
    ends = [node.status.daemon_endpoints for node in nodes]
    doors = {end.kubelet_endpoint.port for end in ends if end and end.kubelet_endpoint}
    found: dict[Port, str] = {("TCP", door): "the node's agent" for door in doors}
    for ingress in ingresses:
        balancer = ingress.status.load_balancer
        ports = [port for one in (balancer.ingress if balancer else ()) for port in one.ports]
        found.update({(port.protocol, port.port): f"ingress {name_of(ingress)}" for port in ports})
    for other in balancers:
        if addresses.intersection(external_addresses(other)):
            found.update({(port.protocol, port.port): f"service {name_of(other)}" for port in other.spec.ports})
    for pod in pods:
        if pod.spec.node_name in names and not pod.status.is_finished:
            found.update({port: f"pod {name_of(pod)}" for port in host_ports(pod)})
    return found


def host_ports(pod: types.Pod) -> list[Port]:
    """The ports of its node that a pod takes."""
    return [
        (port.protocol or "TCP", port.host_port or port.container_port)
        for container in pod.spec.containers
        for port in container.ports
        if port.host_port or pod.spec.host_network
    ]


def name_of(obj: types.Resource) -> str:
    return f"{obj.metadata.namespace}/{obj.metadata.name}"
