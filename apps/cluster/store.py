"""The only way to cluster state: get and list what is there, write in one transaction with the next numbers."""

import builtins
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Q

from apps.cluster import models, nudge, pages, statements, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError
from apps.cluster.pages import Page
from apps.cluster.registry import Kind
from apps.cluster.rows import COLUMNS, Stored
from apps.cluster.selectors import FieldSelector, LabelSelector
from apps.cluster.statements import clock
from apps.cluster.transaction import Transaction, missing
from apps.cluster.watching import Sight
from apps.cluster.writing import exclusive, persistently

__all__ = ["Page", "by_uid", "clock", "find", "get", "list", "write", "write_all"]

T = TypeVar("T")


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
    sight: Sight | None = None,
    limit: int = 0,
    continue_token: str = "",
    at: int | None = None,
) -> Page:
    """Objects in the order of namespace and name, with a number that belongs to the same snapshot.

    A page may hold fewer than ``limit`` rows; all pages of a list show the state at one number. ``at`` asks for
    the list at an older number. Who may see what comes as a condition (``visible``, which cannot look back) or as
    a ``sight``. Raises BadRequest for selectors that this kind does not know, Gone and TooNew as ``pages.read``.
    """
    wanted = pages.Wanted(
        kind=kind, namespace=namespace, labels=labels, fields=fields, condition=visible, sight=sight
    )
    return pages.read(wanted, limit=limit, continue_token=continue_token, at=at)


def write(actor: Actor, change: Callable[[Transaction], T], *, dry_run: bool = False) -> T:
    """Run ``change`` in one transaction and return its result; numbers are given in the order of commits.

    The closure may run more than once, so it must do nothing but use its transaction. With ``dry_run`` all is
    checked and nothing kept. Raises what the closure raises; nothing is then written.
    """
    return persistently(lambda: _write(actor, change, dry_run))


def write_all(
    changes: Sequence[tuple[Actor, Callable[[Transaction], T]]],
    ahead: Callable[[Transaction], None] = lambda _: None,
) -> builtins.list[T | ApiError]:
    """Independent writes in one transaction; ``ahead`` may read for all of them first. Returns the result of each, or
    what refused it: that is as if it had never been asked for, and holds back no other."""

    def together(tx: Transaction) -> builtins.list[T | ApiError]:
        ahead(tx)
        return [change(tx.by(actor)) for actor, change in changes]

    try:
        return write(changes[0][0], together)
    except ApiError as error:
        if len(changes) == 1:
            return [error]
    return [outcome for one in changes for outcome in write_all([one])]


class _DryRun(Exception):
    def __init__(self, result: Any) -> None:
        self.result = result


def _write(actor: Actor, change: Callable[[Transaction], T], dry_run: bool) -> T:
    try:
        with exclusive():
            # Locked before anything is read or written: later writers wait here, so no number is seen out of order.
            started = statements.locked_clock()
            tx = Transaction(actor, started, types.now())
            with connection.execute_wrapper(tx.unit):
                result = change(tx)
                written = tx.settle()
            if dry_run:
                raise _DryRun(result)
    except _DryRun as done:
        dry: T = done.result
        return dry
    if written:
        nudge.moved(tx.number)
    return result
