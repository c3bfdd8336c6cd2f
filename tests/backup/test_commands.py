"""``backup``, ``restore`` and ``set-up`` as an operator types them, from one place to the next."""

import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from apps.cluster import types
from apps.cluster.kinds import SECRET
from paas.backup import asking
from tests.builders import build
from tests.faults.by_hand import ByHand
from tests.platform import BASE
from tests.services import Postgres


@pytest.fixture
def places() -> Iterator[Callable[..., ByHand]]:
    held: list[ByHand] = []

    def make(**settings: str) -> ByHand:
        held.append(ByHand({asking.VARIABLE: "a passphrase of the tests", **settings}))
        return held[-1]

    yield make
    for place in held:
        place.down()


def test_from_one_kind_of_database_into_the_other_and_back_and_onto_a_full_disk(
    places: Callable[..., ByHand], tmp_path: Path
) -> None:
    nowhere = places(DATABASE_URL="postgres://nobody@127.0.0.1:1/none").manage("worker")
    assert nowhere.returncode == 1
    assert nowhere.stderr.startswith("database none at 127.0.0.1 cannot be read: ")
    first, second, third = places(), places(DATABASE_URL=Postgres().url, DROVER_KEY="k" * 32), places()
    assert first.said("set-up").startswith("ready")
    (tmp_path / "secret").write_text(json.dumps(types.to_data(build(SECRET, name="kept"))))
    first.said("create", "-f", str(tmp_path / "secret"))
    whole, again = tmp_path / "whole.drover", tmp_path / "again.drover"
    assert "1 secrets" in first.said("backup", str(whole))
    assert whole.stat().st_mode & 0o777 == 0o600
    assert "1 secrets" in first.said("restore", str(whole), "--check")
    refused = first.manage("restore", str(whole))
    assert refused.returncode == 1
    assert "STATE= or DATABASE_URL=" in refused.stderr

    assert "Restored into database drover" in second.said("restore", str(whole))
    # Another key wraps what it holds there, its sequences go on, and it can be backed up in turn.
    (tmp_path / "secret").write_text(json.dumps(types.to_data(build(SECRET, name="later"))))
    second.said("create", "-f", str(tmp_path / "secret"))
    with again.open("wb") as output:
        subprocess.run(
            [sys.executable, "manage.py", "backup", "-"], cwd=BASE, env=second.environment, stdout=output, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert "2 secrets" in third.said("restore", str(again))
    assert "nothing would change" in third.said("set-up", "--check")

    most = 64 * 2**10  # a disk that fills up meanwhile
    fourth = places()
    done = subprocess.run(
        [sys.executable, "manage.py", "restore", str(whole)], cwd=BASE, env=fourth.environment, capture_output=True,
        text=True, timeout=60, check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Nothing was restored" in done.stderr
    with closing(sqlite3.connect(fourth.state / "db.sqlite3")) as database:
        assert not database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
