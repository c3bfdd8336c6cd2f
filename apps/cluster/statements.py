"""The few SQL statements that every write runs, spelled out: composing them anew each time costs more than they do.

Both databases take them as they stand. All other queries go through Django's models.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

_FIND = """
    SELECT id, namespace, name, uid, node, number, text FROM cluster_object
    WHERE kind = %s AND namespace = %s AND name = %s
"""
_FIND_ALL = """
    SELECT id, namespace, name, uid, node, number, text FROM cluster_object
    WHERE kind = %s AND namespace = %s ORDER BY name
"""
_DELETING = "SELECT deleting FROM cluster_object WHERE kind = 'namespaces' AND namespace = '' AND name = %s"
_INSERT = """
    INSERT INTO cluster_object (kind, namespace, name, uid, node, number, created_at, deleting, text)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id
"""
_UPDATE = "UPDATE cluster_object SET node = %s, number = %s, deleting = %s, text = %s WHERE id = %s"
_DELETE = (
    "DELETE FROM cluster_index WHERE object_id = %s",
    "DELETE FROM cluster_owner WHERE object_id = %s",
    "DELETE FROM cluster_object WHERE id = %s",
)
_ADD_ENTRY = "INSERT INTO cluster_index (object_id, key, value) VALUES (%s, %s, %s)"
_DROP_ENTRY = "DELETE FROM cluster_index WHERE object_id = %s AND key = %s AND value = %s"
_ADD_OWNER = "INSERT INTO cluster_owner (object_id, owner_uid) VALUES (%s, %s)"
_DROP_OWNER = "DELETE FROM cluster_owner WHERE object_id = %s AND owner_uid = %s"
_APPEND = """
    INSERT INTO cluster_change
    (number, type, kind, namespace, name, uid, node, actor, at, text, before)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_LOCK = {
    "postgresql": "SELECT number FROM cluster_clock WHERE id = 1 FOR UPDATE",
    # The transaction began IMMEDIATE: nobody else writes until it ends.
    "sqlite": "SELECT number FROM cluster_clock WHERE id = 1",
}
_START = "INSERT INTO cluster_clock (id, number) VALUES (1, 0) ON CONFLICT (id) DO NOTHING"
_SET = "UPDATE cluster_clock SET number = %s WHERE id = 1"


class Written(NamedTuple):
    """One change to be logged, in the order of its columns."""

    number: int
    type: str
    kind: str
    namespace: str
    name: str
    uid: str
    node: str
    actor: str
    at: datetime
    text: str
    before: str


def find(kind: str, namespace: str, name: str) -> tuple[Any, ...] | None:
    """The columns of ``rows.COLUMNS``, or None."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, (kind, namespace, name))
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def find_all(kind: str, namespace: str) -> list[tuple[Any, ...]]:
    """The same columns for each object of a kind in a namespace."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND_ALL, (kind, namespace))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def namespace_deleting(name: str) -> bool | None:
    """Whether the namespace is on its way out; None when there is none."""
    with connection.cursor() as cursor:
        cursor.execute(_DELETING, (name,))
        row = cursor.fetchone()
        return None if row is None else bool(row[0])


def insert(written: Written, created_at: datetime, *, deleting: bool) -> int:
    """Add an object's row; returns its key."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            (written.kind, written.namespace, written.name, written.uid, written.node, written.number,
             _time(created_at), deleting, written.text),
        )  # fmt: skip
        return int(cursor.fetchone()[0])


def update(pk: int, written: Written, *, deleting: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE, (written.node, written.number, deleting, written.text, pk))


def delete(pk: int) -> None:
    """Remove an object's row and all it is found by."""
    with connection.cursor() as cursor:
        for statement in _DELETE:
            cursor.execute(statement, (pk,))


def change_entries(pk: int, gone: Iterable[tuple[str, str]], new: Iterable[tuple[str, str]]) -> None:
    """What selectors find the object by."""
    _many(_DROP_ENTRY, [(pk, key, value) for key, value in sorted(gone)])
    _many(_ADD_ENTRY, [(pk, key, value) for key, value in sorted(new)])


def change_owners(pk: int, gone: Iterable[str], new: Iterable[str]) -> None:
    _many(_DROP_OWNER, [(pk, uid) for uid in sorted(gone)])
    _many(_ADD_OWNER, [(pk, uid) for uid in sorted(new)])


def append(changes: Sequence[Written]) -> None:
    """Log what was written and set the Clock to the last of it."""
    _many(_APPEND, [change._replace(at=_time(change.at)) for change in changes])
    with connection.cursor() as cursor:
        cursor.execute(_SET, (changes[-1].number,))


def locked_clock() -> int:
    """The latest number; nobody else takes the next one before this transaction ends."""
    with connection.cursor() as cursor:
        for statement in (_LOCK[connection.vendor], _START, _LOCK[connection.vendor]):
            cursor.execute(statement)
            if statement is not _START and (row := cursor.fetchone()):
                return int(row[0])
    raise AssertionError("the clock has no row")


def tuples(query: QuerySet[Any, Any]) -> list[tuple[Any, ...]]:
    """The rows of a ``values_list`` as the database gives them: for columns that need no conversion."""
    try:
        statement, parameters = query.query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _many(statement: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(statement, rows)


def _time(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
