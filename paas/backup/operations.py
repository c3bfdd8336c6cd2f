"""What an operator does with backups: make one while the platform runs, look into one, restore one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec
from django.conf import settings
from django.db import connection

from apps.nodes import servers
from paas import VERSION
from paas.backup import rows, vault
from paas.backup.vault import Secret
from paas.state import Refused, StateDirectory

SHOWN = ("nodes", "pods", "services", "secrets", "persistentvolumes", "applications.drover.dev")


def make(file: IO[bytes], secret: Secret) -> rows.Head:
    """Write a backup of this moment; returns what it holds. Nobody who writes waits for it."""
    taken = datetime.now(UTC)
    told: list[rows.Head] = []

    def records() -> Iterator[bytes]:
        for record in rows.dumped(VERSION, taken):
            if not told:
                told.append(_head(record))
            yield record

    with rows.one_moment():
        at = rows.leaves()
        if not at:
            raise Refused("There is nothing to back up: this database is empty.")
        if newer := rows.unknown(at):
            raise Refused(f"{database()} knows {', '.join(newer)}, this Drover does not: use its own version.")
        vault.write(file, secret, taken, records())
    return told[0]


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that appears at ``path`` once all of it is on the disk, for its owner's eyes only."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def look(file: IO[bytes], secret: Secret) -> rows.Head:
    """Read a backup to its end; returns what it holds. Raises Refused for one that this version cannot restore."""
    frames = rows.decoded(vault.read(file, secret))
    try:
        head = next(frames)
        assert isinstance(head, rows.Head)
        if newer := rows.unknown(head.leaves):
            raise Refused(
                f"This backup was made by a newer Drover ({head.version}; its database knows {', '.join(newer)}, this "
                f"one, {VERSION}, does not): restore it with that version."
            )
        for _ in frames:
            pass
    except msgspec.DecodeError as error:
        raise Refused(f"This backup was made by another version of Drover and cannot be read: {error}.") from None
    return head


def restore(file: IO[bytes], secret: Secret, *, replace: bool = False) -> rows.Head:
    """Make this database what the backup holds, all of it or nothing; it must be empty, or is to be replaced."""
    settings.STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_running(StateDirectory(settings.STATE))
    if not replace and (found := contents()):
        raise Refused(
            f"{database()} holds a cluster already ({found}): restore into an empty one, with another STATE= or "
            "DATABASE_URL=, or add --replace to give up what is there."
        )
    head = look(file, secret)  # to its end, before anything is touched
    rows.load(rows.decoded(vault.read(file, secret)), datetime.now(UTC), emptied=replace)
    return head


def refuse_running(state: StateDirectory) -> None:
    """Nobody may serve or work on a database that is being exchanged."""
    if holder := state.holder():
        raise Refused(f"Drover runs on {state.path} (process {holder.pid}): stop it first, with Ctrl-C there.")
    there = "nodes_server" in connection.introspection.table_names()
    if living := servers.living(datetime.now(UTC)) if there else ():
        raise Refused(f"{', '.join(living)} serve from {database()}: stop web, worker and beat everywhere first.")


def contents() -> str:
    """What the database holds, in words; "" for an empty one."""
    there = set(connection.introspection.table_names())
    counts = []
    for table, word in (("cluster_object", "objects"), ("cluster_sealedkey", "keys"), ("auth_user", "users")):
        if table in there:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT COUNT(*) FROM {table}")  # noqa: S608  one of the three names above
                counts.append((cursor.fetchone()[0], word))
    return ", ".join(f"{count} {word}" for count, word in counts if count)


def database() -> str:
    """Which database this is, without its password."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(found["NAME"])
    return f"database {found['NAME']} at {found['HOST'] or 'localhost'}"


def words(head: rows.Head) -> str:
    """What a backup holds, for a person."""
    shown = [f"{head.holds[key]} {key.partition('.')[0]}" for key in SHOWN if key in head.holds]
    others = sum(head.holds.values()) - sum(head.holds.get(key, 0) for key in SHOWN)
    return ", ".join([*shown, f"{others} other objects"])


def _head(record: bytes) -> rows.Head:
    (head,) = rows.decoded([record])
    assert isinstance(head, rows.Head)
    return head
