"""Says where Ingresses are reached: the edge nodes that serve them, and in words what keeps them from that.

The edge nodes' agents do the serving; they follow the Ingresses themselves.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.edge import address_of, serving, unserved
from apps.cluster.kinds import EVENT, INGRESS, INGRESS_CLASS, NODE, SECRET, SERVICE
from apps.cluster.kinds.ingresses import addresses
from apps.cluster.kinds.service_checks import EXTERNAL_NAME, LOAD_BALANCER
from apps.cluster.log import Change
from apps.cluster.types import ways
from apps.controllers.actions import Actions, Fingerprint, Note, fingerprint, told_status
from apps.controllers.base import Controller
from apps.controllers.node_ports import taken
from apps.controllers.reading import Reader, key_of, namespaced

SERVED = "Served"


@dataclass(frozen=True)
class View:
    """An Ingress, its class, what it names, the nodes, and who else may have their ports."""

    ingress: types.Ingress
    ingress_class: types.IngressClass | None
    services: tuple[types.Service, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The type of each; nobody reads here what is in them."""
    nodes: tuple[types.Node, ...] = ()
    balancers: tuple[types.Service, ...] = ()
    told: tuple[str, str] = ("", "")
    """Reason and message of the newest event about it."""

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.ingress, self.ingress_class), self.services, self.nodes, self.balancers)


def plan(view: View, now: datetime) -> Actions:  # noqa: ARG001  nothing of it depends on the time
    """Pure."""
    ingress, found = view.ingress, view.ingress_class
    if found is None:
        name = ways.class_of(ingress)
        why = f'ingressclass "{name}" not found' if name else "it names no class, and there is no default one"
        return _told(view, (), ("NoClass", f"{why}: set spec.ingressClassName (kubectl get ingressclasses)"))
    served, trouble = _reached(view, found)
    troubles = [trouble, *_unserved(view)]
    first = next((each for each in troubles if each is not None), None)
    where = ", ".join(one.ip for one in served)
    return _told(view, served, first or (SERVED, f"the edge nodes answer at {where}"))


Trouble = tuple[str, str]
"""Reason and message."""


def _reached(
    view: View, found: types.IngressClass
) -> tuple[tuple[types.IngressLoadBalancerIngress, ...], Trouble | None]:
    """Where, and what is in the way."""
    able, stopped = serving(view.nodes)
    trouble = unserved(able, stopped)
    if not able:
        return (), trouble
    claimed = taken(able, view.balancers)
    numbers = ways.ports(view.ingress, found)
    ports = [types.PortStatus(port=number, protocol="TCP") for number in numbers if ("TCP", number) not in claimed]
    for number in numbers:
        if owner := claimed.get(("TCP", number)):
            trouble = ("PortTaken", f"port {number}/TCP of the edge nodes is taken by {owner}")
    if not ports:
        return (), trouble
    found_at = sorted({address_of(node) for node in able})
    return tuple(types.IngressLoadBalancerIngress(ip=address, ports=ports) for address in found_at), trouble


def _unserved(view: View) -> Iterator[Trouble]:
    """What it names and the edge cannot use."""
    for name in sorted(ways.secrets_of(view.ingress)):
        found = view.secrets.get(name)
        if found is None:
            yield "SecretMissing", f'secret "{name}" not found: its hosts have no certificate'
        elif found != ways.TLS:
            why = f"has the type {found}, not {ways.TLS}: its hosts have no certificate"
            yield "SecretOfOtherType", f'secret "{name}" {why}'
    services = {service.metadata.name: service for service in view.services}
    for way in ways.ways(view.ingress):
        if way.backend.service is None:
            continue
        name, port = way.backend.service.name, way.backend.service.port
        service, here = services.get(name), f"{way.host or '*'}{way.path}"
        if service is None:
            yield "ServiceMissing", f'service "{name}" not found: {here} leads nowhere'
        elif service.spec.type == EXTERNAL_NAME:
            yield "ServiceOutside", f'service "{name}" is an {EXTERNAL_NAME}, which the edge does not lead to: {here}'
        elif ways.port_of(service, port) is None:
            yield "PortMissing", f'service "{name}" has no port {port.name or port.number}: {here} leads nowhere'


