"""A node whose disk is full: what runs goes on and can end, what cannot begin says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node_agent import disk
from tests.agent.machine import Machine, app, wait_for

pytestmark = pytest.mark.docker
SIZE = 256 * 1024


@pytest.fixture
def small(busybox: str, tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, on which there is little room."""
    disk.mount_tmpfs(tmp_path / "small", SIZE)
    yield tmp_path / "small"
    disk.unmount_below(tmp_path / "small")


@pytest.fixture
def machine(small: Path) -> Iterator[Machine]:
    made = Machine(small / "state")
    yield made
    made.clean()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass


def test_pods_end_on_a_full_disk_and_begin_once_there_is_room(machine: Machine, small: Path) -> None:
    running = machine.run(app(), name="running")
    machine.ready(running)
    fill(small / "filled")
    late = machine.run(app(), name="late")

    def why() -> str:
        return " ".join(
            each.message
            for each in machine.events
            if each.uid == late.metadata.uid and each.type == "Warning"
        )

    wait_for(lambda: "No space left on device" in why(), "a reason that the pod's page shows")
    machine.delete(running)
    wait_for(lambda: machine.gone(running), "the end of what ran")
    (small / "filled").unlink()
    machine.ready(late)
