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

from tests.faults.load import Client
from tests.faults.test_kills import controller
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
    ran = containers(platform.ready_pods("app=kept", 2))
    url = Postgres().url
    for number, database in enumerate((url, "")):
        backup = tmp_path / f"{number}.drover"
        done = platform.manage("backup", str(backup))
        assert done.returncode == 0, done.stderr
        before = position(platform)
        platform.kubectl("create", "-f", "-", input=controller("later", 1))
        platform.ready_pods("app=later", 1)
        after = position(platform)
        assert after > before

        done = platform.manage("restore", str(backup), "--replace")
        assert "stop it first" in done.stderr, "a database is not exchanged under those who serve it"
        platform.stop()
        lose(platform)
        platform.settings["DATABASE_URL"] = database
        done = platform.manage("restore", str(backup))
        assert done.returncode == 0, done.stderr
        platform.start(nodes=0)

        for old in (before, after, after + 500):
            assert watched(platform, old) == 410, "whoever remembers a number from before lists again"
        assert position(platform) > after
        pods = platform.ready_pods("app=kept", 2)
        assert containers(pods) == ran, "a container that ran was started anew"
        assert all(restarts(pod) == [0] for pod in pods)
        assert not platform.pods("app=later")
        eventually(lambda: "k8s_app_later" not in engine(), within=30, what="what was made after the backup is gone")


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
