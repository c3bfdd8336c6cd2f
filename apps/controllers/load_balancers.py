"""Gives services of type LoadBalancer an address of the pool and a node that answers for it, or the edge nodes' own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.conf import settings
from msgspec.structs import replace

from apps.cluster import ranges, types
from apps.cluster.edge import address_of, edge_nodes
from apps.cluster.kinds import ENDPOINT_SLICE, INGRESS, NODE, POD, SERVICE
from apps.cluster.kinds.endpoint_slices import SERVICE_NAME
from apps.cluster.kinds.service_checks import ADDRESS_ASSIGNED, LOAD_BALANCER
from apps.cluster.kinds.services import external_addresses
from apps.cluster.log import Change
from apps.cluster.ranges import Pool
from apps.cluster.selectors import LabelSelector
from apps.cluster.types.agent import ANNOUNCED_BY, BALANCER_CLASS
from apps.controllers.actions import (
    Actions,
    Fingerprint,
    Note,
    Update,
    condition,
    fingerprint,
    with_condition,
)
from apps.controllers.base import Controller
from apps.controllers.node_ports import Port, host_ports, name_of, taken
from apps.controllers.reading import Reader, key_of, meta_in, namespaced


@dataclass(frozen=True)
class View:
    """A service, what the others of its type have, and the nodes that could answer for it."""

    service: types.Service
    others: tuple[types.Service, ...]
    nodes: tuple[types.Node, ...]
    slices: tuple[types.EndpointSlice, ...]
    pods: tuple[types.Pod, ...] = ()
    """Those with ports of their nodes."""
    ingresses: tuple[types.Ingress, ...] = ()

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.service,), self.others, self.nodes, self.slices, self.pods, self.ingresses)


@dataclass(frozen=True)
class Place:
    """Where a service is reached: addresses and who answers for them, or why nowhere."""

    reason: str
    message: str
    addresses: tuple[str, ...] = ()
    announcer: str = ""

    @property
    def reached(self) -> bool:
        return bool(self.addresses) and self.reason == "Assigned"


def reserved() -> dict[Port, str]:
    """Ports that no balancer takes where it answers under the nodes' own addresses."""
    own = {settings.PORT: "the dashboard", settings.TLS_PORT: "the API server"}
    listed = {port: "the setting RESERVED_PORTS" for port in ranges.RESERVED_PORTS}
    return {("TCP", port): owner for port, owner in {**listed, **own}.items()}


def is_ours(service: types.Service) -> bool:
    """Another class is another controller's."""
    spec = service.spec
    return spec.type == LOAD_BALANCER and spec.load_balancer_class in {None, BALANCER_CLASS}


def plan(view: View, pool: Pool, reserved: Mapping[Port, str], now: datetime) -> Actions:
    """Pure."""
    service = view.service
    if not is_ours(service):
        return Actions(updates=_announced(service, ""))
    place = from_pool(view, pool) if len(pool) else from_nodes(view, reserved)
    balancer = types.LoadBalancerStatus(
        ingress=[types.LoadBalancerIngress(ip=address, ip_mode="VIP") for address in place.addresses]
    )
    told = types.Condition(
        type=ADDRESS_ASSIGNED,
        status="True" if place.reached else "False",
        reason=place.reason,
        message=place.message,
    )
    before = condition(service.status.conditions, ADDRESS_ASSIGNED)
    same = before is not None and (before.status, before.reason, before.message) == (
        told.status,
        told.reason,
        told.message,
    )
    updates = _announced(service, place.announcer)
    if same and not updates and service.status.load_balancer == balancer:
        return Actions()
    conditions = service.status.conditions if same else with_condition(service.status.conditions, told, now)
    status = replace(service.status, load_balancer=balancer, conditions=conditions)
    note = Note(about=service, reason=place.reason, message=place.message, warning=not place.reached)
    return Actions(
        updates=updates,
        statuses=(Update(kind=SERVICE, obj=replace(service, status=status)),),
        events=() if same else (note,),
    )


def from_pool(view: View, pool: Pool) -> Place:
    """An address that stays for as long as it may, and a node that answers for it for as long as it can."""
    service = view.service
    held = {address: name_of(other) for other in view.others for address in external_addresses(other)}
    wished = service.spec.load_balancer_ip
    if wished and wished not in pool:
        return Place("AddressNotInPool", f"{wished} is not in LOAD_BALANCER_POOL ({pool.text})")
    if wished in held:
        return Place("AddressTaken", f"{wished} is taken by service {held[wished]}")
    address = wished or _kept_or_free(service, pool, held)
    if not address:
        return Place(
            "PoolExhausted",
            f"all {len(pool)} addresses of LOAD_BALANCER_POOL are taken: add some, or delete a service",
        )
    able = _able(view)
    if not able:
        return Place("NoEdgeNode", f"no edge node is ready to answer for {address}", (address,))
    names = [node.metadata.name for node in able]
    now = service.metadata.annotations.get(ANNOUNCED_BY, "")
    chosen = now if now in names else min(names, key=lambda name: _rank(service, name))
    return Place("Assigned", f"node {chosen} answers for {address}", (address,), chosen)


