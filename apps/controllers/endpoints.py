"""Keeps each Service's Endpoints and EndpointSlices equal to the pods it selects. One plan gives both."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE
from apps.cluster.kinds.endpoint_slices import SERVICE_NAME
from apps.cluster.kinds.service_checks import EXTERNAL_NAME
from apps.cluster.log import Change
from apps.cluster.selectors import LabelSelector
from apps.controllers import endpoint_slices
from apps.controllers.actions import Actions, Create, Delete, Fingerprint, Update, fingerprint
from apps.controllers.base import Controller
from apps.controllers.endpoint_slices import Port
from apps.controllers.pods import is_ready
from apps.controllers.reading import Reader, key_of, meta_in, namespaced

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
OURS = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MOST_ADDRESSES = 1000
"""An Endpoints object holds no more, and says so; the slices hold all."""


@dataclass(frozen=True)
class View:
    """A service, the pods it selects, and what stands under its name. The service may be gone."""

    service: types.Service | None
    endpoints: types.Endpoints | None
    pods: tuple[types.Pod, ...]
    slices: tuple[types.EndpointSlice, ...] = ()

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.service, self.endpoints), self.pods, self.slices)


@dataclass(frozen=True)
class Behind:
    """One pod behind a service: where it answers, and what it is good for right now."""

    endpoint: types.Endpoint
    ports: tuple[Port, ...]

    @property
    def listed(self) -> bool:
        """Endpoints know no terminating addresses: those leave at once."""
        conditions = self.endpoint.conditions
        return conditions is None or not conditions.terminating

    @property
    def ready(self) -> bool:
        return self.endpoint.conditions is None or bool(self.endpoint.conditions.ready)


def plan(view: View, now: datetime) -> Actions:  # noqa: ARG001
    """Pure. Endpoints that somebody else wrote, for a service without a selector, are theirs, and mirrored."""
    service, found = view.service, view.endpoints
    if service is None or service.spec.type == EXTERNAL_NAME:
        return _together(removal(found), endpoint_slices.removal(view.slices))
    if not service.spec.selector:
        manager = endpoint_slices.MIRRORED
        return endpoint_slices.plan(service, mirrored(found), view.slices, manager)
    pods = behind(service, view.pods)
    return _together(
        _plan_endpoints(wanted_endpoints(service, pods), found),
        endpoint_slices.plan(service, by_ports(pods), view.slices, endpoint_slices.OURS),
    )


def _together(one: Actions, other: Actions) -> Actions:
    return Actions(
        updates=one.updates + other.updates,
        creates=one.creates + other.creates,
        deletes=one.deletes + other.deletes,
    )


def _plan_endpoints(wanted: types.Endpoints, found: types.Endpoints | None) -> Actions:
    if found is None:
        return Actions(creates=(Create(kind=ENDPOINTS, obj=wanted),))
    meta = replace(found.metadata, labels=wanted.metadata.labels, annotations={**found.metadata.annotations})
    meta.annotations.pop(OVER_CAPACITY, None)
    meta.annotations.update(wanted.metadata.annotations)
    if found.subsets == wanted.subsets and found.metadata == meta:
        return Actions()
    return Actions(
        updates=(Update(kind=ENDPOINTS, obj=replace(found, metadata=meta, subsets=wanted.subsets)),)
    )


def removal(endpoints: types.Endpoints | None) -> Actions:
    """What is left of a service that is gone: only what was made here."""
    if endpoints is None or endpoints.metadata.labels.get(MANAGED_BY) != OURS:
        return Actions()
    meta = endpoints.metadata
    return Actions(deletes=(Delete(kind=ENDPOINTS, namespace=meta.namespace, name=meta.name, uid=meta.uid),))


def behind(service: types.Service, pods: Iterable[types.Pod]) -> list[Behind]:
    """The pods that answer for the service, always in the same order."""
    found = []
    for pod in sorted(filter(answers, pods), key=lambda pod: (pod.status.pod_ip, pod.metadata.uid)):
        ports = tuple(port for port in (port_of(wanted, pod) for wanted in service.spec.ports) if port)
        if ports or not service.spec.ports:
            found.append(Behind(endpoint_of(service, pod), ports))
    return found


def answers(pod: types.Pod) -> bool:
    return bool(pod.status.pod_ip) and not pod.status.is_finished


def endpoint_of(service: types.Service, pod: types.Pod) -> types.Endpoint:
    """A pod that is being deleted is not ready: nobody new is sent to it while another one is."""
    terminating, serving = pod.metadata.deletion_timestamp is not None, is_ready(pod)
    ready = bool(service.spec.publish_not_ready_addresses) or (serving and not terminating)
    named = pod.spec.hostname and pod.spec.subdomain == service.metadata.name
    return types.Endpoint(
        addresses=[pod.status.pod_ip],
        conditions=types.EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=pod.spec.hostname if named else None,
        node_name=pod.spec.node_name or None,
        target_ref=types.ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
    )


def by_ports(pods: Iterable[Behind]) -> dict[tuple[Port, ...], list[types.Endpoint]]:
    """Pods may give the same name to different ports."""
    found: dict[tuple[Port, ...], list[types.Endpoint]] = {}
    for pod in pods:
        found.setdefault(pod.ports, []).append(pod.endpoint)
    return found


def wanted_endpoints(service: types.Service, pods: Iterable[Behind]) -> types.Endpoints:
    meta, listed = service.metadata, [pod for pod in pods if pod.listed]
    truncated = {OVER_CAPACITY: "truncated"} if len(listed) > MOST_ADDRESSES else {}
    shown = sorted(listed, key=lambda pod: not pod.ready)[:MOST_ADDRESSES] if truncated else listed
    return types.Endpoints(
        api_version="v1",
        kind="Endpoints",
        metadata=types.ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels={**meta.labels, MANAGED_BY: OURS},
            annotations=truncated,
        ),
        subsets=subsets(shown),
    )


def subsets(pods: Iterable[Behind]) -> list[types.EndpointSubset]:
    """One subset per set of ports."""
    found: dict[tuple[Port, ...], types.EndpointSubset] = {}
    for pod in pods:
        ports = [types.EndpointPort(name=name, port=port, protocol=word) for name, port, word in pod.ports]
        subset = found.setdefault(pod.ports, types.EndpointSubset(ports=ports))
        (subset.addresses if pod.ready else subset.not_ready_addresses).append(address(pod.endpoint))
    return [found[ports] for ports in sorted(found)]


def address(endpoint: types.Endpoint) -> types.EndpointAddress:
    return types.EndpointAddress(
        ip=endpoint.addresses[0],
        hostname=endpoint.hostname or "",
        node_name=endpoint.node_name,
        target_ref=endpoint.target_ref,
    )


def mirrored(endpoints: types.Endpoints | None) -> dict[tuple[Port, ...], list[types.Endpoint]]:
    """Endpoints written by hand, as slices hold them."""
    found: dict[tuple[Port, ...], list[types.Endpoint]] = {}
    if endpoints is None or endpoints.metadata.labels.get(endpoint_slices.SKIP_MIRROR) == "true":
        return found
    for subset in endpoints.subsets:
        ports = tuple((port.name, port.port, port.protocol or "TCP") for port in subset.ports)
        for ready, addresses in ((True, subset.addresses), (False, subset.not_ready_addresses)):
            found.setdefault(ports, []).extend(_mirror(each, ready) for each in addresses)
    return found


def _mirror(one: types.EndpointAddress, ready: bool) -> types.Endpoint:
    return types.Endpoint(
        addresses=[one.ip],
        conditions=types.EndpointConditions(ready=ready, serving=ready, terminating=False),
        hostname=one.hostname or None,
        node_name=one.node_name,
        target_ref=one.target_ref,
    )


def port_of(wanted: types.ServicePort, pod: types.Pod) -> Port | None:
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


class EndpointsOfServices(Controller[View]):
    """One key per Service: its namespace and name."""

    name = "endpoints"
    component = OURS
    watches = (SERVICE, ENDPOINTS, ENDPOINT_SLICE, POD)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        if change.kind_key == ENDPOINT_SLICE.key:
            name = meta_in(change).labels.get(SERVICE_NAME, "")
            return (key_of(change.namespace, name),) if name else ()
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
        slices = read.labelled(ENDPOINT_SLICE, namespace, LabelSelector.of({SERVICE_NAME: name}))
        if service is None and endpoints is None and not slices:
            return None
        chosen: list[types.Pod] = []
        if service is not None and service.spec.selector:
            chosen = read.labelled(POD, namespace, LabelSelector.of(service.spec.selector))
        return View(service, endpoints, tuple(chosen), tuple(slices))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)
