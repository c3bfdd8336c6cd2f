"""Backups of databases: of one moment, whole or nothing, into empty places only; the way up to a version and back."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from apps.accounts import certificates, tokens
from apps.cluster import log, models, seal, store
from apps.cluster.actors import system
from apps.cluster.kinds import SECRET
from paas import upgrading
from paas.backup import asking, operations, rows, vault
from paas.backup.vault import Secret
from paas.state import Refused
from tests.builders import build
from tests.platform import BASE

TEST = system("test")
OURS = Secret(vault.PASSPHRASE, b"a passphrase of the tests")
FIRST_MISSING = "nodes.0005_server"


def keep(name: str) -> None:
    store.write(TEST, lambda tx: tx.create(SECRET, build(SECRET, name=name, data={"word": "a25vd24gdG8gZmV3"})))


def state() -> dict[str, Any]:
    """What a cluster is, as its code reads it."""
    return {
        "objects": sorted(models.Object.objects.values_list("kind", "namespace", "name", "uid", "number")),
        "entries": models.Index.objects.count(),
        "tokens": sorted(models.SealedKey.objects.values_list("name", flat=True)),
        "secrets": [row.object.data for row in store.list(SECRET).rows],
        "authority": certificates.authority_hash(),
    }


@pytest.fixture
def backup(cluster: None) -> bytes:
    """Of a cluster with a secret and an authority."""
    keep("kept")
    certificates.ensure_authority()
    tokens.issue("ana")
    return made()


def made() -> bytes:
    file = io.BytesIO()
    operations.make(file, OURS)
    return file.getvalue()


def restored(content: bytes, secret: Secret = OURS, *, over: bool = True) -> None:
    operations.restore(io.BytesIO(content), secret, replace=over)
    seal.keyring.forget()


def test_what_came_after_a_backup_is_gone_and_the_clock_went_on(backup: bytes) -> None:
    was, number = state(), store.clock()
    keep("later")
    token = tokens.issue("ben")
    latest = store.clock()
    restored(backup)
    assert state() == was
    assert store.clock() == log.floor() > latest > number, "whoever remembers a number lists again"
    assert tokens._look_up(tokens.digest_of(token), datetime.now(UTC)) is None
    keep("after")
    assert len(store.list(SECRET).rows) == 2


def test_it_is_of_one_moment_whatever_is_written_meanwhile(backup: bytes) -> None:
    was = state()

    class Watched(io.BytesIO):
        """When the backup's first words are written, somebody else writes to the database."""

        def write(self, content: Any) -> int:
            if not self.tell():
                done = subprocess.run([sys.executable, "-c", WRITE], env=other_process(), cwd=BASE, check=False)
                assert done.returncode == 0, "a writer waits for the backup"
            return super().write(content)

    file = Watched()
    operations.make(file, OURS)
    assert len(store.list(SECRET).rows) == 2
    restored(file.getvalue())
    assert state() == was


WRITE = """
import django, os; django.setup()
from django.db import connection
connection.settings_dict["NAME"] = os.environ["NAME"]
from apps.cluster import store, types
from apps.cluster.actors import system
from apps.cluster.kinds import SECRET
meanwhile = types.Secret(metadata=types.ObjectMeta(name="meanwhile", namespace="default"))
store.write(system("test"), lambda tx: tx.create(SECRET, meanwhile))
"""


def other_process() -> dict[str, str]:
    return {**os.environ, "NAME": str(connection.settings_dict["NAME"]), "PYTHONPATH": str(BASE)}


@pytest.mark.parametrize(
    ("spoil", "secret", "over", "words"),
    [
        (lambda content: content, OURS, False, "holds a cluster already"),
        (lambda content: content, Secret(vault.PASSPHRASE, b"x" * 20), True, "The passphrase is not the one"),
        (lambda content: content[:-7], OURS, True, "its end is missing"),
        (lambda content: content[:-7] + b"1234567", OURS, True, "was changed"),
    ],
    ids=["not empty", "other passphrase", "cut", "damaged"],
)
def test_what_is_refused_leaves_everything_as_it_is(
    backup: bytes, spoil: Callable[[bytes], bytes], secret: Secret, over: bool, words: str
) -> None:
    keep("later")
    was, number = state(), store.clock()
    with pytest.raises(Refused) as refused:
        restored(spoil(backup), secret, over=over)
    assert words in str(refused.value)
    assert (state(), store.clock()) == (was, number)