def _told(view: View, served: Iterable[types.IngressLoadBalancerIngress], told: Trouble) -> Actions:
    """The status, and an event where it says something new."""
    balancer = types.IngressLoadBalancerStatus(ingress=list(served))
    before = view.ingress.status.load_balancer or types.IngressLoadBalancerStatus()
    status = view.ingress.status if balancer == before else replace(view.ingress.status, load_balancer=balancer)
    reason, message = told
    note = Note(about=view.ingress, reason=reason, message=message, warning=reason != SERVED)
    return Actions(statuses=told_status(view.ingress, status), events=() if told == view.told else (note,))


class Ingresses(Controller[View]):
    """One key per Ingress: its namespace and name."""

    name = "ingresses"
    component = "ingress-controller"
    watches = (INGRESS, INGRESS_CLASS, NODE, SERVICE, SECRET)
    every = 10.0

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        if change.kind_key == INGRESS.key:
            return (key_of(change.namespace, change.name),)
        if change.kind_key in {SERVICE.key, SECRET.key}:
            return _naming(change, read)
        return read.keys(INGRESS)

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(INGRESS)

    def overdue(self, read: Reader, now: datetime) -> Iterable[str]:  # noqa: ARG002
        """A port may have become free on the nodes, which nobody is told of here."""
        return [_key(one) for one in read.select(INGRESS) if not addresses(one)]

    def look(self, read: Reader, key: str) -> View | None:
        ingress: types.Ingress | None = read.find(INGRESS, *namespaced(key))
        if ingress is None or ingress.metadata.deletion_timestamp is not None:
            return None
        namespace, name = ingress.metadata.namespace, ways.class_of(ingress)
        found: types.IngressClass | None = read.find(INGRESS_CLASS, "", name) if name else None
        if found is None:
            return View(ingress, None, told=_last_told(read, ingress, self.component))
        if found.spec.controller != ways.CONTROLLER:
            return None
        return View(
            ingress,
            found,
            services=_services(read, ingress),
            secrets={
                secret: kept
                for secret in ways.secrets_of(ingress)
                if (kept := read.field(SECRET, namespace, secret, "type")) is not None
            },
            nodes=tuple(read.select(NODE)),
            balancers=tuple(read.having(SERVICE, "spec.type", LOAD_BALANCER)),
            told=_last_told(read, ingress, self.component),
        )

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)


def _key(obj: types.Resource) -> str:
    return key_of(obj.metadata.namespace, obj.metadata.name)


def _naming(change: Change, read: Reader) -> list[str]:
    """Ingresses that name the changed service or secret; all of them for what may take or give back their ports."""
    names_of = ways.services_of if change.kind_key == SERVICE.key else ways.secrets_of
    inside = read.remembered(INGRESS, change.namespace)
    found = [_key(one) for one in inside if change.name in names_of(one)]
    return found if change.kind_key == SECRET.key or not _balances(change) else [*read.keys(INGRESS)]


def _balances(change: Change) -> bool:
    service: types.Service = change.object
    return service.spec.type == LOAD_BALANCER


def _services(read: Reader, ingress: types.Ingress) -> tuple[types.Service, ...]:
    found = (read.find(SERVICE, ingress.metadata.namespace, name) for name in sorted(ways.services_of(ingress)))
    return tuple(one for one in found if one is not None)


def _last_told(read: Reader, ingress: types.Ingress, component: str) -> Trouble:
    """What its newest event said."""
    events = read.having(EVENT, "involvedObject.uid", ingress.metadata.uid)
    ours = [one for one in events if one.source.component == component]
    newest = max(ours, key=lambda one: int(one.metadata.resource_version), default=None)
    return (newest.reason, newest.message) if newest else ("", "")
