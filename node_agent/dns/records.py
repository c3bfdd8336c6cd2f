"""What names need to know of a service. Pure; the structs are also what travels to the process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import is_
from typing import TYPE_CHECKING

from msgspec import Struct

from node_agent.slices import by_service, is_ready

if TYPE_CHECKING:  # the process plans nothing: it is spared the API's types
    from apps.cluster import types

Key = tuple[str, str]
"""Namespace and name."""


class Port(Struct, frozen=True, gc=False):
    name: str
    protocol: str
    """In lower case."""
    port: int


class Host(Struct, frozen=True, gc=False):
    """One ready address behind a service."""

    address: str
    hostname: str = ""
    ports: tuple[Port, ...] = ()

    @property
    def label(self) -> str:
        """Its own name below the service's."""
        return self.hostname or self.address.replace(".", "-")


class Listed(Struct, frozen=True):
    """One service. Without an address it is headless, unless it is an alias."""

    namespace: str
    name: str
    address: str = ""
    alias: str = ""
    """The name elsewhere that it stands for."""
    ports: tuple[Port, ...] = ()
    hosts: tuple[Host, ...] = ()

    @property
    def key(self) -> Key:
        return self.namespace, self.name


class Lister:
    """Lists services again and again; those that stayed as they were cost nothing."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[types.Service, list[types.EndpointSlice], Listed]] = {}

    def listed(
        self, services: Iterable[types.Service], slices: Iterable[types.EndpointSlice]
    ) -> dict[Key, Listed]:
        behind = by_service(slices)
        fresh = {}
        for service in services:
            key = service.metadata.namespace, service.metadata.name
            found, known = behind.get(key, []), self._known.get(key)
            same = known is not None and known[0] is service and _same(known[1], found)
            fresh[key] = known if known and same else (service, found, listed(service, found))
        self._known = fresh
        return {key: one for key, (_, _, one) in fresh.items()}


def listed(service: types.Service, slices: Iterable[types.EndpointSlice]) -> Listed:
    """What names need of one service and what is behind it."""
    spec, meta = service.spec, service.metadata
    if spec.type == "ExternalName":
        return Listed(meta.namespace, meta.name, alias=spec.external_name.rstrip("."))
    return Listed(
        meta.namespace,
        meta.name,
        address="" if spec.cluster_ip == "None" else spec.cluster_ip,
        ports=tuple(_port(port) for port in spec.ports),
        hosts=tuple(_hosts(slices, everyone=bool(spec.publish_not_ready_addresses))),
    )


def difference(
    before: Mapping[Key, Listed], after: Mapping[Key, Listed]
) -> tuple[tuple[Listed, ...], tuple[Key, ...]]:
    """What is new or other, and the keys of what is gone."""
    put = tuple(one for key, one in after.items() if before.get(key) != one)
    return put, tuple(key for key in before if key not in after)


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    return len(one) == len(other) and all(map(is_, one, other))


def _hosts(slices: Iterable[types.EndpointSlice], *, everyone: bool) -> Iterator[Host]:
    for one in slices:
        ports = tuple(_port(port) for port in one.ports if port.port)
        for endpoint in one.endpoints:
            if ":" not in endpoint.addresses[0] and (everyone or is_ready(endpoint)):
                yield Host(endpoint.addresses[0], endpoint.hostname or "", ports)


def _port(port: types.ServicePort | types.SlicePort) -> Port:
    return Port(port.name or "", (port.protocol or "TCP").lower(), port.port or 0)
