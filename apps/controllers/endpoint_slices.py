"""The addresses behind a service in slices: each endpoint stays where it is, so that one change is one small write."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.kinds import ENDPOINT_SLICE, SERVICE
from apps.cluster.kinds.endpoint_slices import SERVICE_NAME
from apps.controllers.actions import Actions, Create, Delete, Update

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
OURS, MIRRORED = "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
HEADLESS = "service.kubernetes.io/headless"
MOST = 100
"""Endpoints in one slice."""

Port = tuple[str, int, str]
"""Name, number and protocol."""
Wanted = Mapping[tuple[Port, ...], Sequence[types.Endpoint]]
"""The endpoints by the ports that they answer at."""


def plan(
    service: types.Service, wanted: Wanted, found: Iterable[types.EndpointSlice], manager: str
) -> Actions:
    """Pure. Slices that somebody else made for the service are theirs."""
    ours = sorted(made_here(found), key=lambda one: one.metadata.name)
    labels = _labels(service, manager)
    creates: list[Create] = []
    updates: list[Update] = []
    kept: set[str] = set()
    for ports, endpoints in sorted(wanted.items()):
        listed = _slice_ports(service, ports)
        held = [one for one in ours if one.ports == listed and one.metadata.name not in kept]
        packed = pack([one.endpoints for one in held], endpoints)
        for one, some in zip(held, packed, strict=False):
            if some:
                kept.add(one.metadata.name)
            if some and (some != one.endpoints or labels != one.metadata.labels):
                changed = replace(one, metadata=replace(one.metadata, labels=labels), endpoints=some)
                updates.append(Update(kind=ENDPOINT_SLICE, obj=changed))
        for some in packed[len(held) :]:
            creates.append(Create(kind=ENDPOINT_SLICE, obj=_made(service, labels, listed, some)))
    deletes = [_delete(one) for one in ours if one.metadata.name not in kept]
    return Actions(updates=tuple(updates), creates=tuple(creates), deletes=tuple(deletes))


def removal(found: Iterable[types.EndpointSlice]) -> Actions:
    """Of a service that is gone: what was made here."""
    return Actions(deletes=tuple(map(_delete, made_here(found))))


def made_here(found: Iterable[types.EndpointSlice]) -> list[types.EndpointSlice]:
    return [one for one in found if one.metadata.labels.get(MANAGED_BY) in {OURS, MIRRORED}]


def pack(
    held: Sequence[Sequence[types.Endpoint]], wanted: Sequence[types.Endpoint]
) -> list[list[types.Endpoint]]:
    """Pure: the endpoints of each slice that is there, in order, then of those to be made.

    What a slice holds stays in it, brought up to date. New endpoints go first where something changes anyway.
    """
    missing = {_who(one): one for one in wanted}
    packed = [[missing.pop(_who(one)) for one in some if _who(one) in missing] for some in held]
    newcomers = list(missing.values())
    changed = [place for place, some in enumerate(packed) if some != list(held[place])]
    for place in dict.fromkeys([*changed, *range(len(packed))]):
        room = MOST - len(packed[place])
        packed[place] += newcomers[:room]
        newcomers = newcomers[room:]
    return packed + [newcomers[start : start + MOST] for start in range(0, len(newcomers), MOST)]


def _who(endpoint: types.Endpoint) -> str:
    """What makes it the same endpoint as before."""
    uid = endpoint.target_ref.uid if endpoint.target_ref is not None else ""
    return uid or endpoint.addresses[0]


def _labels(service: types.Service, manager: str) -> dict[str, str]:
    meta = service.metadata
    headless = {HEADLESS: ""} if service.spec.cluster_ip == "None" else {}
    return {**meta.labels, **headless, SERVICE_NAME: meta.name, MANAGED_BY: manager}


def _slice_ports(service: types.Service, ports: Iterable[Port]) -> list[types.SlicePort]:
    spoken = {port.name: port.app_protocol for port in service.spec.ports}
    return [
        types.SlicePort(name=name, port=number, protocol=protocol, app_protocol=spoken.get(name))
        for name, number, protocol in ports
    ]


def _made(
    service: types.Service,
    labels: dict[str, str],
    ports: list[types.SlicePort],
    endpoints: list[types.Endpoint],
) -> types.EndpointSlice:
    meta = service.metadata
    owner = types.OwnerReference(
        api_version=SERVICE.api_version,
        kind=SERVICE.name,
        name=meta.name,
        uid=meta.uid,
        controller=True,
        block_owner_deletion=True,
    )
    return types.EndpointSlice(
        api_version=ENDPOINT_SLICE.api_version,
        kind=ENDPOINT_SLICE.name,
        metadata=types.ObjectMeta(
            generate_name=f"{meta.name}-", namespace=meta.namespace, labels=labels, owner_references=[owner]
        ),
        address_type="IPv4",
        endpoints=endpoints,
        ports=ports,
    )


def _delete(one: types.EndpointSlice) -> Delete:
    meta = one.metadata
    return Delete(kind=ENDPOINT_SLICE, namespace=meta.namespace, name=meta.name, uid=meta.uid)
