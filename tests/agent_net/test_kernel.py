"""Whether the network was changed is asked in microseconds, and no change of what an agent keeps is missed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node_agent.network import NetworkError
from node_agent.network.kernel import Changes
from tests.agent_net.lab import Space, machine
from tests.agent_net.test_bridge import Node, node

pytestmark = pytest.mark.net
__all__ = ["node"]


@pytest.fixture
def space() -> Iterator[Space]:
    with machine() as (space, _):
        space.command("ip", "link", "add", "there", "type", "bridge")
        space.command("ip", "link", "set", "there", "up")
        space.command("ip", "address", "add", "192.0.2.1/24", "dev", "there")
        space.command("ip", "neighbour", "add", "192.0.2.9", "lladdr", "02:00:00:00:00:09", "dev", "there")
        space.command("iptables-legacy", "-A", "INPUT", "-s", "192.0.2.7", "-j", "DROP")
        yield space


@pytest.mark.parametrize(
    "command",
    [
        "ip link add new type bridge",
        "ip link set there down",
        "ip address add 192.0.2.2/24 dev there",
        "ip address del 192.0.2.1/24 dev there",
        "ip route add 198.18.0.0/16 dev there",
        "ip neighbour del 192.0.2.9 dev there",
        "iptables -A INPUT -j ACCEPT",
        "iptables-legacy -F",
        "iptables-legacy -t nat -A OUTPUT -j ACCEPT",
        "nft add table ip new",
    ],
)
def test_every_change_is_noticed_once(space: Space, command: str) -> None:
    changes = space.run(Changes)
    assert space.run(changes.happened), "at first nobody knows"
    assert not space.run(changes.happened)
    space.command(*command.split())
    assert space.run(changes.happened)
    assert not space.run(changes.happened)


def test_who_only_looks_changes_nothing_and_neighbours_that_are_learned_do_not_count(space: Space) -> None:
    changes = space.run(Changes)
    space.run(changes.happened)
    for command in ("iptables-save", "iptables-legacy-save", "nft list ruleset", "ip route", "ip link"):
        space.command(*command.split())
    space.command("ip", "neighbour", "add", "192.0.2.8", "lladdr", "02:00:00:00:00:08", "dev", "there")
    assert not space.run(changes.happened)


def test_a_node_that_nobody_touches_reads_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    while node.space.run(node.network.verify):
        pass
    monkeypatch.setenv("PATH", "/nonexistent")  # it could not even look at the rules
    assert node.space.run(node.network.verify) == []
    monkeypatch.undo()
    node.space.command("ip", "address", "add", "192.0.2.1/24", "dev", node.names.bridge)
    monkeypatch.setenv("PATH", "/nonexistent")
    for _ in range(2):  # and what went wrong is tried again, though nothing more has changed
        with pytest.raises(NetworkError, match="iptables is missing"):
            node.space.run(node.network.verify)
