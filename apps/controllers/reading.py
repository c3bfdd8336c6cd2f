"""Reads for controllers: objects by name, label and owner through an index; keys; a change's metadata."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection
from django.db.models import Q

from apps.cluster import models
from apps.cluster.log import Change
from apps.cluster.registry import Kind, by_key
from apps.cluster.rows import COLUMNS, Stored
from apps.cluster.selectors import LabelSelector, Operator, Requirement

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


OBJECTS = models.Object._meta.db_table
INDEX = models.Index._meta.db_table
OWNERS = models.Owner._meta.db_table
SELECT = f"SELECT {', '.join(COLUMNS)} FROM {OBJECTS}"
ORDER = "ORDER BY namespace, name"
LABELLED = f"id IN (SELECT object_id FROM {INDEX} WHERE key = %s AND value IN ({{}}))"
OWNED = f"id IN (SELECT object_id FROM {OWNERS} WHERE owner_uid = %s)"
DEPENDENTS = f"SELECT kind, {', '.join(COLUMNS)} FROM {OBJECTS} WHERE {OWNED} ORDER BY deleting, kind, id"
REMEMBERED = 10_000

_decoded: dict[str, tuple[int, Any]] = {}


def decoded(row: Stored) -> Any:
    """The row's object, decoded once per version. Shared: whoever reads it must not change it."""
    if row.kind.sealed:
        return row.object
    known = _decoded.get(row.uid)
    if known is None or known[0] != row.number:
        if len(_decoded) >= REMEMBERED:
            del _decoded[next(iter(_decoded))]  # the oldest: all at once would mean reading all of it again
        known = _decoded[row.uid] = (row.number, row.object)
    return known[1]


