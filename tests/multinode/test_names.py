"""Names in pods of three nodes, as their C library finds them: services, pods, and the world outside."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dns.message
import pytest

from tests.agent_dns.node import Upstream
from tests.cluster.pods import SLEEPER, pod, running, shell
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

NODES = ("node-1", "node-2", "node-3")
SVC = "named.svc.cluster.local"
Manifest = dict[str, Any]


def service(name: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "named"},
        "spec": spec,
    }


def asker(node: str) -> Manifest:
    made = pod(f"asker-{node}", [shell(SLEEPER)], namespace="named", labels={"app": "asker"})
    made["spec"] |= {"nodeName": node, "hostname": f"on-{node}", "subdomain": "askers"}
    return made


def asked(platform: Platform, where: str, *command: str) -> str:
    """What a command in the pod ``where`` prints; "" when it fails."""
    return platform.kubectl("exec", "-n", "named", where, "--", *command, check=False)


def address(platform: Platform, where: str, name: str) -> str:
    """The address that the pod's C library finds; "" for none."""
    found = asked(platform, where, "getent", "ahostsv4", name).split()
    return found[0] if found and found[0][:1].isdigit() else ""


@pytest.fixture(scope="module")
def named(platform: Platform) -> Iterator[Platform]:
    """A pod on each node; all of them run before there is any service."""
    platform.kubectl("create", "namespace", "named")
    askers = [asker(node) for node in NODES]
    platform.kubectl(
        "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": askers})
    )
    platform.kubectl(
        "wait",
        "-n",
        "named",
        "--for=condition=Ready",
        *(f"pod/asker-{node}" for node in NODES),
        "--timeout=60s",
    )
    yield platform
    platform.kubectl("delete", "namespace", "named", "--timeout=60s")


@pytest.fixture(scope="module")
def services(named: Platform) -> Platform:
    """Made after the pods that look for them."""
    port = {"name": "redis", "port": 6379}
    wanted = [
        service("redis-master", ports=[port], selector={"app": "asker"}),
        service("askers", clusterIP="None", ports=[port], selector={"app": "asker"}),
        service("alias", type="ExternalName", externalName=f"redis-master.{SVC}"),
    ]
    named.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted}))
    return named


@pytest.fixture(scope="module")
def addresses(services: Platform) -> dict[str, str]:
    """Of the service, and of the pods by node."""
    found = {
        each["spec"]["nodeName"]: each["status"]["podIP"] for each in services.objects("pods", "-n", "named")
    }
    (master,) = services.objects("service", "redis-master", "-n", "named")
    return found | {"redis-master": master["spec"]["clusterIP"]}


def test_a_pod_asks_its_own_node_and_looks_in_its_namespace_first(named: Platform) -> None:
    lines = asked(named, "asker-node-1", "cat", "/etc/resolv.conf").splitlines()
    assert lines[0] == "nameserver 10.254.0.10"
    assert lines[1].startswith(f"search {SVC} svc.cluster.local cluster.local")
    assert lines[-1] == "options ndots:5"
    (kube_dns,) = named.objects("service", "kube-dns", "-n", "kube-system")
    assert kube_dns["spec"]["clusterIP"] == "10.254.0.10"
    for node in NODES:
        assert "10.254.0.10/32" in named.node(node).run("ip", "-4", "address", "show", "scope", "host")


@pytest.mark.parametrize("node", NODES)
def test_a_service_made_after_the_pod_is_found_under_each_of_its_names(
    services: Platform, addresses: dict[str, str], node: str
) -> None:
    where, master = f"asker-{node}", addresses["redis-master"]
    for name in (
        "redis-master",
        "redis-master.named",
        "redis-master.named.svc",
        f"redis-master.{SVC}",
        "alias",
    ):
        eventually(lambda name=name: address(services, where, name) == master, within=5, what=name)  # type: ignore[misc]
    assert address(services, where, "kubernetes.default") == "10.254.0.1"
    assert address(services, where, "nothing") == ""
    assert address(services, where, "redis-master.default") == ""
    pods = {addresses[each] for each in NODES}
    everyone = asked(services, where, "getent", "ahostsv4", "askers").split()
    assert pods == {word for word in everyone if word in pods}
    for other in NODES:
        assert address(services, where, f"on-{other}.askers") == addresses[other]
    assert f"name = redis-master.{SVC}" in asked(services, where, "nslookup", master)
    located = asked(services, where, "nslookup", "-type=srv", f"_redis._tcp.redis-master.{SVC}")
    assert f"service = 0 100 6379 redis-master.{SVC}" in located


