"""The few SQL statements that every write runs, or every second, spelled out: composing them anew each time costs more
than they do.

Both databases take them as they stand. All other queries go through Django's models.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from apps.cluster.bulk import Table

OBJECTS = Table(
    "cluster_object", id="bigint", kind="text", namespace="text", name="text", uid="text", node="text",
    number="bigint", created_at="timestamptz", deleting="boolean", text="text",
)  # fmt: skip
ENTRIES = Table("cluster_index", object_id="bigint", key="text", value="text")
OWNERS = Table("cluster_owner", object_id="bigint", owner_uid="text")
CHANGES = Table(
    "cluster_change", number="bigint", type="text", kind="text", namespace="text", name="text", uid="text",
    node="text", actor="text", at="timestamptz", text="text", before="text",
)  # fmt: skip

_COLUMNS = "SELECT id, namespace, name, uid, node, number, text FROM cluster_object"
_FIND = f"{_COLUMNS} WHERE kind = %s AND namespace = %s AND name = %s"
_FIND_ALL = f"{_COLUMNS} WHERE kind = %s AND namespace = %s"
_FIND_NAMED = {
    "postgresql": f"{_FIND_ALL} AND name = ANY(%s)",
    "sqlite": f"{_FIND_ALL} AND name IN (SELECT value FROM json_each(%s))",
}
_HAS_ENTRY = """
    SELECT 1 FROM cluster_index JOIN cluster_object ON cluster_object.id = object_id
    WHERE key = %s AND value = %s AND kind = %s LIMIT 1
"""
_IDS = {
    "postgresql": "SELECT nextval('cluster_object_id_seq') FROM generate_series(1, %s)",
    # The highest key ever given; nobody else writes now.
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = 'cluster_object'",
}
_CLOCK = "SELECT number FROM cluster_clock WHERE id = 1"
_LOCK = {
    "postgresql": "SELECT number FROM cluster_clock WHERE id = 1 FOR UPDATE",
    # The transaction began IMMEDIATE: nobody else writes until it ends.
    "sqlite": _CLOCK,
}
_START = "INSERT INTO cluster_clock (id, number) VALUES (1, 0) ON CONFLICT (id) DO NOTHING"
_SET = "UPDATE cluster_clock SET number = %s WHERE id = 1"

Values = tuple[Any, ...]
"""The columns of ``rows.COLUMNS``."""


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


class Row(NamedTuple):
    """One object's row without its key, in the order of its columns."""

    kind: str
    namespace: str
    name: str
    uid: str
    node: str
    number: int
    created_at: Any
    deleting: bool
    text: str

    def values(self, id_: int) -> Values:
        return (id_, self.namespace, self.name, self.uid, self.node, self.number, self.text)


def find(kind: str, namespace: str, name: str) -> Values | None:
    with connection.cursor() as cursor:
        cursor.execute(_FIND, (kind, namespace, name))
        row: Values | None = cursor.fetchone()
        return row


def find_all(kind: str, namespace: str) -> list[Values]:
    """Each object of a kind in a namespace, in no order."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND_ALL, (kind, namespace))
        rows: list[Values] = cursor.fetchall()
        return rows


def find_named(kind: str, namespace: str, names: Sequence[str]) -> list[Values]:
    """Those of a kind in a namespace that have one of these names, in no order."""
    with connection.cursor() as cursor:
        wanted = [*names] if connection.vendor == "postgresql" else msgspec.json.encode(names).decode()
        cursor.execute(_FIND_NAMED[connection.vendor], (kind, namespace, wanted))
        rows: list[Values] = cursor.fetchall()
        return rows


def has_entry(kind: str, key: str, value: str) -> bool:
    """Whether any object of the kind is found by this."""
    with connection.cursor() as cursor:
        cursor.execute(_HAS_ENTRY, (key, value, kind))
        return cursor.fetchone() is not None


def new_ids(count: int) -> Sequence[int]:
    """Keys that no object's row ever had."""
    if not count:
        return ()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_IDS["postgresql"], (count,))
            return [number for (number,) in cursor.fetchall()]
        cursor.execute(_IDS["sqlite"])
        (last,) = cursor.fetchone() or (0,)
        return range(last + 1, last + 1 + count)


def row(written: Written, created_at: datetime, *, deleting: bool) -> Row:
    """The object's row after this change."""
    return Row(
        written.kind, written.namespace, written.name, written.uid, written.node, written.number,
        _time(created_at), deleting, written.text,
    )  # fmt: skip


def append(changes: Sequence[Written]) -> None:
    """Log what was written and set the Clock to the last of it."""
    CHANGES.insert([change._replace(at=_time(change.at)) for change in changes])
    with connection.cursor() as cursor:
        cursor.execute(_SET, (changes[-1].number,))


def clock() -> int:
    """The number of the latest committed write."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOCK)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def locked_clock() -> int:
    """The latest number; nobody else takes the next one before this transaction ends."""
    with connection.cursor() as cursor:
        for statement in (_LOCK[connection.vendor], _START, _LOCK[connection.vendor]):
            cursor.execute(statement)
            if statement is not _START and (row := cursor.fetchone()):
                return int(row[0])
    raise AssertionError("the clock has no row")


def tuples(query: QuerySet[Any, Any]) -> list[Values]:
    """The rows of a ``values_list`` as the database gives them: for columns that need no conversion."""
    try:
        statement, parameters = query.query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[Values] = cursor.fetchall()
        return rows


@lru_cache(maxsize=16)  # a write has one moment for all its rows
def _time(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