def from_nodes(view: View, reserved: Mapping[Port, str]) -> Place:
    """The addresses of the edge nodes, where no other has these ports there."""
    service, nodes = view.service, _able(view)
    addresses = {address for node in nodes if (address := address_of(node))}
    wished = service.spec.load_balancer_ip
    if wished:
        if wished not in addresses:
            return Place("AddressNotInPool", f"{wished} is not the address of an edge node that is ready")
        addresses = {wished}
    if not addresses:
        return Place("NoEdgeNode", "no edge node is ready")
    claimed = {**taken(nodes, view.others, view.pods, view.ingresses), **reserved}
    for port in service.spec.ports:
        owner = claimed.get((port.protocol, port.port))
        if port.port in ranges.NODE_PORTS:
            owner = "the range of node ports"
        if owner:
            return Place(
                "PortTaken", f"port {port.port}/{port.protocol} of the edge nodes is taken by {owner}"
            )
    return Place("Assigned", "the edge nodes answer under their own addresses", tuple(sorted(addresses)))


def _able(view: View) -> list[types.Node]:
    """Edge nodes that lead to a pod: where traffic stays local, those with one, if there are any."""
    nodes = edge_nodes(view.nodes)
    if view.service.spec.external_traffic_policy != "Local":
        return nodes
    having = {
        one.node_name
        for found in view.slices
        for one in found.endpoints
        if one.conditions is None or one.conditions.ready is not False
    }
    return [node for node in nodes if node.metadata.name in having] or nodes


def _kept_or_free(service: types.Service, pool: Pool, taken: Mapping[str, str]) -> str:
    had = [address for address in external_addresses(service) if address in pool and address not in taken]
    return had[0] if had else next((address for address in pool if address not in taken), "")


def _rank(service: types.Service, node: str) -> bytes:
    """Every node gets its share of the addresses."""
    return sha256(f"{service.metadata.uid}/{node}".encode()).digest()


def _announced(service: types.Service, node: str) -> tuple[Update, ...]:
    meta = service.metadata
    if meta.annotations.get(ANNOUNCED_BY, "") == node:
        return ()
    rest = {key: value for key, value in meta.annotations.items() if key != ANNOUNCED_BY}
    annotations = rest | ({ANNOUNCED_BY: node} if node else {})
    changed = replace(service, metadata=replace(meta, annotations=annotations))
    return (Update(kind=SERVICE, obj=changed, part="metadata"),)


class LoadBalancers(Controller[View]):
    """One key per Service: its namespace and name."""

    name = "load-balancers"
    component = "service-controller"
    watches = (SERVICE, NODE, ENDPOINT_SLICE)
    every = 10.0

    def __init__(self, pool: Pool | None = None) -> None:
        self._pool = ranges.LOAD_BALANCER_POOL if pool is None else pool

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        if change.kind_key == NODE.key:
            return self._balanced(read)
        if change.kind_key == ENDPOINT_SLICE.key:
            name = meta_in(change).labels.get(SERVICE_NAME, "")
            return (key_of(change.namespace, name),) if name else ()
        key = key_of(change.namespace, change.name)
        # What one gives back, another may have waited for.
        return {key, *self._waiting(read)} if change.type != "ADDED" else (key,)

    def all_keys(self, read: Reader) -> Iterable[str]:
        return self._balanced(read)

    def overdue(self, read: Reader, now: datetime) -> Iterable[str]:  # noqa: ARG002
        """A port may have become free with a pod, which nobody is told of here."""
        return self._waiting(read)

    def look(self, read: Reader, key: str) -> View | None:
        service: types.Service | None = read.find(SERVICE, *namespaced(key))
        if service is None:
            return None
        if not is_ours(service):
            return View(service, (), (), ()) if ANNOUNCED_BY in service.metadata.annotations else None
        namespace, name = namespaced(key)
        others = [one for one in _balancers(read) if one.metadata.uid != service.metadata.uid]
        local = service.spec.external_traffic_policy == "Local"
        slices = (
            read.labelled(ENDPOINT_SLICE, namespace, LabelSelector.of({SERVICE_NAME: name})) if local else ()
        )
        pods: Sequence[types.Pod] = ()
        ingresses: Sequence[types.Ingress] = ()
        if not len(self._pool):
            pods, ingresses = [pod for pod in read.select(POD) if host_ports(pod)], read.select(INGRESS)
        nodes = read.select(NODE)
        return View(service, tuple(others), tuple(nodes), tuple(slices), tuple(pods), tuple(ingresses))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, self._pool, reserved(), now)

    def _balanced(self, read: Reader) -> list[str]:
        return [key_of(one.metadata.namespace, one.metadata.name) for one in _balancers(read)]

    def _waiting(self, read: Reader) -> list[str]:
        return [
            key_of(one.metadata.namespace, one.metadata.name)
            for one in _balancers(read)
            if not external_addresses(one)
        ]


def _balancers(read: Reader) -> list[types.Service]:
    return [one for one in read.having(SERVICE, "spec.type", LOAD_BALANCER) if is_ours(one)]
