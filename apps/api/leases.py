"""coordination.k8s.io: when each node was last heard, as the Lease that kubectl looks for. Read only, and no stored
objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from apps.accounts import policy
from apps.api import tables
from apps.api.accepts import Form
from apps.api.calls import Call
from apps.api.messages import Answer, Request
from apps.api.paths import UNKNOWN, Resource
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import MethodNotAllowed, NotFound
from apps.cluster.kinds import NODE, ages
from apps.cluster.registry import Column, Kind
from apps.nodes import pace
from apps.nodes.models import Heartbeat

NAMESPACE = "kube-node-lease"
KIND = Kind(
    group="coordination.k8s.io",
    name="Lease",
    plural="leases",
    schema=types.Lease,
    verbs=("get", "list"),
    columns=(
        ages.NAME,
        Column("Holder", lambda lease, now: lease.spec.holder_identity, description="The node it tells of."),  # noqa: ARG005
        ages.AGE,
    ),
)
"""Served like a kind, but not registered as one: nothing is stored."""
REFUSED = (
    "a lease says when its node was last heard: it can be read, and none can be made, changed or watched"
)


class Shown(NamedTuple):
    text: str
    object: types.Lease


def answer(actor: Actor, request: Request, target: Resource) -> Answer:
    """Who may read a node may read its lease. Raises NotFound for what was never heard."""
    unnamed = target.name and target.namespace is None
    if (target.version, target.plural) != (KIND.version, KIND.plural) or target.subresource or unnamed:
        raise NotFound(UNKNOWN)
    if request.method not in {"GET", "HEAD"} or request.query.flag("watch"):
        raise MethodNotAllowed(REFUSED, name=target.name, kind=KIND.plural, group=KIND.group)
    policy.require(actor, "get" if target.name else "list", NODE, name=target.name)
    call = Call(actor, request, KIND, target)
    page, sight = store.list(NODE), policy.scope(actor, NODE)
    seconds = math.ceil(pace.grace_seconds(len(page.rows), settings.NODE_GRACE))
    visible = (row.object for row in page.rows if sight.holds("", row.name))
    found = [
        Shown(types.encode(lease).decode(), lease)
        for lease in _leases(visible, seconds)
        if _meant(call, lease)
    ]
    if target.name and not found:
        raise call.missing()
    meta = {"resourceVersion": str(page.number)}
    match call.wanted.form:
        case Form.TABLE:
            include = tables.include_object(call.query.get("includeObject"))
            return Answer(200, tables.table(KIND, found, include=include, now=types.now(), meta=meta))
        case Form.METADATA | Form.METADATA_LIST if target.name:
            return Answer(200, tables.partial(found[0].object))
        case Form.METADATA | Form.METADATA_LIST:
            return Answer(200, tables.partial_list([one.object for one in found], meta))
    if target.name:
        return Answer(200, found[0].text.encode())
    items = [one.object for one in found]
    listed = {"kind": f"{KIND.name}List", "apiVersion": KIND.api_version, "metadata": meta, "items": items}
    return Answer(200, types.encode(listed))


def _meant(call: Call, lease: types.Lease) -> bool:
    meta = lease.metadata
    return (
        call.target.namespace in {None, meta.namespace}
        and call.name in {"", meta.name}
        and call.labels.matches(meta.labels)
        and call.fields.matches(KIND.selectable(lease))
    )


def _leases(nodes: Iterable[types.Node], seconds: int) -> Iterator[types.Lease]:
    heard = dict(Heartbeat.objects.values_list("node", "at"))
    for node in nodes:
        if node.metadata.name in heard:
            yield _lease(node, heard[node.metadata.name], seconds)


def _lease(node: types.Node, heard: datetime, seconds: int) -> types.Lease:
    meta = node.metadata
    owner = types.OwnerReference(api_version=NODE.api_version, kind=NODE.name, name=meta.name, uid=meta.uid)
    return types.Lease(
        api_version=KIND.api_version,
        kind=KIND.name,
        metadata=types.ObjectMeta(
            name=meta.name,
            namespace=NAMESPACE,
            creation_timestamp=meta.creation_timestamp,
            owner_references=[owner],
        ),
        spec=types.LeaseSpec(
            holder_identity=meta.name,
            lease_duration_seconds=seconds,
            # Kubernetes' clients read six digits here and nothing else; a whole second would be written without.
            renew_time=heard.replace(microsecond=heard.microsecond or 1),
        ),
    )
