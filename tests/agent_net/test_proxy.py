"""Both backends, with real traffic between namespaces of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.cluster import types
from node_agent.child import ROOT
from node_agent.names import Names
from node_agent.network.saved import parse
from node_agent.proxy import chains, iptables
from node_agent.proxy.client import ProxyProcess
from node_agent.proxy.rules import HostPort, Target
from tests.agent_net.cluster import VIP, WEB, Cluster
from tests.agent_net.lab import NODE, OUTSIDE, Server, UdpClient, ask, machine
from tests.agent_net.objects import endpoints, plan, service
from tests.calm import PATIENCE, Stopwatch

pytestmark = pytest.mark.net


@pytest.fixture(params=["iptables", "nftables"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    with machine() as (space, outside):
        made = Cluster(space, outside, tmp_path, request.param)
        yield made
        made.close()


def test_a_pod_and_the_machine_reach_a_cluster_address(cluster: Cluster) -> None:
    cluster.pod("one", 8080)
    cluster.pod("client")
    cluster.update([WEB], [cluster.web("one")])
    assert ask(cluster.pods["client"], VIP, 80) == ("one", cluster.addresses["client"])
    assert ask(cluster.space, VIP, 80)[0] == "one"
    assert cluster.proxy.backend == cluster.backend


def test_a_node_port_answers_outside_pods_the_machine_and_loopback(cluster: Cluster) -> None:
    cluster.pod("one", 8080)
    cluster.pod("client")
    cluster.update([WEB], [cluster.web("one")])
    assert ask(cluster.outside, NODE, 30061)[0] == "one"
    assert ask(cluster.pods["client"], NODE, 30061)[0] == "one"
    assert ask(cluster.space, NODE, 30061)[0] == "one"
    assert ask(cluster.space, "127.0.0.1", 30061)[0] == "one"


def test_every_port_leads_to_its_own_target(cluster: Cluster) -> None:
    cluster.pod("one", 8080, 9090)
    two = service("web", VIP, ("http", 80, 0), ("admin", 81, 30062))
    Server(cluster.pods["one"], "admin", 9091)
    found = endpoints("web", [cluster.addresses["one"]], ("http", 8080), ("admin", 9091))
    cluster.update([two], [found])
    assert ask(cluster.space, VIP, 80)[0] == "one"
    assert ask(cluster.space, VIP, 81)[0] == "admin"
    assert ask(cluster.outside, NODE, 30062)[0] == "admin"


def test_requests_spread_over_all_targets(cluster: Cluster) -> None:
    names = ["one", "two", "three"]
    for name in names:
        cluster.pod(name, 8080)
    client = cluster.pod("client")
    cluster.update([WEB], [cluster.web(*names)])
    seen = Counter(ask(client, VIP, 80)[0] for _ in range(90))
    # Fair coins: fewer than 10 of 90 for one of three has a chance below 1 to 10,000,000.
    assert all(seen[name] >= 10 for name in names), seen


def test_a_pod_reaches_itself_through_its_service(cluster: Cluster) -> None:
    one = cluster.pod("one", 8080)
    cluster.update([WEB], [cluster.web("one")])
    assert ask(one, VIP, 80)[0] == "one"
    assert ask(one, NODE, 30061)[0] == "one"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_that_the_agent_started_leaves_the_end_to_it(cluster: Cluster, signum: signal.Signals) -> None:
    """It would look like a crash to an agent that has not heard its own signal yet."""
    cluster.pod("one", 8080)
    cluster.update([WEB], [cluster.web("one")])
    running = cluster.proxy.pid
    os.kill(running, signum)
    cluster.update([WEB], [])
    assert cluster.proxy.pid == running
    cluster.proxy.stop()
    assert not Path(f"/proc/{running}").exists()


def test_a_sticky_client_stays_with_its_pod(cluster: Cluster) -> None:
    names = ["one", "two", "three", "four"]
    for name in names:
        cluster.pod(name, 8080)
    client = cluster.pod("client")
    cluster.update([service("web", VIP, ("", 80, 30061), sticky=600)], [cluster.web(*names)])
    assert len({ask(client, VIP, 80)[0] for _ in range(20)}) == 1
    assert len({ask(cluster.outside, NODE, 30061)[0] for _ in range(20)}) == 1


def test_a_sticky_client_moves_when_its_pod_goes(cluster: Cluster) -> None:
    for name in ("one", "two"):
        cluster.pod(name, 8080)
    client = cluster.pod("client")
    sticky = service("web", VIP, ("", 80, 0), sticky=600)
    cluster.update([sticky], [cluster.web("one", "two")])
    first = ask(client, VIP, 80)[0]
    other = "two" if first == "one" else "one"
    cluster.update([sticky], [cluster.web(other)])
    assert ask(client, VIP, 80)[0] == other


def test_a_service_without_endpoints_refuses_at_once(cluster: Cluster) -> None:
    client = cluster.pod("client")
    cluster.update([WEB], [])
    for space, address, port in (
        (client, VIP, 80),
        (cluster.space, VIP, 80),
        (client, NODE, 30061),
        (cluster.outside, NODE, 30061),
        (cluster.space, "127.0.0.1", 30061),
    ):
        since = Stopwatch()
        with pytest.raises(ConnectionRefusedError):
            ask(space, address, port)
        assert since.calm < 1


def test_endpoints_come_go_and_come_back(cluster: Cluster) -> None:
    client = cluster.pod("client")
    for name in ("one", "two"):
        cluster.pod(name, 8080)
    cluster.update([WEB], [cluster.web("one")])
    assert ask(client, VIP, 80)[0] == "one"
    cluster.update([WEB], [cluster.web("two")])
    assert {ask(client, VIP, 80)[0] for _ in range(10)} == {"two"}
    cluster.update([WEB], [])
    with pytest.raises(ConnectionRefusedError):
        ask(client, VIP, 80)
    cluster.update([WEB], [cluster.web("one", "two")])
    assert ask(client, VIP, 80)[0] in {"one", "two"}
    cluster.update([], [])
    with pytest.raises((ConnectionRefusedError, TimeoutError, OSError)):
        ask(client, VIP, 80)


def test_the_machine_itself_can_be_a_target(cluster: Cluster) -> None:
    """As in the service ``kubernetes``."""
    client = cluster.pod("client")
    Server(cluster.space, "api", 8443)
    api = service("kubernetes", "10.254.0.1", ("https", 443, 0))
    cluster.update([api], [endpoints("kubernetes", [NODE], ("https", 8443))])
    assert ask(client, "10.254.0.1", 443) == ("api", cluster.addresses["client"])
    assert ask(cluster.space, "10.254.0.1", 443)[0] == "api"


def test_a_target_on_another_machine_answers_pods_the_machine_and_its_node_port(cluster: Cluster) -> None:
    client = cluster.pod("client")
    Server(cluster.outside, "far", 8080)
    cluster.space.sysctl("ipv4/conf/all/rp_filter", "1")
    cluster.update([WEB], [endpoints("web", [OUTSIDE], ("", 8080))])
    assert ask(client, VIP, 80)[0] == "far"
    assert ask(cluster.space, VIP, 80)[0] == "far"
    assert ask(cluster.space, NODE, 30061)[0] == "far"


def test_udp_follows_its_endpoints(cluster: Cluster) -> None:
    """One socket asks all the time, so the kernel would remember the old way for as long as it asks."""
    client = cluster.pod("client")
    for name in ("one", "two"):
        cluster.pod(name, 53)
    dns = service("dns", VIP, ("dns", 53, 30053), protocol="UDP")

    def at(*names: str) -> types.EndpointSlice:
        found = [cluster.addresses[name] for name in names]
        return endpoints("dns", found, ("dns", 53), protocol="UDP")

    asking, outside = UdpClient(client), UdpClient(cluster.outside)
    cluster.update([dns], [at("one")])
    assert asking.ask(VIP, 53) == "one"
    assert outside.ask(NODE, 30053) == "one"
    cluster.update([dns], [at("two")])
    assert asking.ask(VIP, 53) == "two"
    assert outside.ask(NODE, 30053) == "two"
    cluster.update([dns], [])
    with pytest.raises(ConnectionRefusedError):
        asking.ask(VIP, 53)
    cluster.update([dns], [at("one")])
    assert asking.ask(VIP, 53) == "one"


def test_a_host_port_leads_to_its_pod(cluster: Cluster) -> None:
    pod, client = cluster.pod("one", 80), cluster.pod("client")
    host_port = HostPort("tcp", 8088, Target(cluster.addresses["one"], 80), name="default/one")
    cluster.update([], [], [host_port])
    assert ask(cluster.outside, NODE, 8088) == ("one", OUTSIDE)
    assert ask(cluster.space, "127.0.0.1", 8088)[0] == "one"
    assert ask(client, NODE, 8088) == ("one", cluster.addresses["client"])
    assert ask(pod, NODE, 8088)[0] == "one"


def test_a_host_port_on_one_address_is_closed_on_the_others(cluster: Cluster) -> None:
    cluster.pod("one", 80)
    target = Target(cluster.addresses["one"], 80)
    cluster.update([], [], [HostPort("tcp", 8088, target, address="127.0.0.1")])
    assert ask(cluster.space, "127.0.0.1", 8088)[0] == "one"
    with pytest.raises(ConnectionRefusedError):
        ask(cluster.outside, NODE, 8088)


def test_what_somebody_flushes_comes_back(cluster: Cluster) -> None:
    cluster.pod("one", 8080)
    client = cluster.pod("client")
    cluster.update([WEB], [cluster.web("one")])
    for _ in range(2):
        cluster.flush()
        assert cluster.restored.get(timeout=PATIENCE)
        assert ask(client, VIP, 80)[0] == "one"
        assert ask(cluster.outside, NODE, 30061)[0] == "one"
    cluster.update([WEB, service("more", "10.254.0.78", ("", 80, 0))], [cluster.web("one")])
    assert ask(client, VIP, 80)[0] == "one"


@pytest.mark.parametrize("cluster", ["iptables"], indirect=True)
def test_only_what_is_missing_is_named(cluster: Cluster) -> None:
    cluster.update([WEB], [])
    cluster.space.command("iptables-legacy", "-A", "FORWARD", "-s", "203.0.113.0/24", "-j", "DROP")
    cluster.space.command("iptables-legacy", "-F", cluster.names.chain("REFUSE"))
    assert cluster.restored.get(timeout=PATIENCE) == (f"filter {cluster.names.chain('REFUSE')}",)


def test_foreign_rules_are_never_touched(cluster: Cluster) -> None:
    space = cluster.space
    for command in ("iptables", "iptables-legacy"):
        space.command(command, "-t", "nat", "-N", "KUBE-SERVICES")
        space.command(command, "-t", "nat", "-A", "KUBE-SERVICES", "-d", "203.0.113.9", "-j", "RETURN")
        space.command(command, "-t", "nat", "-A", "PREROUTING", "-j", "KUBE-SERVICES")
        space.command(
            command, "-A", "FORWARD", "-s", "203.0.113.0/24", "-p", "tcp", "--dport", "7", "-j", "DROP"
        )
    space.command(
        "nft", "-f", "-", text="table inet other { set a { type ipv4_addr; elements = { 1.2.3.4 }; }; }\n"
    )
    other = Names("ffffff")
    neighbour = ProxyProcess(other, "node-1", backend=cluster.backend)
    space.run(neighbour.start)
    number = neighbour.update([service("theirs", "10.254.9.9", ("", 80, 30999))], [])
    assert neighbour.wait(number, PATIENCE)
    before = cluster.rules()
    cluster.pod("one", 8080)
    cluster.update([WEB], [cluster.web("one")])
    cluster.update([WEB, service("b", "10.254.0.79", ("", 80, 30062))], [cluster.web("one")])
    assert before != cluster.rules()
    cluster.proxy.stop()
    remove(cluster)
    assert cluster.rules() == before
    remove(cluster)
    assert cluster.rules() == before
    neighbour.stop()


def remove(cluster: Cluster) -> None:
    argv = [sys.executable, "-m", "node_agent.proxy", "--remove", "--instance", cluster.names.instance]
    done = cluster.space.run(lambda: subprocess.run(argv, cwd=ROOT, capture_output=True, check=False))
    assert done.returncode == 0, done.stderr


def test_rules_outlive_the_process_and_are_taken_over(cluster: Cluster) -> None:
    cluster.pod("one", 8080)
    cluster.update([WEB], [cluster.web("one")])
    cluster.proxy.stop()
    assert ask(cluster.outside, NODE, 30061)[0] == "one"
    before = cluster.rules()
    cluster.proxy = cluster.new_proxy()
    cluster.update([WEB], [cluster.web("one")])
    assert cluster.rules() == before


def test_a_killed_process_is_started_again_and_catches_up(cluster: Cluster) -> None:
    cluster.pod("one", 8080)
    cluster.update([WEB], [])
    os.kill(cluster.proxy.pid, signal.SIGKILL)
    cluster.update([WEB], [cluster.web("one")])
    assert ask(cluster.outside, NODE, 30061)[0] == "one"


def test_it_stays_small(cluster: Cluster) -> None:
    many = [service(f"s{number}", f"10.254.1.{number}", ("", 80, 0)) for number in range(200)]
    found = [endpoints(one.metadata.name, ["10.64.3.200", "10.64.3.201"], ("", 80)) for one in many]
    cluster.update(many, found)
    cluster.update(many[1:], found)
    text = Path(f"/proc/{cluster.proxy.pid}/smaps_rollup").read_text()
    kilobytes = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    print(f"{cluster.backend}: {kilobytes} kB")
    assert kilobytes < 25 * 1024


def test_many_small_changes_end_where_one_big_one_would(cluster: Cluster) -> None:
    """Every kind of rule, edited in place, is what a fresh process would write, and what a check expects."""
    everything = [
        WEB,
        service("sticky", "10.254.0.80", ("", 80, 30080), sticky=60),
        service("dns", "10.254.0.81", ("dns", 53, 30053), protocol="UDP"),
        service("two", "10.254.0.82", ("a", 80, 0), ("b", 81, 30082)),
    ]
    hosts = [HostPort("tcp", 8088, Target("10.64.3.9", 80), name="default/x")]
    hosts += [HostPort("udp", 8089, Target("10.64.3.9", 80), address=NODE)]
    for step in range(10):
        some = everything[step % 3 :]
        found = [
            endpoints(
                one.metadata.name,
                [f"10.64.3.{20 + pod}" for pod in range((step + index) % 4)],
                *[(port.name, 8080 + step % 2) for port in one.spec.ports],
                protocol=one.spec.ports[0].protocol,
            )
            for index, one in enumerate(some)
        ]
        cluster.update(some, found, hosts[step % 3 :])
    edited = sorted(cluster.rules().splitlines())
    cluster.proxy.stop()
    cluster.proxy = cluster.new_proxy()
    cluster.update(some, found, hosts[9 % 3 :])
    assert sorted(cluster.rules().splitlines()) == edited
    ruleset = chains.Renderer(cluster.names).render(plan(some, found, hosts[9 % 3 :]))
    if cluster.backend == "iptables":
        assert iptables.lacking(ruleset, parse(cluster.space.command("iptables-legacy-save"))) == []


def test_a_forced_backend_that_does_not_exist_is_said_so(cluster: Cluster) -> None:
    argv = [sys.executable, "-m", "node_agent.proxy", "--instance", "abcdef"]
    environment = {**os.environ, "DROVER_PROXY_BACKEND": "ipvs"}
    done = cluster.space.run(
        lambda: subprocess.run(argv, cwd=ROOT, capture_output=True, check=False, env=environment)
    )
    assert done.returncode == 1
    assert b"must be iptables or nftables" in done.stderr
