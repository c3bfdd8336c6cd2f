"""The database as frames, at the migrations it has, and back. The same frames fit SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from apps.cluster import seal

BATCH = 500
LEFT_OUT = frozenset({"cluster.change", "sessions.session", "nodes.sample", "nodes.server"})
"""What is of no use later: the log (watchers list again), who is signed in, what is used and who serves right now."""
CLOCK, KEYS, OBJECTS = "cluster.clock", "cluster.sealedkey", "cluster.object"
FASTEST = 20_000
"""Numbers a second that no cluster gives."""
MARGIN = 1_000_000

Leaves = Mapping[str, str]
"""By app the newest migration."""


class Head(msgspec.Struct, kw_only=True, tag=True):
    """The first frame."""

    version: str
    taken: datetime
    number: int
    outer: bytes
    leaves: dict[str, str]
    holds: dict[str, int]
    """Objects by kind."""


class Rows(msgspec.Struct, kw_only=True, tag=True):
    """Some rows of one table."""

    table: str
    fields: list[str]
    rows: list[list[Any]]


_decoder = msgspec.msgpack.Decoder(Head | Rows)


def leaves() -> dict[str, str]:
    """What the database has been brought to; empty for a fresh one."""
    loader = MigrationLoader(connection)
    done = set(loader.applied_migrations)
    ahead = {parent for key in done & loader.graph.node_map.keys() for parent in _parents(loader, key)}
    return dict(sorted(done - ahead))


def _parents(loader: MigrationLoader, key: tuple[str, str]) -> Iterator[tuple[str, str]]:
    return (each.key for each in loader.graph.node_map[key].parents if each.key[0] == key[0])


@contextmanager
def one_moment() -> Iterator[None]:
    """All that is read inside is of one moment, and no writer waits for it."""
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    finally:
        connection.close()


def dumped(version: str, taken: datetime) -> Iterator[bytes]:
    """Everything, to be called within ``one_moment``."""
    at = leaves()
    tables = _tables(at)
    head = Head(
        version=version,
        taken=taken,
        number=tables[CLOCK]._base_manager.values_list("number", flat=True).get(),
        outer=seal.outer_key(),
        leaves=at,
        holds=dict(
            tables[OBJECTS]._base_manager.order_by("kind").values_list("kind").annotate(models.Count("pk"))
        ),
    )
    yield msgspec.msgpack.encode(head)
    for name, table in tables.items():
        if name not in LEFT_OUT:
            fields = [field.attname for field in table._meta.concrete_fields]
            found = table._base_manager.order_by("pk").values_list(*fields).iterator(BATCH)
            for rows in _batches(found):
                yield msgspec.msgpack.encode(Rows(table=name, fields=fields, rows=rows))


def decoded(records: Iterable[bytes]) -> Iterator[Head | Rows]:
    return map(_decoder.decode, records)


def load(frames: Iterator[Head | Rows], now: datetime, *, emptied: bool) -> None:
    """Make the database what the frames say, at their migrations: all of it or nothing.

    With ``emptied`` what is there goes first. The keys are wrapped by the outer key of this place, and the clock goes
    on where no number was ever given: who remembers one from before lists again.
    """
    head = next(frames)
    assert isinstance(head, Head)
    connection.disable_constraint_checking()  # on SQLite tables cannot be made otherwise; checked at the end
    try:
        with transaction.atomic():
            if emptied:
                _drop()
            executor = MigrationExecutor(connection)
            executor.migrate([*head.leaves.items()])
            tables = _tables(head.leaves)
            for table in tables.values():
                table._base_manager.all().delete()  # what migrations put in is in the frames too
            for frame in frames:
                assert isinstance(frame, Rows)
                fresh = _adapted(frame, head, now)
                made = [tables[frame.table](**dict(zip(frame.fields, row, strict=True))) for row in fresh]
                tables[frame.table]._base_manager.bulk_create(made)
            _restart_sequences(tables.values())
            connection.check_constraints()
    finally:
        connection.close()


def unknown(at: Leaves) -> list[str]:
    """Migrations that this version does not have."""
    known = MigrationLoader(None).disk_migrations
    return [f"{app}.{name}" for app, name in at.items() if (app, name) not in known]


def beyond(number: int, taken: datetime, now: datetime) -> int:
    """A number that the cluster cannot have come to since. Pure."""
    return number + MARGIN + FASTEST * int(max(now - taken, timedelta()).total_seconds())


def _adapted(frame: Rows, head: Head, now: datetime) -> list[list[Any]]:
    """The rows as they are to stand here."""
    if frame.table not in (CLOCK, KEYS):
        return frame.rows
    rows = [dict(zip(frame.fields, row, strict=True)) for row in frame.rows]
    for row in rows:
        if frame.table == CLOCK:
            row["number"] = beyond(row["number"], head.taken, now)
        else:
            row["wrapped"] = seal.rewrapped(row["name"], row["wrapped"], head.outer, seal.outer_key())
    return [[*row.values()] for row in rows]


def _tables(at: Leaves) -> dict[str, Any]:
    """The tables as they were at these migrations, by their label."""
    state = MigrationLoader(connection).project_state([*at.items()])
    return {each._meta.label_lower: each for each in state.apps.get_models(include_auto_created=True)}


def _batches(found: Iterable[tuple[Any, ...]]) -> Iterator[list[list[Any]]]:
    rows: list[list[Any]] = []
    for row in found:
        rows.append([bytes(value) if isinstance(value, memoryview) else value for value in row])
        if len(rows) == BATCH:
            yield rows
            rows = []
    if rows:
        yield rows


def _drop() -> None:
    """Every table of ours, those of newer versions too."""
    ours = {app for app, _ in MigrationLoader(connection).applied_migrations} | {"django"}
    cascade = " CASCADE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            if name.partition("_")[0] in ours:
                cursor.execute(f"DROP TABLE {connection.ops.quote_name(name)}{cascade}")


def _restart_sequences(tables: Iterable[Any]) -> None:
    style = no_style()
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(style, [*tables]):
            cursor.execute(statement)

