"""The way between the pods of two nodes, on a shared link and through a router that knows nothing of pods."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Interface
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.names import Names
from node_agent.network import Neighbour, roads
from node_agent.network.bridge import BridgeNetwork
from node_agent.network.roads import Road
from tests.agent_net.lab import Server, Space, ask, join, route

CLUSTER, SERVICES = "10.64.0.0/10", "10.254.0.0/16"
LARGE = 300_000
FAR = Neighbour("192.0.2.7", "10.64.7.0/24")
NEAR = Neighbour("198.51.100.9", "10.64.9.0/24")
FACES = [("eth0", IPv4Interface("198.51.100.1/24")), ("wide0", IPv4Interface("198.51.0.1/16"))]


@pytest.mark.parametrize(
    ("mode", "routes", "tunnelled", "direct", "lost"),
    [
        ("auto", [Road(NEAR.pods, NEAR.address, "eth0"), Road(FAR.pods, "10.64.7.0")], (FAR,), (NEAR.address,), ()),
        ("host-gw", [Road(NEAR.pods, NEAR.address, "eth0")], (), (NEAR.address,), (FAR.address,)),
        ("vxlan", [Road(NEAR.pods, "10.64.9.0"), Road(FAR.pods, "10.64.7.0")], (FAR, NEAR), (), ()),
    ],
)  # fmt: skip
def test_each_mode_leads_where_it_can(
    mode: str,
    routes: frozenset[Road],
    tunnelled: tuple[Neighbour, ...],
    direct: tuple[str, ...],
    lost: tuple[str, ...],
) -> None:
    led = roads.plan([NEAR, FAR], FACES, mode)
    assert (led.routes, led.tunnelled, led.direct, led.lost) == (frozenset(routes), tunnelled, direct, lost)


def test_nothing_leads_to_a_node_that_is_this_machine() -> None:
    assert roads.plan([Neighbour("198.51.100.1", "10.64.3.0/24")], FACES).routes == frozenset()


@given(st.sets(st.integers(2, 250)), st.sampled_from(roads.MODES))
def test_every_node_has_one_road_or_is_named_as_lost(numbers: set[int], mode: str) -> None:
    others = [Neighbour(f"198.51.{99 + number % 2}.{number}", f"10.64.{number}.0/24") for number in numbers]
    led = roads.plan(others, FACES[:1], mode)
    assert len(led.routes) + len(led.lost) == len(others)
    assert {road.pods for road in led.routes if not road.link} == {each.pods for each in led.tunnelled}


def test_two_clusters_on_one_machine_have_tunnels_of_their_own() -> None:
    assert roads.tunnel_number(CLUSTER) != roads.tunnel_number("10.65.0.0/16")
    assert 0 < roads.tunnel_number(CLUSTER) < 1 << 24


class Node:
    """A node's namespace with a started network."""

    def __init__(self, space: Space, state: Path, address: str, pods: str, mode: str = roads.AUTO) -> None:
        self.space, self.address, self.pods = space, address, pods
        self.names = Names.of(state)
        self.network = BridgeNetwork(self.names, state, address, mode)
        space.run(self.network.start, pods, SERVICES, CLUSTER)

    @property
    def neighbour(self) -> Neighbour:
        return Neighbour(self.address, self.pods)

    def pod(self, stack: ExitStack, name: str) -> tuple[Space, str]:
        pod = Space()
        stack.callback(pod.close)
        return pod, self.space.run(self.network.attach, name, pod.pid)

    def routes(self) -> str:
        return self.space.command("ip", "route", "show", "metric", str(self.names.metric))


class Lab:
    """Two nodes with a pod each, and a machine outside that both reach."""

    def __init__(self, stack: ExitStack, state: Path, *, router: bool, mode: str = roads.AUTO) -> None:
        self.outside = Space()
        spaces = (Space(), Space())
        for space in (self.outside, *spaces):
            stack.callback(space.close)
        self.outside.sysctl("ipv4/ip_forward", "1")
        addresses = ("192.0.2.1", "198.51.100.1") if router else ("192.0.2.1", "192.0.2.2")
        for index, (space, address) in enumerate(zip(spaces, addresses, strict=True)):
            gateway = f"{address.rpartition('.')[0]}.{250 + index}"
            join(space, self.outside, names=("up0", f"up{index}"), addresses=(address, gateway))
        if not router:
            self._bridge(addresses)
        for index, (space, address) in enumerate(zip(spaces, addresses, strict=True)):
            route(
                space, dst="default", gateway=f"{address.rpartition('.')[0]}.{250 + index if router else 250}"
            )
        self.nodes = [
            Node(space, state / str(index), address, f"10.64.{index}.0/24", mode)
            for index, (space, address) in enumerate(zip(spaces, addresses, strict=True))
        ]
        self.connect()
        (self.one, self.one_address), (self.two, self.two_address) = (
            node.pod(stack, f"pod-{index}") for index, node in enumerate(self.nodes)
        )
        Server(self.two, "two", 80)

    def _bridge(self, addresses: tuple[str, ...]) -> None:
        """The machine outside is a switch as well."""
        outside = self.outside
        outside.command("ip", "link", "add", "switch", "type", "bridge")
        for index in range(len(addresses)):
            outside.command("ip", "address", "flush", "dev", f"up{index}")
            outside.command("ip", "link", "set", f"up{index}", "master", "switch")
        outside.command("ip", "address", "add", "192.0.2.250/24", "dev", "switch")
        outside.command("ip", "link", "set", "switch", "up")

    def connect(self) -> None:
        for node in self.nodes:
            others = [other.neighbour for other in self.nodes if other is not node]
            node.space.run(node.network.connect, others)


