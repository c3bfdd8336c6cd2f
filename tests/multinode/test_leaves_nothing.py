"""Several nodes come and go without a trace, whatever became of the platform."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paas.state import short_hash
from tests.platform import BASE, eventually, sweep

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


# A test run that is killed in the middle, and the supervisor of its platform with it.
KILLED = """
import os, signal
from tests.cluster.pods import SLEEPER, pod, running, shell
from tests.platform import Platform
platform = Platform()
platform.start(nodes=2)
running(platform, pod("sleeper", [shell(SLEEPER)]))
print(platform.state, flush=True)
os.kill(platform.pid, signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_of_a_test_run_and_a_supervisor_that_were_killed() -> None:
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, cwd=BASE, stdout=subprocess.PIPE, text=True, check=False, timeout=200)
    assert done.returncode == -signal.SIGKILL
    state = Path(done.stdout.strip())
    marks = (short_hash(state), state.name)
    assert all(traces(mark) for mark in marks), "the machines went with the supervisor"
    eventually(lambda: not any("node_agent" in line for line in traces(state.name)), what="no agent is left")
    sweep()
    assert [line for mark in marks for line in traces(mark)] == []
    assert not state.exists()
