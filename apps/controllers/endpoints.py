"""Keeps each Service's Endpoints equal to the pods it selects, ready and not ready apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.kinds import ENDPOINTS, POD, SERVICE
from apps.cluster.log import Change
from apps.cluster.selectors import LabelSelector
from apps.controllers.actions import Actions, Create, Delete, Fingerprint, Update, fingerprint
from apps.controllers.base import Controller
from apps.controllers.pods import is_finished, is_ready
from apps.controllers.reading import Reader, key_of, meta_in, namespaced

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
OURS = "endpoint-controller"


@dataclass(frozen=True)
class View:
    """A service, the pods it selects, and the endpoints of its name. The service may be gone."""

    service: types.Service | None
    endpoints: types.Endpoints | None
    pods: tuple[types.Pod, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.service, self.endpoints), self.pods)


def plan(view: View, now: datetime) -> Actions:  # noqa: ARG001
    """Pure. Endpoints that somebody else wrote, for a service without a selector, are theirs."""
    if view.service is None:
        return removal(view.endpoints)
    if not view.service.spec.selector:
        return Actions()
    wanted = wanted_endpoints(view.service, view.pods)
    found = view.endpoints
    if found is None:
        return Actions(creates=(Create(kind=ENDPOINTS, obj=wanted),))
    if found.subsets == wanted.subsets and found.metadata.labels == wanted.metadata.labels:
        return Actions()
    meta = replace(found.metadata, labels=wanted.metadata.labels)
    return Actions(
        updates=(Update(kind=ENDPOINTS, obj=replace(found, metadata=meta, subsets=wanted.subsets)),)
    )


def removal(endpoints: types.Endpoints | None) -> Actions:
    """What is left of a service that is gone: only what was made here."""
    if endpoints is None or endpoints.metadata.labels.get(MANAGED_BY) != OURS:
        return Actions()
    meta = endpoints.metadata
    return Actions(deletes=(Delete(kind=ENDPOINTS, namespace=meta.namespace, name=meta.name, uid=meta.uid),))


def wanted_endpoints(service: types.Service, pods: Iterable[types.Pod]) -> types.Endpoints:
    meta = service.metadata
    labels = {**meta.labels, MANAGED_BY: OURS}
    return types.Endpoints(
        api_version="v1",
        kind="Endpoints",
        metadata=types.ObjectMeta(name=meta.name, namespace=meta.namespace, labels=labels),
        subsets=subsets(service, pods),
    )


def subsets(service: types.Service, pods: Iterable[types.Pod]) -> list[types.EndpointSubset]:
    """One subset per set of ports: pods may give the same name to different ports. Always in the same
    order."""
    by_ports: dict[tuple[tuple[str, int, str], ...], types.EndpointSubset] = {}
    for pod in sorted(filter(serves, pods), key=lambda pod: (pod.status.pod_ip, pod.metadata.uid)):
        ports = tuple(port for port in map(lambda wanted: port_of(wanted, pod), service.spec.ports) if port)
        if service.spec.ports and not ports:
            continue
        subset = by_ports.setdefault(ports, types.EndpointSubset(ports=[*map(endpoint_port, ports)]))
        ready = is_ready(pod) or bool(service.spec.publish_not_ready_addresses)
        (subset.addresses if ready else subset.not_ready_addresses).append(address(service, pod))
    return [by_ports[ports] for ports in sorted(by_ports)]


def serves(pod: types.Pod) -> bool:
    """A pod being deleted leaves at once, so that nobody is sent to it while it stops."""
    return bool(pod.status.pod_ip) and pod.metadata.deletion_timestamp is None and not is_finished(pod)


def port_of(wanted: types.ServicePort, pod: types.Pod) -> tuple[str, int, str] | None:
    """The port that this pod offers for a service port; a named port may be a different number in every
    pod."""
    protocol, target = wanted.protocol or "TCP", wanted.target_port
    if isinstance(target, str) and target:
        for container in pod.spec.containers:
            for port in container.ports:
                if port.name == target and (port.protocol or "TCP") == protocol:
                    return wanted.name, port.container_port, protocol
        return None
    return wanted.name, int(target or wanted.port), protocol


def endpoint_port(port: tuple[str, int, str]) -> types.EndpointPort:
    name, number, protocol = port
    return types.EndpointPort(name=name, port=number, protocol=protocol)


def address(service: types.Service, pod: types.Pod) -> types.EndpointAddress:
    named = pod.spec.hostname and pod.spec.subdomain == service.metadata.name
    return types.EndpointAddress(
        ip=pod.status.pod_ip,
        hostname=pod.spec.hostname if named else "",
        node_name=pod.spec.node_name or None,
        target_ref=types.ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
    )


class EndpointsOfServices(Controller[View]):
    """One key per Service: its namespace and name."""

    name = "endpoints"
    component = OURS
    watches = (SERVICE, ENDPOINTS, POD)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        if change.kind_key != POD.key:
            return (key_of(change.namespace, change.name),)
        now_labels = meta_in(change).labels
        before = change.before.labels if change.before is not None else now_labels
        return (
            key_of(change.namespace, service.metadata.name)
            for service in read.remembered(SERVICE, change.namespace)
            if service.spec.selector
            and any(
                LabelSelector.of(service.spec.selector).matches(labels) for labels in (now_labels, before)
            )
        )

    def all_keys(self, read: Reader) -> Iterable[str]:
        return {*read.keys(SERVICE), *read.keys(ENDPOINTS)}

    def look(self, read: Reader, key: str) -> View | None:
        namespace, name = namespaced(key)
        service, endpoints = read.find(SERVICE, namespace, name), read.find(ENDPOINTS, namespace, name)
        if service is None and endpoints is None:
            return None
        chosen: list[types.Pod] = []
        if service is not None and service.spec.selector:
            chosen = read.labelled(POD, namespace, LabelSelector.of(service.spec.selector))
        return View(service, endpoints, tuple(chosen))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)
