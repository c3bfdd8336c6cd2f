"""The database and this version of the code: what an upgrade changes, a snapshot before it, refusing what is newer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader

from apps.accounts import certificates
from apps.cluster import files
from apps.cluster.seal import SealBroken
from paas import VERSION
from paas.backup import asking, operations, rows
from paas.state import Refused

FOLDER = "snapshots"
KEPT = 3
LOCK = 0x64726F766572  # "drover", among the locks of that database

Say = Callable[[str], None]


def pending() -> list[str]:
    """The migrations that this version brings, in their order. Raises Refused where the database is newer."""
    try:
        loader = MigrationLoader(connection)
    except DatabaseError as error:
        raise Refused(f"{operations.database()} cannot be read: {str(error).strip()}") from None
    if newer := sorted(".".join(key) for key in loader.applied_migrations if key not in loader.disk_migrations):
        raise Refused(
            f"{operations.database()} is newer than this Drover ({VERSION}), which does not know {', '.join(newer)}: "
            "run the version that it belongs to, or go back to how it was before the upgrade, with "
            f"`manage.py restore STATE/{FOLDER}/NAME --replace`."
        )
    plan = {key: None for leaf in loader.graph.leaf_nodes() for key in loader.graph.forwards_plan(leaf)}
    return [".".join(key) for key in plan if key not in loader.applied_migrations]


def check() -> None:
    """Raise Refused unless the database is at this very version, and opened by the key that is at hand."""
    if missing := pending():
        raise Refused(
            f"{operations.database()} is older than this Drover ({VERSION}): {', '.join(missing)} are missing. "
            "Run `manage.py set-up` once, on one machine."
        )
    try:
        certificates.ensure_authority()
    except SealBroken as error:
        raise Refused(f"{error}.") from None


def preflight(say: Say) -> None:
    """Tell what would change."""
    todo = pending()
    if not rows.leaves():
        say(f"{operations.database()} is empty: a new cluster begins here")
    elif todo:
        say(f"{operations.database()} goes to Drover {VERSION}: {', '.join(todo)}")
        say(f"it holds {operations.contents()}; a snapshot is kept first, the newest {KEPT} stay")
    else:
        say(f"{operations.database()} is at Drover {VERSION}: nothing would change")


def bring_up_to_date(state: Path, say: Say) -> None:
    """Migrate, with a snapshot of what is there; a fresh database is made. Safe to repeat."""
    todo = pending()
    if todo and rows.leaves():
        say(f"the database goes to Drover {VERSION}: {', '.join(todo)}")
        kept = snapshot(state, todo[0])
        say(f"as it was it is kept in {kept} ({kept.stat().st_size / 2**20:.2f} MiB)")
        say(f"the way back, with the code that ran before: manage.py restore {kept} --replace")
    if todo:
        call_command("migrate", interactive=False, verbosity=0)


@contextmanager
def alone() -> Iterator[None]:
    """Machines that share a PostgreSQL may start together; the file of an SQLite has one `up` anyway."""
    if connection.vendor != "postgresql":
        yield
        return
    held = connection.copy()  # its session holds the lock, whatever becomes of the other's
    try:
        with held.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield
    finally:
        held.close()


def snapshot(state: Path, before: str) -> Path:
    """A backup under the cluster's own key; the oldest go."""
    folder = files.folder(state / FOLDER)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-before-{before}.drover"
    with operations.whole(path) as file:
        operations.make(file, asking.cluster_key())
    for old in sorted(folder.glob("*.drover"))[:-KEPT]:
        old.unlink()
    return path
