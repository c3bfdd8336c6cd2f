"""The change log: every write in the order of its number, read by watches, controllers and audit."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec
from django.db.models import F, Min, Value

from apps.cluster import models, statements, types
from apps.cluster.registry import Kind, by_key
from apps.cluster.rows import unsealed
from apps.cluster.writing import exclusive

KEEP = timedelta(hours=1)
KEEP_AT_MOST = 200_000
RECENT = 20_000
"""Changes that are looked through by name, for which there is no index."""


@dataclass(frozen=True)
class Before:
    """What selectors saw before a change, and the number of the change that made it so."""

    labels: dict[str, str]
    fields: dict[str, str]
    node: str
    number: int = 0


@dataclass(frozen=True)
class Change:
    """One write. ``number`` is the object's new resourceVersion, a deletion's too."""

    number: int
    type: str
    kind_key: str
    namespace: str
    name: str
    uid: str
    node: str
    actor: str
    at: datetime
    raw: str
    raw_before: str

    @property
    def kind(self) -> Kind:
        return by_key(self.kind_key)

    @cached_property
    def text(self) -> str:
        """The object as served after this change, or as it last was for DELETED."""
        return unsealed(self.kind, self.uid, self.raw)

    @cached_property
    def object(self) -> Any:
        return types.decode(self.kind.schema, self.text)

    @cached_property
    def before(self) -> Before | None:
        """None for an object that was not there before."""
        return msgspec.json.decode(self.raw_before, type=Before) if self.raw_before else None


_FIELDS = (
    "number", "type", "kind", "namespace", "name", "uid", "node", "actor", "at", "text", "before",
)  # fmt: skip


def after(number: int, limit: int = 1000) -> list[Change]:
    """The changes that follow ``number``, in order, without a gap."""
    rows = models.Change.objects.filter(number__gt=number).order_by("number").values_list(*_FIELDS)
    return [Change(*row) for row in rows[:limit]]


def of_kind(kind_key: str, number: int, limit: int) -> list[Change]:
    """The changes of one kind that follow ``number``, in order, without their texts."""
    rows = models.Change.objects.filter(number__gt=number, kind=kind_key).order_by("number")
    bare = [Value("") if field == "text" else F(field) for field in _FIELDS]
    return [Change(*row) for row in rows.values_list(*bare)[:limit]]


def deletion(kind_key: str, namespace: str, name: str) -> Change | None:
    """How the object of this name went, if that is the last that happened to it and not long ago."""
    recent = models.Change.objects.filter(number__gt=statements.clock() - RECENT, kind=kind_key)
    rows = recent.filter(namespace=namespace, name=name).order_by("-number").values_list(*_FIELDS)
    last = next((Change(*row) for row in rows[:1]), None)
    return last if last is not None and last.type == "DELETED" else None


def texts(numbers: Iterable[int]) -> dict[int, str]:
    """By number the stored (sealed) texts of changes; those that were trimmed are missing."""
    wanted, found = sorted(numbers), dict[int, str]()
    for first in range(0, len(wanted), 500):
        some = models.Change.objects.filter(number__in=wanted[first : first + 500])
        found.update(some.values_list("number", "text"))
    return found


def floor() -> int:
    """A reader that has seen this number, or a later one, can go on; an older one must list again."""
    first: int | None = models.Change.objects.aggregate(first=Min("number"))["first"]
    if first is not None:
        return first - 1
    return statements.clock()


def trim(now: datetime) -> int:
    """Drop what is older than ``KEEP`` or beyond ``KEEP_AT_MOST``, but nothing a durable cursor still needs."""
    changes = models.Change.objects
    edge = changes.filter(at__lt=now - KEEP).order_by("-number").values_list("number", flat=True).first() or 0
    latest = statements.clock()
    edge = max(edge, latest - KEEP_AT_MOST)
    needed = models.Cursor.objects.aggregate(first=Min("number"))["first"]
    if needed is not None:
        edge = min(edge, needed)
    dropped = 0
    while batch := list(
        changes.filter(number__lte=edge).order_by("number").values_list("number", flat=True)[:500]
    ):
        with exclusive():
            dropped += changes.filter(number__lte=batch[-1]).delete()[0]
    return dropped
