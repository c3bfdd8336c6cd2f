"""A platform that lost all but its nodes: restored from a backup, on either database, while its agent runs on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.load import Client, answered
from tests.faults.test_kills import CONTROLLERS, controller
from tests.platform import BASE, Platform, containers, eventually, restarts, sweep
from tests.services import Postgres

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(300)]

LOST = ("db.sqlite3*", "key", "ca.crt", "tls", "kubeconfig", "handover", "snapshots")
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """With two pods on this machine, whose agent is nobody's child and outlives the control plane."""
    sweep()
    running = Platform(settings={"DROVER_BACKUP_PASSPHRASE": "a passphrase of the tests"})
    agent: subprocess.Popen[bytes] | None = None
    try:
        running.start(within=120)
        command = Path(f"/proc/{running.processes()['agent']}/cmdline").read_text().split("\0")[:-1]
        running.stop()
        with (running.state / "log" / "agent-alone.log").open("wb") as words:
            agent = subprocess.Popen(
                command, cwd=BASE, stdin=subprocess.DEVNULL, stdout=words, stderr=words,
                env={**os.environ, "PYTHONPATH": str(BASE)},
            )  # fmt: skip
        running.start(nodes=0)
        running.kubectl("create", "-f", "-", input=controller("kept", 2))
        running.ready_pods("app=kept", 2)
        yield running
    finally:
        if agent is not None:
            agent.terminate()
            agent.wait(timeout=20)
        running.stop()
        running.down()


def test_into_another_database_and_back_with_everything_that_runs(platform: Platform, tmp_path: Path) -> None:
    ran, known = containers(platform.ready_pods("app=kept", 2)), [position(platform)]
    first, second = tmp_path / "first.drover", tmp_path / "second.drover"
    assert not platform.manage("backup", str(first)).returncode
    platform.kubectl("create", "-f", "-", input=controller("later", 1))
    platform.ready_pods("app=later", 1)
    known += [position(platform), position(platform) + 500]
    done = platform.manage("restore", str(first), "--replace")
    assert "stop it first" in done.stderr, "a database is not exchanged under those who serve it"

    exchange(platform, first, Postgres().url)
    as_it_was(platform, ran, known)
    assert not platform.pods("app=later")
    eventually(lambda: "k8s_app_later" not in engine(), within=30, what="what was made after the backup is gone")
    known.append(position(platform))

    assert not platform.manage("backup", str(second)).returncode
    exchange(platform, second, "")
    as_it_was(platform, ran, known)
    with closing(Client(platform)) as client:
        answered(lambda: client.ask("PATCH", f"{CONTROLLERS}/kept", {"spec": {"replicas": 3}}))
    platform.ready_pods("app=kept", 3)


def exchange(platform: Platform, backup: Path, database: str) -> None:
    """The control plane is lost, and restored into another database."""
    platform.stop()
    lose(platform)
    platform.settings["DATABASE_URL"] = database
    done = platform.manage("restore", str(backup))
    assert not done.returncode, done.stderr
    platform.start(nodes=0)


def as_it_was(platform: Platform, ran: set[str], known: list[int]) -> None:
    """The same containers run, and whoever knows a number from before lists again."""
    assert [watched(platform, number) for number in known] == [410] * len(known)
    assert position(platform) > max(known)
    pods = platform.ready_pods("app=kept", 2)
    assert containers(pods) == ran, "a container that ran was started anew"
    assert all(restarts(pod) == [0] for pod in pods)


def lose(platform: Platform) -> None:
    """All of the control plane; what the machine is to its agent stays."""
    for pattern in LOST:
        for path in platform.state.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def position(platform: Platform) -> int:
    with closing(Client(platform)) as client:
        _, told = client.ask("GET", f"{PODS}?limit=1")
    return int(told["metadata"]["resourceVersion"])


def watched(platform: Platform, number: int) -> int:
    """The code that a watch from this number is answered with."""
    with closing(platform.connection(timeout=10)) as connection:
        query = f"watch=1&resourceVersion={number}&timeoutSeconds=2"
        connection.request("GET", f"{PODS}?{query}", headers=platform.headers())
        with closing(connection.getresponse()) as answer:
            line = answer.readline()
            return int(json.loads(line)["object"]["code"]) if answer.status == 200 and line else answer.status


def engine() -> str:
    """The names of all containers."""
    done = subprocess.run(["docker", "ps", "-a", "--format", "{{.Names}}"], capture_output=True, text=True, check=True)
    return done.stdout
