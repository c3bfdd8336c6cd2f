"""The only way to cluster state: get and list what is there, write in one transaction with the next numbers."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from django.db.models import F, Q, Subquery

from apps.cluster import models, nudge, query, statements, types
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest
from apps.cluster.registry import Kind
from apps.cluster.rows import COLUMNS, Stored
from apps.cluster.selectors import FieldSelector, LabelSelector
from apps.cluster.transaction import Transaction, missing
from apps.cluster.writing import exclusive, persistently

T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """A list, or a part of one. ``number`` is the write up to which the rows are complete."""

    number: int
    rows: Sequence[Stored]
    continue_token: str = ""
    remaining: int = 0

    @property
    def objects(self) -> Sequence[Any]:
        return [row.object for row in self.rows]


def clock() -> int:
    """The number of the latest committed write."""
    return models.Clock.objects.values_list("number", flat=True).first() or 0


def get(kind: Kind, namespace: str, name: str) -> Stored:
    """One object. Raises NotFound."""
    row = find(kind, namespace, name)
    if row is None:
        raise missing(kind, name)
    return row


def find(kind: Kind, namespace: str, name: str) -> Stored | None:
    """One object, or None."""
    values = statements.find(kind.key, namespace, name)
    return Stored(kind, *values) if values else None


def by_uid(kind: Kind, uid: str) -> Stored | None:
    """The object with this uid, or None."""
    values = models.Object.objects.filter(kind=kind.key, uid=uid).values_list(*COLUMNS).first()
    return Stored(kind, *values) if values else None


def list(
    kind: Kind,
    *,
    namespace: str | None = None,
    labels: LabelSelector | None = None,
    fields: FieldSelector | None = None,
    visible: Q | None = None,
    limit: int = 0,
    continue_token: str = "",
) -> Page:
    """Objects in the order of namespace and name, with a number that belongs to the same snapshot.

    A page may hold fewer than ``limit`` rows. Raises BadRequest for selectors that this kind does not know.
    """
    # Read first, for a list that turns out empty: what is written meanwhile has a later number.
    number = clock()
    rows = query.objects(kind, namespace, labels, fields, visible)
    if continue_token:
        start = _parsed(continue_token)
        rows = rows.filter(
            Q(namespace=start.namespace, name__gt=start.name) | Q(namespace__gt=start.namespace)
        )
    # The clock inside the same statement: one statement is one snapshot on both databases.
    told = rows.annotate(clock=Subquery(models.Clock.objects.values("number")[:1]))
    ordered = told.order_by("namespace", "name").values_list(F("clock"), *COLUMNS)
    values = [*(ordered[: limit + 1] if limit else ordered)]
    if values:
        number = values[0][0]
    token, remaining = "", 0
    if limit and len(values) > limit:
        values = values[:limit]
        remaining = max(rows.count() - limit, 1)
        token = _token(
            number if not continue_token else _parsed(continue_token).number, values[-1][2], values[-1][3]
        )
    if continue_token:
        number = _parsed(continue_token).number
    found = [Stored(kind, *rest) for _, *rest in values]
    if labels and query.needs_matching(labels):
        found = [row for row in found if labels.matches(row.labels)]
    return Page(number, found, token, remaining)


def write(actor: Actor, change: Callable[[Transaction], T], *, dry_run: bool = False) -> T:
    """Run ``change`` in one transaction and return its result; numbers are given in the order of commits.

    The closure may run more than once, so it must do nothing but use its transaction. With ``dry_run`` all is
    checked and nothing kept. Raises what the closure raises; nothing is then written.
    """
    return persistently(lambda: _write(actor, change, dry_run))


class _DryRun(Exception):
    def __init__(self, result: Any) -> None:
        self.result = result


def _write(actor: Actor, change: Callable[[Transaction], T], dry_run: bool) -> T:
    try:
        with exclusive():
            # Locked before anything is read or written: later writers wait here, so no number is seen out of order.
            started = statements.locked_clock()
            tx = Transaction(actor, started, types.now())
            result = change(tx)
            if dry_run:
                raise _DryRun(result)
            if tx.changes:
                statements.append(tx.changes)
    except _DryRun as done:
        dry: T = done.result
        return dry
    if tx.changes:
        nudge.moved(tx.number)
    return result


class _Start(msgspec.Struct):
    """Where a list goes on."""

    number: int
    namespace: str
    name: str


def _token(number: int, namespace: str, name: str) -> str:
    start = msgspec.json.encode(_Start(number, namespace, name))
    return base64.urlsafe_b64encode(start).decode()


def _parsed(token: str) -> _Start:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token.encode()), type=_Start)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise BadRequest(
            "continue: not a token that a list of this server gave; list again without it"
        ) from None
