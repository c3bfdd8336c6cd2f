"""Several nodes on one machine: what `up` says, what survives it, and what `down` leaves."""

import pytest

from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]


def states(platform: Platform) -> dict[str, str]:
    rows = platform.kubectl("get", "nodes", "--no-headers").splitlines()
    return {row.split()[0]: row.split()[1] for row in rows}


def test_every_node_is_found_ready(platform: Platform) -> None:
    assert states(platform) == {f"node-{number}": "Ready" for number in (1, 2, 3)}


def test_a_machine_that_crashed_is_started_again(platform: Platform) -> None:
    node = platform.node("node-2")
    before = node.pid
    node.crash()
    eventually(lambda: node.pid not in (0, before), what="another process 1")


def test_a_machine_whose_power_was_cut_stays_off_until_it_is_switched_on(platform: Platform) -> None:
    node = platform.node("node-3")
    node.cut_power()
    eventually(lambda: states(platform)["node-3"] == "NotReady", what="the node is missed")
    assert platform.stop() < 10
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
    before = node.agent()
    node.kill_agent()
    eventually(lambda: node.agent() != before, what="another agent")
    assert node.run("hostname").strip() == "node-1"
