"""Lists, whole or in pages: every page of one list is the state at one number, however much is written meanwhile.

The rows that were written after the number are replaced by what the change log says they were. The log need not
be read in the same snapshot as the rows: a row that changes in between is found again in the log, unchanged.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connection
from django.db.models import F, Q, QuerySet, Subquery
from django.db.models.functions import Collate

from apps.cluster import log, models, query, statements
from apps.cluster.errors import BadRequest, Gone, TooNew
from apps.cluster.registry import Kind
from apps.cluster.rows import COLUMNS, Stored
from apps.cluster.selectors import FieldSelector, LabelSelector
from apps.cluster.watching import Sight

MOST_REPLAYED = 20_000
"""Changes since a list's number; beyond them a list is begun anew sooner than reconstructed."""
INCONSISTENT = -1
TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list."
)


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


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a list is about. ``condition`` narrows lists of the present only; ``sight`` those of the past too."""

    kind: Kind
    namespace: str | None = None
    labels: LabelSelector | None = None
    fields: FieldSelector | None = None
    condition: Q | None = None
    sight: Sight | None = None

    def rows(self) -> "QuerySet[models.Object]":
        where = self.condition or Q()
        if self.sight is not None:
            where &= self.sight.q()
        return query.objects(self.kind, self.namespace, self.labels, self.fields, where)

    def chosen(self, rows: list[Stored]) -> list[Stored]:
        return query.chosen(self.kind, rows, self.labels, self.fields)

    def held(self, change: log.Change) -> bool:
        """Whether the list held the object before this change of it."""
        before = change.before
        if before is None or (self.namespace is not None and change.namespace != self.namespace):
            return False
        if self.sight is not None and not self.sight.holds(change.namespace, change.name, before.node):
            return False
        if self.labels and not self.labels.matches(before.labels):
            return False
        return not self.fields or self.fields.matches(before.fields)


class _Start(msgspec.Struct):
    """Where a list goes on."""

    number: int
    namespace: str
    name: str


def read(wanted: Wanted, *, limit: int = 0, continue_token: str = "", at: int | None = None) -> Page:
    """One page: the first, the one that a token asks for, or (``at``) the first of the list at an older number.

    A page may hold fewer than ``limit`` rows. Raises Gone when the log no longer tells what was, TooNew for a
    number that is still to come, BadRequest for a token that no list gave.
    """
    start = _parsed(continue_token) if continue_token else None
    if start is not None and start.number != INCONSISTENT:
        return _past(wanted, start.number, start, limit)
    if at is not None and start is None:
        if at > (latest := statements.clock()):
            raise too_new(at, latest)
        if at < latest:
            return _past(wanted, at, None, limit)
    return _present(wanted, start, limit)


def too_new(asked: int, latest: int) -> TooNew:
    return TooNew(f"Too large resource version: {asked}, current: {latest}", retry_after=1)


def _present(wanted: Wanted, start: _Start | None, limit: int) -> Page:
    # Read first, for a list that turns out empty: what is written meanwhile has a later number.
    number = statements.clock()
    rows = _after(wanted.rows(), start)
    # The clock inside the same statement: one statement is one snapshot on both databases.
    told = rows.annotate(clock=Subquery(models.Clock.objects.values("number")[:1]))
    ordered = told.order_by(*_order()).values_list(F("clock"), *COLUMNS)
    values = statements.tuples(ordered[: limit + 1] if limit else ordered)
    if values:
        number = values[0][0]
    found = [Stored(wanted.kind, *rest) for _, *rest in values]
    token, remaining = "", 0
    if limit and len(found) > limit:
        found = found[:limit]
        remaining = max(rows.count() - limit, 1)
        token = _token(number, found[-1])
    return Page(number, wanted.chosen(found), token, remaining)


def _past(wanted: Wanted, number: int, start: _Start | None, limit: int) -> Page:
    """The page that follows ``start`` of the list as it was at ``number``."""
    rows = _after(wanted.rows(), start).filter(number__lte=number)
    ordered = rows.order_by(*_order()).values_list(*COLUMNS)
    values = statements.tuples(ordered[: limit + 1] if limit else ordered)
    kept = [Stored(wanted.kind, *columns) for columns in values]
    first = _first_changes(wanted.kind, number, start)
    went = {uid: change for uid, change in first.items() if wanted.held(change)}
    # A row read here that the log already calls changed is as it was: it stands for itself.
    still = {row.uid for row in kept}
    merged: list[Stored | log.Change] = [*kept, *(went[uid] for uid in went.keys() - still)]
    merged.sort(key=lambda one: (one.namespace, one.name))
    token, remaining = "", 0
    if limit and len(merged) > limit:
        merged = merged[:limit]
        token = _token(number, merged[-1])
        remaining = max(rows.count() + len(went) - limit, 1)
    page = _restored(wanted.kind, merged)
    if log.floor() > number or page is None:
        raise Gone(TOO_OLD, continue_token=_token(INCONSISTENT, start) if start else "")
    return Page(number, wanted.chosen(page), token, remaining)


def _first_changes(kind: Kind, number: int, start: _Start | None) -> Mapping[str, log.Change]:
    """By uid the first thing that happened to each object after ``number``: its ``before`` is the state then."""
    changes = log.of_kind(kind.key, number, MOST_REPLAYED)
    if len(changes) == MOST_REPLAYED:
        raise Gone(TOO_OLD, continue_token=_token(INCONSISTENT, start) if start else "")
    first: dict[str, log.Change] = {}
    for change in changes:
        if start is None or (change.namespace, change.name) > (start.namespace, start.name):
            first.setdefault(change.uid, change)
    return first


def _restored(kind: Kind, merged: Sequence[Stored | log.Change]) -> list[Stored] | None:
    """The rows, with what the log knows in the place of what has changed; None when it no longer knows."""
    numbers = [one.before.number for one in merged if isinstance(one, log.Change) and one.before is not None]
    texts = log.texts(numbers)
    rows = []
    for one in merged:
        if isinstance(one, Stored):
            rows.append(one)
            continue
        before = one.before
        if before is None or before.number not in texts:
            return None
        text = texts[before.number]
        rows.append(Stored(kind, 0, one.namespace, one.name, one.uid, before.node, before.number, text))
    return rows


def _column(name: str) -> Any:
    """Ordered by bytes on both databases, as pages are merged here."""
    return Collate(F(name), "C") if connection.vendor == "postgresql" else F(name)


def _order() -> tuple[Any, Any]:
    return _column("namespace"), _column("name")


def _after(rows: "QuerySet[models.Object]", start: _Start | None) -> "QuerySet[models.Object]":
    if start is None:
        return rows
    named = rows.alias(the_namespace=_column("namespace"), the_name=_column("name"))
    return named.filter(
        Q(namespace=start.namespace, the_name__gt=start.name) | Q(the_namespace__gt=start.namespace)
    )


def _token(number: int, last: "Stored | log.Change | _Start") -> str:
    start = msgspec.json.encode(_Start(number, last.namespace, last.name))
    return base64.urlsafe_b64encode(start).decode()


def _parsed(token: str) -> _Start:
    try:
        start = msgspec.json.decode(base64.urlsafe_b64decode(token.encode()), type=_Start)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        start = None
    if start is None or not INCONSISTENT <= start.number < 2**62 or "\0" in start.namespace + start.name:
        raise BadRequest("continue: not a token that a list of this server gave; list again without it")
    return start
