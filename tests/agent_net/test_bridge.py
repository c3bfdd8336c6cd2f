"""The bridge network, in namespaces of the test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node_agent.names import Names
from node_agent.network import NetworkError, PodNetwork
from node_agent.network.bridge import BridgeNetwork
from tests.agent_net.lab import NODE, OUTSIDE, Server, Space, ask, machine, route
from tests.calm import Stopwatch

pytestmark = pytest.mark.net

PODS, SERVICES = "10.64.3.0/24", "10.254.0.0/16"


class Node:
    """A node's namespace with a started network, and pods in it."""

    def __init__(
        self, space: Space, outside: Space, state: Path, pods: str = PODS, services: str = SERVICES
    ) -> None:
        self.space, self.outside, self.state = space, outside, state
        self.names = Names.of(state)
        self.network: PodNetwork = BridgeNetwork(self.names, state)
        self.pods: dict[str, Space] = {}
        space.run(self.network.start, pods, services)

    def pod(self, uid: str) -> tuple[Space, str]:
        self.pods[uid] = Space()
        return self.pods[uid], self.space.run(self.network.attach, uid, self.pods[uid].pid)

    def links(self) -> set[str]:
        return {link["ifname"] for link in json.loads(self.space.command("ip", "-j", "link"))}

    def close(self) -> None:
        for pod in self.pods.values():
            pod.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with machine() as (space, outside):
        made = Node(space, outside, tmp_path)
        yield made
        made.close()


def test_pods_reach_each_other_the_machine_and_outside(node: Node) -> None:
    (web, web_address), (client, client_address) = node.pod("web"), node.pod("client")
    Server(web, "web", 80)
    Server(node.space, "machine", 90)
    Server(node.outside, "outside", 70)
    assert ask(client, web_address, 80) == ("web", client_address)
    assert ask(client, NODE, 90) == ("machine", client_address)
    assert ask(node.space, web_address, 80)[0] == "web"
    assert ask(client, OUTSIDE, 70) == ("outside", NODE)


def test_what_goes_to_pods_of_other_nodes_keeps_its_source(tmp_path: Path) -> None:
    with machine() as (space, outside):
        node = Node(space, outside, tmp_path)
        space.run(node.network.start, PODS, SERVICES, "10.64.0.0/10")
        outside.command("ip", "address", "add", "10.64.9.1/24", "dev", "lo")
        route(outside, dst=PODS, gateway=NODE)
        Server(outside, "elsewhere", 80)
        client, address = node.pod("client")
        assert ask(client, "10.64.9.1", 80) == ("elsewhere", address)
        node.close()


def test_attaching_again_changes_nothing(node: Node) -> None:
    pod, address = node.pod("web")
    before = pod.command("ip", "address")
    assert node.space.run(node.network.attach, "web", pod.pid) == address
    assert pod.command("ip", "address") == before


def test_a_new_sandbox_of_the_same_pod_gets_its_address(node: Node) -> None:
    first, address = node.pod("web")
    assert node.pod("web")[1] == address
    Server(node.pods["web"], "second", 80)
    assert ask(node.space, address, 80)[0] == "second"
    first.close()


def test_many_pods_at_once_and_fast(node: Node) -> None:
    spaces = [Space() for _ in range(12)]

    def attach(number: int) -> str:
        return node.network.attach(f"pod-{number}", spaces[number].pid)

    def all_at_once() -> list[str]:
        with ThreadPoolExecutor(4) as workers:
            return list(workers.map(attach, range(len(spaces))))

    since = Stopwatch()
    addresses = node.space.run(all_at_once)
    took = since.calm / len(spaces)
    assert len(set(addresses)) == len(spaces)
    print(f"attach: {took * 1000:.1f} ms")
    assert took < 0.1
    for space in spaces:
        space.close()


def test_detach_takes_cable_and_address_back(node: Node) -> None:
    node.pod("web")
    node.space.run(node.network.detach, "web")
    node.space.run(node.network.detach, "web")
    assert node.names.link("web") not in node.links()
    assert "web" not in (node.state / "addresses.json").read_text()


def test_a_dead_process_is_said_so(node: Node) -> None:
    with pytest.raises(NetworkError, match="is gone"):
        node.space.run(node.network.attach, "web", 2**22 - 1)


def test_a_restarted_agent_keeps_pods_and_adopts_addresses(node: Node) -> None:
    pod, address = node.pod("web")
    (node.state / "addresses.json").unlink()
    again = BridgeNetwork(node.names, node.state)
    node.space.run(again.start, PODS, SERVICES)
    again.adopt("web", address)
    assert node.space.run(again.attach, "web", pod.pid) == address
    Server(pod, "web", 80)
    assert ask(node.space, address, 80)[0] == "web"


def test_starting_again_frees_the_addresses_of_pods_that_are_gone(node: Node) -> None:
    node.pod("web")
    node.space.command("ip", "link", "delete", node.names.link("web"))
    node.space.run(node.network.start, PODS, SERVICES)
    assert "web" not in (node.state / "addresses.json").read_text()


def test_a_quiet_network_needs_no_repair(node: Node) -> None:
    node.pod("web")
    assert node.space.run(node.network.verify) == []


