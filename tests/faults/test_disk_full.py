"""A disk that is full under STATE: writes are refused, not lost, and everything goes on once there is room again."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.checker import check
from tests.faults.load import MAPS, Client, Unanswered, under_load
from tests.platform import Platform, eventually, running

SIZE = "48m"
BODY = {"metadata": {"generateName": "full-", "labels": {"faults": "full"}}, "data": {"text": "x" * 200_000}}

pytestmark = [pytest.mark.net, pytest.mark.kubectl, pytest.mark.timeout(300)]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A STATE on a tmpfs of its own."""
    folder = Path(tempfile.mkdtemp(prefix="drover-full-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        if folder.exists():
            folder.rmdir()


@pytest.fixture
def platform(small_disk: Path) -> Iterator[Platform]:
    state = small_disk / "state"
    state.mkdir()
    with running(state, nodes=0) as platform:
        yield platform


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            return path


def test_a_full_disk_refuses_writes_and_loses_none(platform: Platform, small_disk: Path) -> None:
    with closing(Client(platform)) as client, under_load(platform) as load:
        before = set(platform.processes().values())
        ballast = fill(small_disk)

        def refused() -> bool:
            try:
                return client.ask("POST", MAPS, BODY)[0] >= 500
            except Unanswered:
                return True

        eventually(refused, within=30, what="a refusal")
        assert client.ask("GET", "/api/v1/namespaces/default")[0] == 200, "reading needs no room"
        ballast.unlink()
        load.goes_on(30, within=60)
        present = load.settle()
        verdict = check(load.attempts, [watcher.history for watcher in load.watchers], present)
        assert verdict.clean, verdict
        assert set(platform.processes().values()) == before, "a process ended"
