"""Two agents on one state: the second waits, and nothing is taken down under the first."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from node_agent import cli
from node_agent.alone import Taken, alone


def test_a_state_is_one_process_s_until_that_ends(tmp_path: Path) -> None:
    words = rf"another process \({os.getpid()}\) runs with {tmp_path}"
    with alone(tmp_path, 0), pytest.raises(Taken, match=words), alone(tmp_path, 0):
        pass
    with alone(tmp_path, 0):
        pass


def test_a_second_agent_says_whom_it_waits_for(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    command = [
        sys.executable, "-m", "node_agent", "run", "--server", "https://127.0.0.1:1", "--state", str(tmp_path),
        "--node-name", "n1", "--address", "127.0.0.1", "--docker", f"unix://{tmp_path}/none.sock",
    ]  # fmt: skip
    with alone(tmp_path, 0), subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as second:
        assert second.stderr is not None
        said = second.stderr.readline()
        second.kill()
    assert f"another process ({os.getpid()}) runs with {tmp_path}: waiting until it ends" in said


def test_what_an_agent_keeps_is_not_taken_down_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cli, "END_SECONDS", 0)
    (tmp_path / "pods").mkdir()
    with alone(tmp_path, 0), caplog.at_level(logging.ERROR):
        assert cli.main(["down", "--state", str(tmp_path), "--docker", f"unix://{tmp_path}/none.sock"]) == 1
    assert "end it first" in caplog.text
    assert (tmp_path / "pods").is_dir()
