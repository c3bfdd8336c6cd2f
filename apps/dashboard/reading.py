"""Reads that pages need beside lists: what belongs to an object, what happened to it, what happened last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q

from apps.cluster import models, store, types
from apps.cluster.actors import Actor
from apps.cluster.kinds.events import WHERE_CLUSTER_WIDE
from apps.cluster.registry import Kind, UnknownKind, all_kinds, by_key
from apps.cluster.rows import COLUMNS, Stored
from apps.cluster.selectors import FieldSelector
from apps.dashboard import access

MOST = 500
MOST_READ = 5000


def everything(who: Actor, key: str, **narrowed: Any) -> Sequence[Any]:
    """Objects of a kind, as structs; none when this installation does not know the kind."""
    try:
        kind = by_key(key)
    except UnknownKind:
        return []
    return store.list(kind, visible=access.visible(who, kind), limit=MOST_READ, **narrowed).objects


def latest(who: Actor, key: str, count: int, where: Q | None = None) -> list[Any]:
    """The objects of a kind that were written last, newest first."""
    try:
        kind = by_key(key)
    except UnknownKind:
        return []
    rows = models.Object.objects.filter(where or Q(), access.visible(who, kind), kind=kind.key)
    return [Stored(kind, *values).object for values in rows.order_by("-number").values_list(*COLUMNS)[:count]]


def events_of(who: Actor, uids: Iterable[str], count: int = 100) -> list[types.Event]:
    """What happened to these objects, newest first."""
    told = models.Index.objects.filter(key="f:involvedObject.uid", value__in=list(uids)).values("object")
    return latest(who, "events", count, Q(pk__in=told))


def events_about(who: Actor, kind: Kind, stored: Stored, count: int = 100) -> list[types.Event]:
    """As ``events_of``; events about things without a uid of their own, such as nodes, are found by name."""
    named = models.Index.objects.filter(key="f:involvedObject.name", value=stored.name).values("object")
    found = latest(who, "events", count, Q(pk__in=named, namespace=stored.namespace or WHERE_CLUSTER_WIDE))
    same = [event for event in found if event.involved_object.kind == kind.name]
    # A node's agent may name its node by its name where it does not know the uid.
    return [event for event in same if event.involved_object.uid in {stored.uid, stored.name, ""}]


def dependents(who: Actor, uid: str) -> list[Stored]:
    """Everything visible that names ``uid`` as an owner."""
    rows = models.Object.objects.filter(access.any_of(who, all_kinds()), owners__owner_uid=uid)
    found = rows.order_by("kind", "namespace", "name").values_list("kind", *COLUMNS)[:MOST]
    return [Stored(by_key(key), *values) for key, *values in found]


def pods_of(who: Actor, **narrowed: Any) -> Sequence[types.Pod]:
    pods: Sequence[types.Pod] = everything(who, "pods", **narrowed)
    return pods


def pods_on(who: Actor, node: str) -> Sequence[types.Pod]:
    return pods_of(who, fields=FieldSelector.of({"spec.nodeName": node}))


def namespaces(who: Actor) -> list[str]:
    """Names of the namespaces this person can see."""
    try:
        kind = by_key("namespaces")
    except UnknownKind:
        return []
    rows = models.Object.objects.filter(access.visible(who, kind), kind=kind.key)
    return list(rows.order_by("name").values_list("name", flat=True))


def inside(who: Actor, namespace: str) -> list[tuple[Kind, int]]:
    """How many objects of each kind a namespace holds, events aside."""
    rows = models.Object.objects.filter(namespace=namespace).exclude(kind="events")
    counts: dict[str, int] = {}
    for key in rows.values_list("kind", flat=True):
        counts[key] = counts.get(key, 0) + 1
    return [(by_key(key), count) for key, count in sorted(counts.items())]


def owners(obj: Any) -> Sequence[types.OwnerReference]:
    references: Sequence[types.OwnerReference] = obj.metadata.owner_references
    return references
