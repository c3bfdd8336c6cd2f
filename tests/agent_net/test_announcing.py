"""Addresses of load balancers on a node's link: neighbours find them, and follow when another node answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from node_agent.names import Names
from node_agent.network.announcing import Announcer
from tests.agent_net.lab import Server, Space, ask

pytestmark = pytest.mark.net

VIP = "192.0.2.80"


class Lan:
    """Two nodes and a client on one link."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.switch, self.client, *self.nodes = (Space() for _ in range(4))
        for space in (self.switch, self.client, *self.nodes):
            stack.callback(space.close)
        switch = self.switch.command
        switch("ip", "link", "add", "lan0", "type", "bridge")
        switch("ip", "link", "set", "lan0", "up")
        for number, space in enumerate((self.client, *self.nodes)):
            far = ("peer", "name", "eth0", "netns", str(space.pid))
            switch("ip", "link", "add", f"p{number}", "type", "veth", *far)
            switch("ip", "link", "set", f"p{number}", "master", "lan0", "up")
            space.command("ip", "address", "add", f"192.0.2.{number + 1}/24", "dev", "eth0")
            space.command("ip", "link", "set", "eth0", "up")
        self.announcers = [
            Announcer(Names.of(folder / str(number)), f"192.0.2.{number + 2}") for number in range(2)
        ]
        for number, space in enumerate(self.nodes):
            Server(space, f"node-{number}", 80)

    def hold(self, number: int, *addresses: str) -> None:
        self.nodes[number].run(self.announcers[number].hold, addresses)

    def links(self, number: int) -> str:
        return self.nodes[number].command("ip", "-brief", "address")


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    with ExitStack() as stack:
        yield Lan(stack, tmp_path)


def test_a_neighbour_follows_the_address_from_node_to_node_at_once(lan: Lan) -> None:
    lan.hold(0, VIP)
    assert ask(lan.client, VIP, 80)[0] == "node-0"
    # As if node 0 had lost its power: nobody takes the address off it, and the neighbour still knows its place.
    lan.nodes[0].command("ip", "link", "set", "eth0", "down")
    lan.hold(1, VIP)
    assert ask(lan.client, VIP, 80)[0] == "node-1"


def test_what_is_held_is_exactly_what_is_wanted_and_comes_back(lan: Lan) -> None:
    name = lan.announcers[0]._link
    lan.hold(0, VIP, "192.0.2.81")
    lan.hold(0, VIP)
    assert VIP in lan.links(0) and "192.0.2.81" not in lan.links(0)
    lan.nodes[0].command("ip", "address", "flush", "dev", name)
    assert lan.nodes[0].run(lan.announcers[0].verify) == [f"address {VIP}"]
    assert lan.nodes[0].run(lan.announcers[0].verify) == []
    assert VIP in lan.links(0)
    lan.hold(0)
    assert name not in lan.links(0)


def test_remove_takes_the_link_and_may_come_again(lan: Lan) -> None:
    lan.hold(0, VIP)
    for _ in range(2):
        lan.nodes[0].run(lan.announcers[0].remove)
        assert VIP not in lan.links(0)