def test_a_service_that_is_removed_is_no_longer_found(services: Platform) -> None:
    passing = service("passing", ports=[{"port": 80}])
    services.kubectl("apply", "-f", "-", input=json.dumps(passing))
    eventually(lambda: address(services, "asker-node-2", "passing"), within=5)
    services.kubectl("delete", "service", "passing", "-n", "named")
    eventually(lambda: address(services, "asker-node-2", "passing") == "", within=5)


def test_a_pod_on_the_machines_network_asks_the_cluster_when_it_says_so(
    services: Platform, addresses: dict[str, str]
) -> None:
    services.kubectl("label", "namespace", "default", "pod-security.kubernetes.io/enforce=privileged")
    on_host = pod("on-host", [shell(SLEEPER)])
    on_host["spec"] |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet", "nodeName": "node-3"}
    running(services, on_host)
    found = services.kubectl("exec", "on-host", "--", "getent", "ahostsv4", "redis-master.named")
    assert found.split()[0] == addresses["redis-master"]
    services.kubectl("delete", "pod", "on-host", "--now")
    services.kubectl("label", "namespace", "default", "pod-security.kubernetes.io/enforce-")


def test_names_outside_are_asked_of_the_nodes_own_servers(services: Platform) -> None:
    def behaviour(query: dns.message.Message) -> list[str]:
        return ["60 A 192.0.2.7"] if str(query.question[0].name).startswith("www.example.org.") else []

    node = services.node("node-1")
    before = node.run("cat", "/etc/resolv.conf")
    with closing(Upstream(node.gateway, behaviour)):
        node.run("sh", "-c", f"echo nameserver {node.gateway} > /etc/resolv.conf")
        try:
            eventually(lambda: address(services, "asker-node-1", "www.example.org") == "192.0.2.7", within=20)
            assert address(services, "asker-node-1", "nothing.example.org") == ""
        finally:
            node.run("sh", "-c", "cat > /etc/resolv.conf <<'END'\n" + before + "END")


def answering(platform: Platform, node: str) -> set[int]:
    """The processes that answer names there, as the node numbers them."""
    return {int(word) for word in platform.node(node).run("pgrep", "-f", "node_agent.dns").split()}


ASK = """
import sys, dns.message, dns.query
answer = dns.query.udp(dns.message.make_query(sys.argv[1], "A"), "10.254.0.10", timeout=25)
print(answer.answer[0][0])
"""


def test_names_go_on_when_their_process_or_the_agent_is_killed(
    services: Platform, addresses: dict[str, str]
) -> None:
    node, name = services.node("node-2"), f"redis-master.{SVC}"
    (asker,) = services.objects("pod", "asker-node-2", "-n", "named")

    def found() -> str:
        """What the pod finds, without the agent's help: it passes on what `kubectl exec` wants."""
        return node.in_pod(asker, sys.executable, "-c", ASK, name).strip()

    before = answering(services, "node-2")
    node.run("kill", "-9", *map(str, before))
    assert found() == addresses["redis-master"]
    assert not before & answering(services, "node-2")
    agent, before = node.agent(), answering(services, "node-2")
    os.kill(agent, signal.SIGKILL)
    assert found() == addresses["redis-master"]
    eventually(lambda: node.agent() != agent and not before & answering(services, "node-2"), within=60)
    assert found() == addresses["redis-master"]
    assert len(answering(services, "node-2")) == 1