def test_a_backup_of_a_newer_version_is_refused_by_the_name_of_what_it_knows(backup: bytes) -> None:
    was = state()
    first, *rest = vault.read(io.BytesIO(backup), OURS)
    (head,) = rows.decoded([first])
    assert isinstance(head, rows.Head)
    later = replace(head, leaves={**head.leaves, "cluster": "0099_later"})
    file = io.BytesIO()
    vault.write(file, OURS, head.taken, [msgspec.msgpack.encode(later), *rest])
    with pytest.raises(Refused, match="made by a newer Drover .* cluster.0099_later"):
        restored(file.getvalue())
    assert state() == was


def newer() -> None:
    """As a later version would leave the database."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE cluster_later (id INTEGER)")
        applied = "INSERT INTO django_migrations (app, name, applied) VALUES ('cluster', '0099_later', '2030-01-01')"
        cursor.execute(applied)


@pytest.fixture
def older(backup: bytes) -> Iterator[None]:
    """As a version before the last migrations left the database; in the end it is at this version again."""
    call_command("migrate", "nodes", "0004", verbosity=0)
    yield
    call_command("migrate", verbosity=0)


def test_an_upgrade_keeps_a_snapshot_and_leads_back_from_a_newer_database(older: None, tmp_path: Path) -> None:
    was, told = state(), list[str]()
    with pytest.raises(Refused, match=f"{FIRST_MISSING}.* are missing. Run `manage.py set-up`"):
        upgrading.check()
    upgrading.preflight(told.append)
    assert FIRST_MISSING in " ".join(told)
    assert not (tmp_path / "snapshots").exists(), "a check changes nothing"
    upgrading.bring_up_to_date(tmp_path, told.append)
    upgrading.check()
    (snapshot,) = (tmp_path / "snapshots").iterdir()
    assert told[-1].endswith(f"manage.py restore {snapshot} --replace")
    assert snapshot.name.endswith(f"-before-{FIRST_MISSING}.drover")
    assert snapshot.stat().st_mode & 0o777 == 0o600

    keep("later")
    newer()
    with pytest.raises(Refused, match="is newer than this Drover .* cluster.0099_later"):
        upgrading.check()
    with pytest.raises(Refused, match="knows cluster.0099_later, this Drover does not"):
        made()
    restored(snapshot.read_bytes(), asking.cluster_key())
    assert state() == was
    assert not {"cluster_later", "nodes_server"} & set(connection.introspection.table_names()), "as it was before"


def test_a_database_at_this_version_is_brought_nowhere_and_needs_no_snapshot(backup: bytes, tmp_path: Path) -> None:
    told = list[str]()
    upgrading.preflight(told.append)
    upgrading.bring_up_to_date(tmp_path, told.append)
    assert len(told) == 1
    assert told[0].endswith("nothing would change")
    assert not any(tmp_path.iterdir())


def test_only_the_newest_snapshots_stay(backup: bytes, tmp_path: Path) -> None:
    names = [upgrading.snapshot(tmp_path, f"n{number}").name for number in range(5)]
    assert sorted(os.listdir(tmp_path / "snapshots")) == names[-upgrading.KEPT :]


@pytest.mark.parametrize(
    ("given", "words"), [("", "give --passphrase-file or"), ("short", "The passphrase is too short")]
)
def test_a_passphrase_must_be_given_and_long(monkeypatch: pytest.MonkeyPatch, given: str, words: str) -> None:
    monkeypatch.setenv(asking.VARIABLE, given)
    with pytest.raises(Refused, match=words):
        asking.passphrase(None)


def test_a_file_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(asking.VARIABLE, "the one of the environment")
    (tmp_path / "phrase").write_text("the one of the file\n")
    assert asking.passphrase(tmp_path / "phrase").value == b"the one of the file"
    with pytest.raises(Refused, match="cannot be read from"):
        asking.passphrase(tmp_path / "missing")


@given(
    st.integers(0, 2**40),
    st.datetimes(timezones=st.just(UTC), min_value=datetime(2026, 1, 1), max_value=datetime(2036, 1, 1)),
    st.integers(-100_000, 10 * 365 * 86400),
)
def test_a_restored_clock_is_ahead_of_all_that_was_given(number: int, taken: datetime, seconds: int) -> None:
    later = rows.beyond(number, taken, taken + timedelta(seconds=seconds))
    assert later > number + rows.FASTEST * max(seconds, 0)
    assert later < 2**53, "clients in JavaScript count exactly up to here"