def test_what_is_removed_is_restored_and_named(node: Node) -> None:
    web, address = node.pod("web")
    client, _ = node.pod("client")
    Server(web, "web", 80)
    bridge = node.names.bridge
    node.space.command("iptables", "-F")
    node.space.command("iptables", "-t", "nat", "-F")
    node.space.command("ip", "link", "delete", bridge)
    node.space.sysctl("ipv4/ip_forward", "0")
    restored = node.space.run(node.network.verify)
    expected = {f"bridge {bridge}", f"route {SERVICES}", "sysctl ipv4/ip_forward"}
    expected |= {f"cable {node.names.link('web')}", f"chain {node.names.chain('MASQUERADE')}"}
    assert expected <= set(restored)
    assert node.space.run(node.network.verify) == []
    assert ask(client, address, 80)[0] == "web"


def test_forwarding_works_beside_a_dropping_engine(tmp_path: Path) -> None:
    """As dockerd leaves a machine: FORWARD drops, DOCKER-USER is asked first."""
    with machine() as (space, outside):
        for line in ("-N DOCKER-USER", "-A DOCKER-USER -j RETURN", "-A FORWARD -j DOCKER-USER"):
            space.command("iptables", *line.split())
        space.command("iptables", "-P", "FORWARD", "DROP")
        space.command("iptables-legacy", "-P", "FORWARD", "DROP")
        node = Node(space, outside, tmp_path)
        Server(outside, "outside", 70)
        client, _ = node.pod("client")
        assert ask(client, OUTSIDE, 70) == ("outside", NODE)
        node.close()


@pytest.mark.parametrize(("taken", "setting"), [(PODS, "POD_CIDR"), ("10.254.3.0/24", "SERVICE_CIDR")])
def test_a_range_that_is_in_use_is_refused_with_its_link_and_its_setting(
    tmp_path: Path, taken: str, setting: str
) -> None:
    with machine() as (space, outside):
        route(space, dst=taken, gateway=OUTSIDE)
        with pytest.raises(NetworkError, match=f"is in use on up0: choose another range with {setting}="):
            Node(space, outside, tmp_path)


def test_a_range_of_which_other_nodes_pods_have_a_part_is_refused_where_that_leads_elsewhere(
    tmp_path: Path,
) -> None:
    with machine() as (space, outside):
        route(space, dst="10.64.200.0/24", gateway=OUTSIDE)
        network = BridgeNetwork(Names.of(tmp_path), tmp_path)
        with pytest.raises(NetworkError, match="10.64.0.0/10 is in use on up0"):
            space.run(network.start, PODS, SERVICES, "10.64.0.0/10")


def test_a_wider_route_is_no_obstacle(tmp_path: Path) -> None:
    with machine() as (space, outside):
        route(space, dst="10.0.0.0/8", gateway=OUTSIDE)
        node = Node(space, outside, tmp_path)
        assert node.space.run(node.network.verify) == []


def test_the_machine_asks_services_under_the_bridges_address_beside_that_of_the_server_for_names(
    tmp_path: Path,
) -> None:
    with machine() as (space, _):
        network = BridgeNetwork(Names.of(tmp_path), tmp_path)
        for _again in range(2):  # whichever of the two addresses was there first
            space.run(network.start, PODS, SERVICES, "", "10.254.0.10")
            (way,) = json.loads(space.command("ip", "-json", "route", "get", "10.254.7.7"))
            assert way["prefsrc"] == "10.64.3.1"
            space.command("ip", "address", "delete", "10.64.3.1/24", "dev", Names.of(tmp_path).bridge)


def test_a_service_address_nobody_serves_refuses_at_once(node: Node) -> None:
    client, _ = node.pod("client")
    for space in (client, node.space):
        with pytest.raises(ConnectionRefusedError):
            ask(space, "10.254.7.7", 80)


def test_neighbours_do_not_reach_what_listens_on_loopback_only(node: Node) -> None:
    client, _ = node.pod("client")
    Server(node.space, "private", 99, address="127.0.0.1")
    client.sysctl("ipv4/conf/all/route_localnet", "1")
    client.command("ip", "route", "add", "127.0.0.2/32", "via", "10.64.3.1")
    client.command("ip", "address", "delete", "127.0.0.1/8", "dev", "lo")
    client.command("ip", "route", "add", "127.0.0.1/32", "via", "10.64.3.1", "src", "10.64.3.2")
    with pytest.raises(TimeoutError):
        ask(client, "127.0.0.1", 99, source="10.64.3.2")


def test_remove_takes_everything_of_ours_and_nothing_else(tmp_path: Path) -> None:
    with machine() as (space, outside):
        space.command("iptables", "-A", "FORWARD", "-s", "203.0.113.0/24", "-j", "ACCEPT")
        space.command(
            "iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "203.0.113.0/24", "-j", "MASQUERADE"
        )
        space.command("ip", "link", "add", "foreign0", "type", "bridge")
        rules = rules_of(space)
        node = Node(space, outside, tmp_path)
        node.pod("web")
        links = node.links()
        neighbour = Node(space, outside, tmp_path / "other", "10.65.0.0/24", "10.253.0.0/16")
        beside = rules_of(space) - {rule for rule in rules_of(space) if node.names.instance in rule}
        space.run(node.network.remove)
        assert rules_of(space) == beside
        assert neighbour.names.bridge in neighbour.links()
        assert links - node.links() == {node.names.bridge, node.names.link("web")}
        space.run(neighbour.network.remove)
        space.run(neighbour.network.remove)
        assert rules_of(space) == rules
        assert not list(tmp_path.rglob("addresses.json"))
        node.close()


def rules_of(space: Space) -> set[str]:
    text = space.command("iptables-save") + space.command("iptables-legacy-save")
    return {
        line for line in text.splitlines() if line.startswith("-A") or (line[:1] == ":" and " - " in line)
    }