@contextmanager
def lab(state: Path, *, router: bool, mode: str = roads.AUTO) -> Iterator[Lab]:
    with ExitStack() as stack:
        yield Lab(stack, state, router=router, mode=mode)


WAYS = pytest.mark.parametrize(
    ("router", "mode"),
    [(False, roads.AUTO), (True, roads.AUTO), (False, roads.VXLAN)],
    ids=["host-gw", "router", "vxlan"],
)


@pytest.mark.net
@WAYS
def test_pods_of_two_nodes_see_each_others_own_address(tmp_path: Path, router: bool, mode: str) -> None:
    with lab(tmp_path, router=router, mode=mode) as made:
        assert ask(made.one, made.two_address, 80) == ("two", made.one_address)
        assert ask(made.nodes[0].space, made.two_address, 80)[0] == "two"
        Server(made.nodes[1].space, "node", 90)
        name, seen = ask(made.one, made.nodes[1].address, 90)
        # A node behind a tunnel would answer past it, and what lies between may not let the pod's address pass.
        own = made.one_address if not router and mode == roads.AUTO else made.nodes[0].address
        assert (name, seen) == ("node", own)
        Server(made.outside, "outside", 70)
        gateway = "192.0.2.250"
        assert ask(made.one, gateway, 70) == ("outside", made.nodes[0].address)


@pytest.mark.net
@WAYS
def test_much_passes_between_pods_of_two_nodes(tmp_path: Path, router: bool, mode: str) -> None:
    """A packet that fits the pods' own link but not the way between may not vanish."""
    with lab(tmp_path, router=router, mode=mode) as made:
        listener = made.two.run(lambda: socket.create_server((made.two_address, 81)))
        received = 0

        def take() -> None:
            nonlocal received
            connection, _ = listener.accept()
            with connection:
                while chunk := connection.recv(65536):
                    received += len(chunk)
                connection.sendall(b"x" * LARGE)

        taker = Thread(target=take)
        taker.start()

        def give() -> int:
            with socket.create_connection((made.two_address, 81), 5) as connection:
                connection.sendall(b"x" * LARGE)
                connection.shutdown(socket.SHUT_WR)
                return sum(len(chunk) for chunk in iter(lambda: connection.recv(65536), b""))

        assert made.one.run(give) == LARGE
        taker.join(5)
        listener.close()
        assert received == LARGE


@pytest.mark.net
@pytest.mark.parametrize("router", [False, True], ids=["host-gw", "tunnel"])
def test_a_way_that_somebody_broke_is_laid_again_and_named(tmp_path: Path, router: bool) -> None:
    with lab(tmp_path, router=router) as made:
        node, other = made.nodes
        assert node.space.run(node.network.verify) == []
        if router:
            tunnel = node.names.tunnel
            node.space.command("ip", "neigh", "flush", "dev", tunnel, "nud", "permanent")
            assert f"tunnel end {roads.end_of(other.pods)}" in node.space.run(node.network.verify)
            node.space.command("ip", "link", "delete", tunnel)
        else:
            node.space.command("ip", "route", "delete", other.pods)
        node.space.command("iptables", "-F")
        assert f"route {other.pods}" in node.space.run(node.network.verify)
        assert node.space.run(node.network.verify) == []
        assert ask(made.one, made.two_address, 80) == ("two", made.one_address)


@pytest.mark.net
def test_a_link_that_went_down_and_came_up_leads_to_the_pods_again(tmp_path: Path) -> None:
    with lab(tmp_path, router=False) as made:
        node = made.nodes[0]
        node.space.command("ip", "link", "set", "up0", "down")
        node.space.run(node.network.verify)
        assert not node.routes()
        node.space.command("ip", "link", "set", "up0", "up")
        assert node.space.run(node.network.verify) == [f"route {made.nodes[1].pods}"]
        assert ask(made.one, made.two_address, 80) == ("two", made.one_address)


@pytest.mark.net
def test_nothing_leads_to_a_node_that_was_removed(tmp_path: Path) -> None:
    with lab(tmp_path, router=True) as made:
        node = made.nodes[0]
        node.space.run(node.network.connect, [])
        assert not node.routes()
        assert node.names.tunnel not in node.space.command("ip", "-brief", "link")
        assert node.space.run(node.network.verify) == []


@pytest.mark.net
def test_remove_takes_ways_and_tunnel_and_no_other_route(tmp_path: Path) -> None:
    with lab(tmp_path, router=True) as made:
        node = made.nodes[0]
        node.space.command("ip", "route", "add", "203.0.113.0/24", "via", "192.0.2.250", "metric", "7")
        node.space.run(node.network.remove)
        left = node.space.command("ip", "route").splitlines()
        assert {line.split()[0] for line in left} == {"default", "192.0.2.0/24", "203.0.113.0/24"}
        assert node.names.instance not in node.space.command("iptables-save")
        assert "vxlan" not in node.space.command("ip", "-details", "link")
