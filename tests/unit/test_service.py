"""What a service manager is told of our programs, in its own judgement, and the script where there is none."""

from __future__ import annotations

import configparser
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from apps import service
from apps.locks import taken
from apps.service import Service
from node_agent.joining.service import SOCKET, Layout
from node_agent.joining.service import service as service_of
from paas.remote import landed
from tests.platform import eventually

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def agent(tmp_path: Path) -> str:
    return Service(
        what="node agent", unit="drover-agent.service", folder=tmp_path, log=tmp_path / "log",
        needs=tmp_path / "token", final=78,
        command=(sys.executable, "-m", "node_agent", "run", "@/var/lib/drover/agent/arguments"), kill="process",
        environment={"PYTHONPATH": "/var/lib/drover/program"}, after=("network-online.target", "docker.service"),
    ).unit_text()  # fmt: skip


def control_plane(tmp_path: Path) -> str:
    kept = landed.service_in(tmp_path)
    Path(kept.command[0]).touch(0o700)
    return kept.unit_text()


def documented(_: Path) -> str:
    """The one that an operator copies."""
    found = re.search(r"```ini\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)
    assert found
    return found[1].replace("/opt/drover/.venv/bin/python", sys.executable).replace("/opt/drover", "/opt")


@pytest.mark.parametrize("written", [agent, control_plane, documented])
def test_a_unit_is_never_given_up_and_systemd_has_nothing_against_it(
    written: object, tmp_path: Path
) -> None:
    assert callable(written)
    text = written(tmp_path)
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.read_string(text)
    assert (unit["Unit"]["StartLimitIntervalSec"], unit["Service"]["Restart"]) == ("0", "always")
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd here to judge it")
    (tmp_path / "tried.service").write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "tried.service")], capture_output=True, text=True, check=False
    )
    assert (said.returncode, [line for line in said.stderr.splitlines() if "tried" in line]) == (0, [])


class Scripted:
    """A machine's agent kept by its script, with an engine and an agent that say a line and wait."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.layout.state.mkdir()
        (self.layout.state / "token").touch()
        self.engine = root / "engine.pid"
        stub = root / "dockerd"
        stub.write_text(f"#!/bin/sh\necho {'e' * 200}\necho $$ >{self.engine}\nexec sleep 600\n")
        stub.chmod(0o700)
        self.service = replace(service_of(self.layout), command=("sh", "-c", f"echo {'a' * 200}; exec cat"))
        (root / "script").write_text(self.service.script_text().replace(SOCKET, str(root / "none.sock")))

    def start(self, shell: str, **more: Any) -> subprocess.Popen[bytes]:
        path = f"{self.layout.root}:{os.environ['PATH']}"
        script = [shell, str(self.layout.root / "script")]
        self.process = subprocess.Popen(
            script, stdin=subprocess.PIPE, start_new_session=True, env={"PATH": path}, **more
        )
        eventually(lambda: self.engine.exists() and self.engine.read_text().endswith("\n"))
        return self.process

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        os.kill(int(self.engine.read_text()), signal.SIGKILL)


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setattr(service, "LARGEST", 100)
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.05)
    made = Scripted(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_an_engine_that_a_script_started_does_not_keep_the_next_script_away(scripted: Scripted, shell: str) -> None:
    scripted.start(shell).kill()
    with scripted.service.lock.open() as lock:
        eventually(lambda: taken(lock))


def test_a_script_may_open_as_many_files_as_the_machine_allows(scripted: Scripted) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    process = scripted.start("sh", preexec_fn=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (100, most)))
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (most, most)


def test_the_logs_of_a_script_are_bounded_and_go_on(scripted: Scripted) -> None:
    process = scripted.start("sh")
    for log, letter in ((scripted.layout.log, "a"), (scripted.layout.engine_log, "e")):
        before = log.with_name(f"{log.name}.1")
        eventually(lambda: before.exists() and not log.stat().st_size)  # noqa: B023  it is asked at once
        assert before.read_text() == letter * 200 + "\n"
        assert before.stat().st_mode == log.stat().st_mode
    assert process.stdin is not None
    process.stdin.write(b"more\n")
    process.stdin.flush()
    eventually(lambda: scripted.layout.log.read_bytes() == b"more\n")
