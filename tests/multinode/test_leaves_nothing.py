"""Several nodes come and go without a trace, whatever became of the platform."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from paas.state import short_hash
from tests.cluster.pods import SLEEPER, pod, running, shell
from tests.platform import Platform

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def traces(mark: str) -> list[str]:
    """What on this machine carries the mark of a STATE."""
    commands = (
        ["ip", "link"],
        ["ip", "route"],
        ["ip", "netns"],
        ["iptables-save"],
        ["mount"],
        ["ps", "axww"],
    )
    lines = [
        line
        for command in commands
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    ]
    cgroups = [str(folder) for folder in Path("/sys/fs/cgroup").glob("**/drover-*")]
    return [line for line in (*lines, *cgroups) if mark in line]


def test_down_removes_machines_pods_and_rules_after_a_killed_supervisor() -> None:
    platform = Platform()
    marks = (short_hash(platform.state), platform.state.name)
    try:
        platform.start(nodes=2)
        sleeper = pod("sleeper", [shell(SLEEPER)])
        running(platform, sleeper)
        assert all(traces(mark) for mark in marks)
        os.kill(platform.pid, signal.SIGKILL)
        platform.stop()
    finally:
        platform.down()
    assert [line for mark in marks for line in traces(mark)] == []
    assert not platform.state.exists()


def test_a_state_keeps_its_kind_of_nodes_until_down() -> None:
    platform = Platform()
    try:
        platform.start(nodes=2)
        platform.stop()
        with pytest.raises(RuntimeError, match="has several nodes: run `make down` first"):
            platform.start(nodes=1)
    finally:
        platform.down()
