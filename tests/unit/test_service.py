"""What a service manager is told of our programs, in its own judgement."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apps.service import Service
from paas.remote import landed

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def agent(tmp_path: Path) -> str:
    return Service(
        what="node agent", unit="drover-agent.service", folder=tmp_path, log=tmp_path / "log",
        needs=tmp_path / "token", final=78,
        command=(sys.executable, "-m", "node_agent", "run", "@/var/lib/drover/agent/arguments"), kill="process",
        environment={"PYTHONPATH": "/var/lib/drover/program"}, after=("network-online.target", "docker.service"),
    ).unit_text()  # fmt: skip


def control_plane(tmp_path: Path) -> str:
    service = landed.service_in(tmp_path)
    launcher = Path(service.command[0])
    launcher.touch(0o700)
    return service.unit_text()


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
