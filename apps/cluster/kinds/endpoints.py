"""The kind Endpoints: the addresses behind a service, found by the controller or given by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from ipaddress import IPv4Address

from apps.cluster import names, types
from apps.cluster.errors import invalid
from apps.cluster.kinds import ages, meta, pod_checks, refusals
from apps.cluster.kinds.transaction import CONTROLLERS, Transaction
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem


def _default(endpoints: types.Endpoints) -> None:
    for subset in endpoints.subsets:
        for port in subset.ports:
            port.protocol = port.protocol or "TCP"


def _problems(endpoints: types.Endpoints) -> Iterator[Problem]:
    for index, subset in enumerate(endpoints.subsets):
        path = f"subsets[{index}]"
        if not subset.addresses and not subset.not_ready_addresses:
            yield refusals.required(path, "must specify `addresses` or `notReadyAddresses`")
        for position, address in enumerate(subset.addresses):
            yield from _address_problems(address, f"{path}.addresses[{position}]")
        for position, address in enumerate(subset.not_ready_addresses):
            yield from _address_problems(address, f"{path}.notReadyAddresses[{position}]")
        for position, port in enumerate(subset.ports):
            yield from _port_problems(port, f"{path}.ports[{position}]", alone=len(subset.ports) == 1)


def _address_problems(address: types.EndpointAddress, path: str) -> Iterator[Problem]:
    yield from pod_checks.address_problems(f"{path}.ip", address.ip)
    if address.hostname:
        yield from refusals.spelled(f"{path}.hostname", address.hostname, names.dns_label_problem)
    if address.node_name:
        yield from refusals.spelled(f"{path}.nodeName", address.node_name, names.dns_subdomain_problem)


def _port_problems(port: types.EndpointPort, path: str, *, alone: bool) -> Iterator[Problem]:
    if port.name:
        yield from refusals.spelled(f"{path}.name", port.name, names.dns_label_problem)
    elif not alone:
        yield refusals.required(f"{path}.name")
    yield from pod_checks.port_problems(f"{path}.port", port.port)
    yield from refusals.one_of(f"{path}.protocol", port.protocol, pod_checks.PROTOCOLS)


def refuse_inner(
    tx: Transaction, obj: types.Resource, told: Iterable[tuple[str, str]], group: str = ""
) -> None:
    """Keeps services from leading to what only the machine itself may reach; the system may know better.

    ``told`` are the paths and addresses that the object names.
    """
    if CONTROLLERS in tx.actor.groups:
        return
    problems = []
    for path, text in told:
        parsed = IPv4Address(text)
        if parsed.is_loopback or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified:
            why = "may not be a loopback, link-local, multicast or unspecified address"
            problems.append(refusals.invalid(path, text, why))
    if problems:
        raise invalid(obj.kind, obj.metadata.name, problems, group=group)


def _reachable(tx: Transaction, old: types.Endpoints | None, new: types.Endpoints) -> None:
    told = (
        (f"subsets[{index}].{types.wire_name(field)}[{position}].ip", address.ip)
        for index, subset in enumerate(new.subsets)
        for field in ("addresses", "not_ready_addresses")
        for position, address in enumerate(getattr(subset, field))
    )
    refuse_inner(tx, new, told)


def _listed(endpoints: types.Endpoints, now: datetime) -> str:
    """The first few ready addresses, and how many more there are."""
    listed = [
        f"{address.ip}{port}"
        for subset in endpoints.subsets
        for port in [f":{port.port}" for port in subset.ports] or [""]
        for address in subset.addresses
    ]
    return ages.few(listed) or "<none>"


ENDPOINTS = register(
    Kind(
        name="Endpoints",
        plural="endpoints",
        short=("ep",),
        schema=types.Endpoints,
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(),
        admit=(_reachable,),
        columns=(
            ages.NAME,
            Column("Endpoints", _listed, description="Addresses that answer."),
            ages.AGE,
        ),
    )
)
