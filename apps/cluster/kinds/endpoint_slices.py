"""The kind EndpointSlice: some of the addresses behind a service, with what each is good for right now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, pod_checks, refusals
from apps.cluster.kinds.endpoints import refuse_inner
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem

GROUP = "discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
"""The label that says whose slice it is."""
MOST_ENDPOINTS, MOST_ADDRESSES, MOST_PORTS = 1000, 100, 100


def _default(found: types.EndpointSlice) -> None:
    for port in found.ports:
        port.name = port.name or ""
        port.protocol = port.protocol or "TCP"


def _problems(found: types.EndpointSlice) -> Iterator[Problem]:
    yield from refusals.one_of("addressType", found.address_type, ("IPv4",))
    if len(found.endpoints) > MOST_ENDPOINTS:
        yield refusals.too_long("endpoints", MOST_ENDPOINTS, "items")
    if len(found.ports) > MOST_PORTS:
        yield refusals.too_long("ports", MOST_PORTS, "items")
    for index, endpoint in enumerate(found.endpoints[:MOST_ENDPOINTS]):
        yield from _endpoint_problems(endpoint, f"endpoints[{index}]")
    seen: set[str] = set()
    for index, port in enumerate(found.ports[:MOST_PORTS]):
        yield from _port_problems(port, f"ports[{index}]", seen)


def _endpoint_problems(endpoint: types.Endpoint, path: str) -> Iterator[Problem]:
    if not endpoint.addresses:
        yield refusals.required(f"{path}.addresses", "must contain at least 1 address")
    if len(endpoint.addresses) > MOST_ADDRESSES:
        yield refusals.too_long(f"{path}.addresses", MOST_ADDRESSES, "items")
    for position, address in enumerate(endpoint.addresses[:MOST_ADDRESSES]):
        yield from pod_checks.address_problems(f"{path}.addresses[{position}]", address)
    if endpoint.hostname:
        yield from refusals.spelled(f"{path}.hostname", endpoint.hostname, names.dns_label_problem)
    if endpoint.node_name:
        yield from refusals.spelled(f"{path}.nodeName", endpoint.node_name, names.dns_subdomain_problem)


def _port_problems(port: types.SlicePort, path: str, seen: set[str]) -> Iterator[Problem]:
    name = port.name or ""
    if name:
        yield from refusals.spelled(f"{path}.name", name, names.dns_label_problem)
    if name in seen:
        yield refusals.duplicate(f"{path}.name", name)
    seen.add(name)
    yield from refusals.one_of(f"{path}.protocol", port.protocol or "", pod_checks.PROTOCOLS)
    if port.port is not None:
        yield from pod_checks.port_problems(f"{path}.port", port.port)


def _update_problems(old: types.EndpointSlice, new: types.EndpointSlice) -> Iterator[Problem]:
    if old.address_type != new.address_type:
        yield refusals.invalid("addressType", new.address_type, "field is immutable")


def _reachable(tx: Transaction, old: types.EndpointSlice | None, new: types.EndpointSlice) -> None:
    told = (
        (f"endpoints[{index}].addresses[{position}]", address)
        for index, endpoint in enumerate(new.endpoints)
        for position, address in enumerate(endpoint.addresses)
    )
    refuse_inner(tx, new, told, GROUP)


def _ports(found: types.EndpointSlice, now: datetime) -> str:
    return ages.few([str(port.port) if port.port else "*" for port in found.ports]) or "<unset>"


def _listed(found: types.EndpointSlice, now: datetime) -> str:
    return ages.few([address for one in found.endpoints for address in one.addresses]) or "<unset>"


ENDPOINT_SLICE = register(
    Kind(
        group=GROUP,
        name="EndpointSlice",
        plural="endpointslices",
        schema=types.EndpointSlice,
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(_update_problems),
        admit=(_reachable,),
        columns=(
            ages.NAME,
            Column(
                "AddressType", lambda found, now: found.address_type, description="The addresses' family."
            ),
            Column("Ports", _ports, description="The ports that each address answers at."),
            Column("Endpoints", _listed, description="Addresses behind the service, ready or not."),
            ages.AGE,
        ),
    )
)
