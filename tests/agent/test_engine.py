"""An engine that goes away and comes back: the pods come back with it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import docker
import pytest
from docker.transport import unixconn

from tests.agent.machine import Machine, app, busybox_image, wait_for

pytestmark = pytest.mark.docker


class Engine:
    """A Docker Engine of the test's own, without a network."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.url = f"unix://{directory}/engine.sock"
        self._group = f"/drover-test-{directory.name}"
        self.start()

    def start(self) -> None:
        place = self._directory
        with (place / "log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    # In a network namespace of its own: told to have no bridge, it removes the machine's docker0.
                    "unshare", "--net", "dockerd", "--data-root", f"{place}/data", "--exec-root", f"{place}/exec",
                    "--pidfile", f"{place}/pid", "-H", self.url, "--bridge", "none",
                    "--iptables=false", "--cgroup-parent", self._group,
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        wait_for(self._answers, "answer of the engine", 60)

    def stop(self) -> None:
        """Containers end with it, as they do when a machine's engine is upgraded."""
        self._process.terminate()
        self._process.wait(30)

    def clean(self) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)
        for group in sorted(Path("/sys/fs/cgroup").glob(f"**{self._group}"), reverse=True):
            for inner in sorted([*group.rglob("*/"), group], reverse=True):
                if inner.is_dir():
                    inner.rmdir()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError((self._directory / "log").read_text()[-2000:])
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(self.url.removeprefix("unix://")) != 0:
                return False
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b"200" in probe.recv(64)


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Its sockets' paths must be short, so it does not live in the test's own directory."""
    made = Engine(Path(tempfile.mkdtemp(prefix="de", dir="/tmp")))
    yield made
    made.clean()


@pytest.fixture(autouse=True)
def refused_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's client leaves the socket of a refused connection to the collector, which then fails some later test."""

    def connect(self: unixconn.UnixHTTPConnection) -> None:
        with ExitStack() as refused:
            made = refused.enter_context(socket.socket(socket.AF_UNIX))
            made.settimeout(self.timeout)
            made.connect(self.unix_socket)
            refused.pop_all()
            self.sock = made

    monkeypatch.setattr(unixconn.UnixHTTPConnection, "connect", connect)


def test_pods_come_back_with_the_engine(engine: Engine, tmp_path: Path) -> None:
    api = docker.APIClient(base_url=engine.url, version="auto")
    busybox_image(api)
    api.close()
    machine = Machine(tmp_path, engine=engine.url)
    pod = machine.run(app())
    machine.ready(pod)
    engine.stop()
    engine.start()
    status = machine.ready(pod, restarts=1)
    assert status.container_statuses[0].restart_count == 1
    new = machine.run(app(), name="new")
    machine.ready(new)
    machine.clean()