class Reader:
    """The state as it is now; inside a write, as that write sees it. Takes no locks.

    Every pod's way from a controller to its node goes through these few queries, so they are written out:
    putting them together anew takes the ORM several times longer than the database takes to answer.
    """

    def __init__(self) -> None:
        self._remembered: dict[tuple[str, str], Sequence[Any]] = {}

    def find(self, kind: Kind, namespace: str, name: str) -> Any | None:
        found = self._objects(kind, "namespace = %s AND name = %s", namespace, name)
        return found[0] if found else None

    def select(self, kind: Kind, namespace: str = "") -> list[Any]:
        """Objects of one kind, of one namespace or of all, by name."""
        return self._objects(kind, "namespace = %s", namespace) if namespace else self._objects(kind, "1 = 1")

    def labelled(
        self, kind: Kind, namespace: str, selector: LabelSelector, *, or_owned_by: str = ""
    ) -> list[Any]:
        """Objects that the selector means (none at all when it asks for nothing), or that name this uid as an
        owner."""
        ways, values = [], [namespace]
        if selector:
            narrow = [term for term in selector.requirements if term.operator is Operator.IN]
            ways.append(" AND ".join(_labelled(term) for term in narrow) or "1 = 1")
            values += [part for term in narrow for part in (f"l:{term.key}", *sorted(term.values))]
        if or_owned_by:
            ways.append(OWNED)
            values.append(or_owned_by)
        if not ways:
            return []
        found = self._objects(
            kind, f"namespace = %s AND ({' OR '.join(f'({way})' for way in ways)})", *values
        )
        if all(term.operator is Operator.IN for term in selector.requirements):
            return found
        return [each for each in found if selector.matches(each.metadata.labels) or _names(each, or_owned_by)]

    def having(self, kind: Kind, field: str, value: str) -> list[Any]:
        """Objects of all namespaces by one of the kind's selectable fields."""
        return self._objects(
            kind, f"id IN (SELECT object_id FROM {INDEX} WHERE key = %s AND value = %s)", f"f:{field}", value
        )

    def field(self, kind: Kind, namespace: str, name: str, field: str) -> str | None:
        """One selectable field of an object, without opening the rest of it; None when there is no such object."""
        query = f"SELECT i.value FROM {OBJECTS} o JOIN {INDEX} i ON i.object_id = o.id"
        found = self._ask(
            f"{query} WHERE o.kind = %s AND o.namespace = %s AND o.name = %s AND i.key = %s",
            kind.key, namespace, name, f"f:{field}",
        )  # fmt: skip
        return str(found[0][0]) if found else None

    def owned(self, kind: Kind, uid: str) -> list[Any]:
        """Objects of one kind that name this uid as an owner, by name."""
        return self._objects(kind, OWNED, uid)

    def dependents(self, uid: str, limit: int) -> "list[tuple[Kind, Any]]":
        """Objects of any kind that name this uid as an owner, those that stay first."""
        found = []
        for key, *values in self._ask(f"{DEPENDENTS} LIMIT {limit:d}", uid):
            kind = by_key(key)
            found.append((kind, decoded(Stored(kind, *values))))
        return found

    def on_node(self, kind: Kind, node: str) -> list[Any]:
        return self._objects(kind, "node = %s", node)

    def owner_uids(self) -> set[str]:
        """Every uid that some object names as an owner."""
        return set(models.Owner.objects.values_list("owner_uid", flat=True).distinct())

    def deleting_uids(self) -> set[str]:
        """Every uid of an object that waits to be gone."""
        return set(models.Object.objects.filter(deleting=True).values_list("uid", flat=True))

    def row(self, uid: str) -> "Row | None":
        """Where the object with this uid is."""
        found = self._ask(f"SELECT {', '.join(ROW_COLUMNS)} FROM {OBJECTS} WHERE uid = %s", uid)
        return Row(*found[0]) if found else None

    def rows(self, wanted: Q, limit: int) -> "list[Row]":
        """Coordinates of objects of any kind, without their texts; those that stay first."""
        found = models.Object.objects.filter(wanted).order_by("deleting", "kind", "namespace", "name")
        return [Row(*row) for row in found.values_list(*ROW_COLUMNS)[:limit]]

    def nodes_of(self, kind: Kind) -> set[str]:
        """The nodes that objects of a kind name, whether these nodes are there or not."""
        found = self._ask(f"SELECT DISTINCT node FROM {OBJECTS} WHERE kind = %s AND node > ''", kind.key)
        return {node for (node,) in found}

    def cached(self, kind: Kind, known: dict[str, tuple[int, Any]]) -> list[Any]:
        """Every object of a kind; texts are read only of those that are not in ``known`` at their number."""
        numbers: dict[str, int] = dict(self._ask(f"SELECT uid, number FROM {OBJECTS} WHERE kind = %s", kind.key))
        for uid in known.keys() - numbers.keys():
            del known[uid]
        stale = [uid for uid, number in numbers.items() if uid not in known or known[uid][0] != number]
        for start in range(0, len(stale), CHUNK):
            rows = models.Object.objects.filter(uid__in=stale[start : start + CHUNK])
            for row in (Stored(kind, *values) for values in rows.values_list(*COLUMNS)):
                known[row.uid] = (row.number, row.object)
        return [obj for _, obj in known.values()]

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

    def _objects(self, kind: Kind, where: str, *values: str) -> list[Any]:
        rows = self._ask(f"{SELECT} WHERE kind = %s AND {where} {ORDER}", kind.key, *values)
        return [decoded(Stored(kind, *row)) for row in rows]

    def _ask(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())


def _labelled(term: Requirement) -> str:
    return LABELLED.format(", ".join("%s" for _ in term.values))


def _names(obj: Any, owner: str) -> bool:
    return any(each.uid == owner for each in obj.metadata.owner_references)


ROW_COLUMNS = ("kind", "namespace", "name", "uid", "number", "deleting")


class Row(msgspec.Struct, frozen=True, array_like=True):
    """An object's coordinates."""

    kind: str
    namespace: str
    name: str
    uid: str
    number: int
    deleting: bool
