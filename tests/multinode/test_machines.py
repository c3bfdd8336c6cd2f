"""Several nodes on one machine: what `up` says, what survives it, and what `down` leaves."""

import subprocess
import sys

import pytest

from tests.calm import Stopwatch
from tests.platform import BASE, Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def states(platform: Platform) -> dict[str, str]:
    rows = platform.kubectl("get", "nodes", "--no-headers").splitlines()
    return {row.split()[0]: row.split()[1] for row in rows}


def test_every_node_is_found_ready(platform: Platform) -> None:
    assert states(platform) == {f"node-{number}": "Ready" for number in (1, 2, 3)}


def manage(platform: Platform, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(
        command, cwd=BASE, env=platform.environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_people_have_the_same_command_for_it(platform: Platform) -> None:
    listed = manage(platform, "machine", "list").stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [[f"node-{number}", "on"] for number in (1, 2, 3)]
    assert manage(platform, "machine", "run", "node-2", "hostname").stdout == "node-2\n"
    refused = manage(platform, "machine", "off", "node-9")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "There is no machine node-9 here; there are: node-1, node-2, node-3.\n"


def test_a_state_keeps_its_kind_of_nodes_until_down(platform: Platform) -> None:
    refused = manage(platform, "up", "--nodes", "1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "has several nodes: run `make down` first" in refused.stderr


def test_a_machine_that_crashed_is_started_again(platform: Platform) -> None:
    node = platform.node("node-2")
    before = node.pid
    node.crash()
    eventually(lambda: node.pid not in (0, before), what="another process 1")


def test_a_machine_whose_power_was_cut_stays_off_until_it_is_switched_on(platform: Platform) -> None:
    node = platform.node("node-3")
    node.cut_power()
    eventually(lambda: states(platform)["node-3"] == "NotReady", what="the node is missed")
    ending = Stopwatch()
    platform.stop()
    assert ending.calm < 10
    platform.start(nodes=3)
    assert node.pid == 0
    node.switch_on()
    eventually(lambda: states(platform)["node-3"] == "Ready", what="the node is back")


def test_a_cut_cable_is_noticed_and_a_healed_one_too(platform: Platform) -> None:
    node = platform.node("node-1")
    agent = node.agent()
    node.cut()
    eventually(lambda: states(platform)["node-1"] == "NotReady", what="the node is missed")
    node.heal()
    eventually(lambda: states(platform)["node-1"] == "Ready", what="the node is back")
    assert node.agent() == agent


def test_a_killed_agent_is_started_again(platform: Platform) -> None:
    node = platform.node("node-1")
    log = platform.state / "log" / "node-1.log"
    before, connected = node.agent(), log.read_text().count("connected to https:")
    node.kill_agent()
    eventually(lambda: log.read_text().count("connected to https:") > connected, what="another agent")
    assert node.agent() != before
    eventually(
        lambda: states(platform)["node-1"] == "Ready", what="the node is ready for the tests that follow"
    )
