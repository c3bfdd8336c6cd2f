"""The process that answers names, on real sockets in namespaces of the test's own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dns.message
import pytest

from apps.cluster import types
from node_agent.child import ROOT
from node_agent.dns.client import DnsProcess, end_others
from tests.agent_dns.asking import BEHIND_PEERS, OWN, PEERS, REDIS, told
from tests.agent_dns.node import Node, Upstream, ask
from tests.agent_net.lab import NODE, OUTSIDE, Space, machine, route
from tests.agent_net.objects import service
from tests.calm import PATIENCE
from tests.platform import eventually

pytestmark = pytest.mark.net

REDIS_NAME = "redis-master.default.svc.cluster.local"
FOUND = ["NOERROR", "A 10.254.0.11"]
SECOND = "198.51.100.3"


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[Space, Space]]:
    with machine() as spaces:
        yield spaces


@pytest.fixture
def node(outside: tuple[Space, Space], tmp_path: Path) -> Iterator[Node]:
    made = Node(outside[0], tmp_path)
    made.connect()
    made.know([REDIS, PEERS], BEHIND_PEERS)
    yield made
    made.close()


def known(query: dns.message.Message) -> list[str]:
    """What a server outside says to www.example.org, and to nothing else."""
    return ["60 A 192.0.2.7"] if str(query.question[0].name) == "www.example.org." else []


def test_a_pod_and_the_machine_find_services_and_a_neighbour_does_not(
    node: Node, outside: tuple[Space, Space]
) -> None:
    assert node.ask(REDIS_NAME) == FOUND
    assert node.ask(REDIS_NAME, tcp=True) == FOUND
    assert ask(node.space, REDIS_NAME) == FOUND
    assert node.ask("nothing.default.svc.cluster.local") == ["NXDOMAIN"]
    route(outside[1], dst="10.254.0.0/16", gateway=NODE)
    with pytest.raises(ConnectionRefusedError):
        ask(outside[1], REDIS_NAME, tcp=True)
    with pytest.raises(ConnectionRefusedError):
        outside[1].run(lambda: socket.create_connection((OWN, 22), 3))
    with pytest.raises(ConnectionRefusedError):
        node.pod.run(lambda: socket.create_connection((OWN, 22), 3))


def test_a_change_is_seen_as_soon_as_it_is_said_to_be_in_place(node: Node) -> None:
    for turn in range(20):
        moved = service("redis-master", f"10.254.1.{turn}", ("redis", 6379, 0))
        node.know([moved], [])
        assert node.ask(REDIS_NAME) == ["NOERROR", f"A 10.254.1.{turn}"]
    assert node.ask("peers.shop.svc.cluster.local") == ["NXDOMAIN"]


def test_nothing_is_denied_before_the_first_word_and_who_asked_then_is_answered(
    outside: tuple[Space, Space], tmp_path: Path
) -> None:
    made = Node(outside[0], tmp_path)
    made.connect()
    eventually(lambda: made.dns.pid, within=PATIENCE)
    query = dns.message.make_query(REDIS_NAME, "A")
    with closing(made.pod.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))) as asker:
        asker.settimeout(PATIENCE)
        asker.sendto(query.to_wire(), (OWN, 53))
        made.know([REDIS], [])
        assert told(asker.recv(4096)) == FOUND
    made.close()


def test_it_may_start_before_the_network_and_outlives_it(
    outside: tuple[Space, Space], tmp_path: Path
) -> None:
    made = Node(outside[0], tmp_path)
    made.know([REDIS], [])
    made.connect()
    assert made.ask(REDIS_NAME) == FOUND
    made.space.command("ip", "address", "del", f"{OWN}/32", "dev", made.names.bridge)
    assert f"address {OWN}/32" in made.space.run(made.network.verify)
    assert made.ask(REDIS_NAME) == FOUND
    made.close()


def test_somebody_removes_the_rules_and_they_come_back(node: Node) -> None:
    before = node.space.command("iptables-save", "-t", "raw")
    node.space.command("iptables", "-t", "raw", "-F")
    node.space.run(node.network.verify)
    rules = node.space.command("iptables-save", "-t", "raw")
    assert [line for line in rules.splitlines() if line.startswith("-A")] == [
        line for line in before.splitlines() if line.startswith("-A")
    ]
    node.space.run(node.network.remove)
    assert node.names.chain("DNS") not in node.space.command("iptables-save")


def test_what_is_asked_while_it_is_started_again_is_answered(node: Node) -> None:
    for _ in range(3):
        before = node.dns.pid
        os.kill(before, signal.SIGKILL)
        assert node.ask(REDIS_NAME) == FOUND
        assert node.ask(REDIS_NAME, tcp=True) == FOUND
        assert node.dns.pid != before


class Impatient(DnsProcess):
    look_seconds, patience = 0.2, 0.5


def test_one_that_hangs_is_replaced(outside: tuple[Space, Space], tmp_path: Path) -> None:
    made = Node(outside[0], tmp_path, Impatient)
    made.connect()
    made.know([REDIS], [])
    before = made.dns.pid
    os.kill(before, signal.SIGSTOP)
    assert made.ask(REDIS_NAME) == FOUND
    assert made.dns.pid != before
    made.close()


FORGOTTEN = """
import sys, time
from pathlib import Path
from node_agent.dns.client import DnsProcess
from node_agent.names import Names
from tests.agent_dns.asking import NETWORKS, OWN, REDIS
state = Path(sys.argv[1])
made = DnsProcess(Names.of(state), OWN, NETWORKS, state / "resolv.conf")
made.start()
made.wait(made.update([REDIS], []), 10)
print(made.pid, flush=True)
time.sleep(1000)
"""


def test_names_outlive_an_agent_that_is_killed_until_the_next_takes_over(
    outside: tuple[Space, Space], tmp_path: Path
) -> None:
    made = Node(outside[0], tmp_path)
    made.connect()
    made.dns.stop()
    argv = [sys.executable, "-c", FORGOTTEN, str(tmp_path)]
    agent = made.space.run(lambda: subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE))
    with agent:
        assert agent.stdout is not None
        left = int(agent.stdout.readline())
        agent.kill()
    assert made.ask(REDIS_NAME) == FOUND
    made.dns = made.new_process()
    eventually(lambda: made.dns.pid, within=PATIENCE)
    for _ in range(20):  # the next one is there and knows nothing yet: no question may wait for it
        assert made.ask(REDIS_NAME) == FOUND
    made.know([service("redis-master", "10.254.1.1", ("redis", 6379, 0))], [])
    eventually(lambda: not Path(f"/proc/{left}").exists(), within=PATIENCE, what="the one left behind ends")
    assert made.ask(REDIS_NAME) == ["NOERROR", "A 10.254.1.1"]
    assert made.dns.pid
    made.close()


def test_a_stopped_agent_leaves_no_process(node: Node) -> None:
    process = node.dns._process
    node.dns.stop()
    assert process is not None and process.returncode == 0  # it went when it was told, it was not killed
    end_others(node.names)  # finds none


def test_an_address_that_somebody_else_listens_on_is_said(
    outside: tuple[Space, Space], tmp_path: Path
) -> None:
    with closing(outside[0].run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))) as other:
        other.bind(("0.0.0.0", 53))
        made = Node(outside[0], tmp_path)
        eventually(lambda: made.dns.error, within=PATIENCE)
        assert f"cannot listen on {OWN}:53: Address already in use" in made.dns.error
    made.connect()
    made.know([REDIS], [])
    assert made.ask(REDIS_NAME) == FOUND
    made.close()


def test_other_names_are_asked_of_the_machines_servers_and_remembered(
    node: Node, outside: tuple[Space, Space]
) -> None:
    server = Upstream(OUTSIDE, known, outside[1])
    node.resolv_conf.write_text(f"nameserver {OWN}\nnameserver localhost\nnameserver {OUTSIDE}\n")
    answer = ["NOERROR", "A 192.0.2.7"]
    assert eventually(lambda: node.ask("www.example.org") == answer, within=PATIENCE)
    assert node.ask("WWW.example.ORG") == answer
    assert node.ask("www.example.org", tcp=True) == answer
    assert server.asked["udp"] == 1
    assert node.ask("nothing.example.org") == ["NXDOMAIN"]


def test_an_alias_for_a_name_outside_brings_its_address_along(
    node: Node, outside: tuple[Space, Space]
) -> None:
    Upstream(OUTSIDE, known, outside[1])
    node.resolv_conf.write_text(f"nameserver {OUTSIDE}\n")
    spec = types.ServiceSpec(type="ExternalName", external_name="www.example.org")
    node.know([types.Service(metadata=types.ObjectMeta(name="site", namespace="shop"), spec=spec)], [])
    name, alias = "site.shop.svc.cluster.local", "CNAME www.example.org."
    eventually(lambda: node.ask(name) == ["NOERROR", alias, "A 192.0.2.7"], within=PATIENCE)
    assert node.ask(name, tcp=True) == ["NOERROR", alias, "A 192.0.2.7"]
    assert node.ask(name, "CNAME") == ["NOERROR", alias]
    node.resolv_conf.write_text("")
    spec = types.ServiceSpec(type="ExternalName", external_name="gone.example.org")
    node.know([types.Service(metadata=types.ObjectMeta(name="site", namespace="shop"), spec=spec)], [])
    eventually(lambda: node.ask(name) == ["SERVFAIL"], within=PATIENCE)


def test_a_large_answer_is_fetched_by_tcp(node: Node, outside: tuple[Space, Space]) -> None:
    server = Upstream(OUTSIDE, lambda query: [f"60 A 192.0.2.{at}" for at in range(1, 100)], outside[1])
    node.resolv_conf.write_text(f"nameserver {OUTSIDE}\n")
    eventually(lambda: len(node.ask("many.example.org", tcp=True)) == 100, within=PATIENCE)
    assert server.asked == {"udp": 1, "tcp": 1}


def test_without_a_server_other_names_fail_at_once(node: Node) -> None:
    node.resolv_conf.write_text(f"nameserver {OWN}\n")
    assert node.ask("www.example.org", within=2) == ["SERVFAIL"]


def test_a_server_that_does_not_answer_is_passed_over(node: Node, outside: tuple[Space, Space]) -> None:
    outside[1].command("ip", "address", "add", f"{SECOND}/24", "dev", "up1")
    silent = Upstream(OUTSIDE, lambda query: None, outside[1])
    good = Upstream(SECOND, known, outside[1])
    node.resolv_conf.write_text(f"nameserver {OUTSIDE}\nnameserver {SECOND}\n")
    eventually(lambda: node.ask("www.example.org") == ["NOERROR", "A 192.0.2.7"], within=PATIENCE)
    assert (silent.asked["udp"], good.asked["udp"]) == (1, 1)
    assert node.ask("nothing.example.org") == ["NXDOMAIN"]
    assert (silent.asked["udp"], good.asked["udp"]) == (1, 2)  # who answered last is asked first


def test_dead_servers_are_said_to_be_so_and_other_names_are_not_held_up(
    node: Node, outside: tuple[Space, Space]
) -> None:
    silent = Upstream(OUTSIDE, lambda query: None, outside[1])
    node.resolv_conf.write_text(f"nameserver {OUTSIDE}\n")
    query = dns.message.make_query("www.example.org", "A")
    eventually(lambda: node.ask("first.example.org", within=5) == ["SERVFAIL"] and silent.asked, within=20)
    with closing(node.pod.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))) as asker:
        asker.settimeout(PATIENCE)
        asker.connect((OWN, 53))
        for _ in range(100):
            asker.send(query.to_wire())
        for _ in range(50):
            assert node.ask(REDIS_NAME) == FOUND
        assert told(asker.recv(4096)) == ["SERVFAIL"]
