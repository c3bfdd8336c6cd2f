"""Reads for controllers: objects by name, label and owner, always through an index; keys; a change's
metadata."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db.models import Q

from apps.cluster import models, query
from apps.cluster.log import Change
from apps.cluster.registry import Kind
from apps.cluster.rows import COLUMNS, Stored
from apps.cluster.selectors import LabelSelector

CHUNK = 500
"""The most uids asked for in one query."""


def key_of(namespace: str, name: str) -> str:
    """The key of one object."""
    return f"{namespace}/{name}"


def namespaced(key: str) -> tuple[str, str]:
    """The namespace and the name that ``key_of`` joined."""
    namespace, _, name = key.partition("/")
    return namespace, name


class Owned(msgspec.Struct, rename="camel"):
    """As much of an owner reference as finding the owner takes."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(msgspec.Struct, rename="camel"):
    """As much of an object's metadata as finding keys takes."""

    labels: dict[str, str] = {}
    owner_references: list[Owned] = []
    finalizers: list[str] = []
    deletion_timestamp: datetime | None = None


class Peek(msgspec.Struct):
    metadata: Meta


_peek = msgspec.json.Decoder(Peek)


def meta_in(change: Change) -> Meta:
    """The metadata of the changed object, without decoding the rest of it."""
    return _peek.decode(change.raw).metadata


class Reader:
    """The state as it is now; inside a write, as that write sees it. Takes no locks."""

    def __init__(self) -> None:
        self._remembered: dict[tuple[str, str], Sequence[Any]] = {}

    def find(self, kind: Kind, namespace: str, name: str) -> Any | None:
        rows = self._rows(kind, Q(namespace=namespace, name=name))
        return rows[0].object if rows else None

    def select(self, kind: Kind, namespace: str = "", labels: LabelSelector | None = None) -> list[Any]:
        """Objects of one kind, of one namespace or of all, by name."""
        wanted = Q(namespace=namespace) if namespace else Q()
        if labels:
            wanted &= query.with_labels(labels)
        return [row.object for row in self._rows(kind, wanted)]

    def owned(self, kind: Kind, uid: str) -> list[Any]:
        """Objects of one kind that name this uid as an owner."""
        return [row.object for row in self._rows(kind, Q(owners__owner_uid=uid))]

    def on_node(self, kind: Kind, node: str) -> list[Any]:
        return [row.object for row in self._rows(kind, Q(node=node))]

    def owner_uids(self) -> set[str]:
        """Every uid that some object names as an owner."""
        return set(models.Owner.objects.values_list("owner_uid", flat=True).distinct())

    def deleting_uids(self) -> set[str]:
        """Every uid of an object that waits to be gone."""
        return set(models.Object.objects.filter(deleting=True).values_list("uid", flat=True))

    def row(self, uid: str) -> "Row | None":
        """Where the object with this uid is."""
        found = models.Object.objects.filter(uid=uid).values_list(*ROW_COLUMNS).first()
        return Row(*found) if found else None

    def nodes_of(self, kind: Kind) -> set[str]:
        """The nodes that objects of a kind name, whether these nodes are there or not."""
        placed = models.Object.objects.filter(kind=kind.key, node__gt="")
        return set(placed.values_list("node", flat=True).distinct())

    def cached(self, kind: Kind, known: dict[str, tuple[int, Any]]) -> list[Any]:
        """Every object of a kind; texts are read only of those that are not in ``known`` at their number."""
        numbers = dict(models.Object.objects.filter(kind=kind.key).values_list("uid", "number"))
        for uid in known.keys() - numbers.keys():
            del known[uid]
        stale = [uid for uid, number in numbers.items() if uid not in known or known[uid][0] != number]
        for start in range(0, len(stale), CHUNK):
            for row in self._rows(kind, Q(uid__in=stale[start : start + CHUNK])):
                known[row.uid] = (row.number, row.object)
        return [obj for _, obj in known.values()]

    def rows(self, wanted: Q, limit: int) -> "list[Row]":
        """Coordinates of objects of any kind, without their texts."""
        found = models.Object.objects.filter(wanted).order_by("deleting", "kind", "namespace", "name")
        return [Row(*row) for row in found.values_list(*ROW_COLUMNS)[:limit]]

    def uids(self, wanted: Iterable[str]) -> set[str]:
        """Which of these uids belong to an object that is there."""
        return set(models.Object.objects.filter(uid__in=list(wanted)).values_list("uid", flat=True))

    def keys(self, kind: Kind) -> Iterable[str]:
        """The key of every object of a kind."""
        for namespace, name in models.Object.objects.filter(kind=kind.key).values_list("namespace", "name"):
            yield key_of(namespace, name)

    def remembered(self, kind: Kind, namespace: str) -> Sequence[Any]:
        """``select``, read once in this reader's life: enough to find keys, never to decide."""
        found = self._remembered.get((kind.key, namespace))
        if found is None:
            found = self._remembered[kind.key, namespace] = self.select(kind, namespace)
        return found

    def _rows(self, kind: Kind, wanted: Q) -> list[Stored]:
        found = models.Object.objects.filter(wanted, kind=kind.key).order_by("namespace", "name")
        return [Stored(kind, *row) for row in found.values_list(*COLUMNS)]


ROW_COLUMNS = ("kind", "namespace", "name", "uid", "number", "deleting")


class Row(msgspec.Struct, frozen=True, array_like=True):
    """An object's coordinates."""

    kind: str
    namespace: str
    name: str
    uid: str
    number: int
    deleting: bool
