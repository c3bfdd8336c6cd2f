"""The pods' network across three nodes with their engines' own rules: who sees whom, and what is restored."""

import socket
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import permutations
from threading import Thread
from typing import Any

import pytest

from tests.cluster.pods import pod, running, shell
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

NODES = ("node-1", "node-2", "node-3")
HOST_PORT = 8087
# Tells whom it sees asking.
WHO = """
mkdir -p /www/cgi-bin
printf '#!/bin/sh\\necho\\necho $REMOTE_ADDR\\n' > /www/cgi-bin/who
chmod 755 /www/cgi-bin/who
exec busybox httpd -f -p 0.0.0.0:80 -h /www
"""
Pod = dict[str, Any]


@pytest.fixture(scope="module")
def pods(platform: Platform) -> Iterator[dict[str, Pod]]:
    """One on each node, by the node's name; that of the third has a port of its node."""
    wanted = [pod(f"who-{node}", [shell(WHO)]) for node in NODES]
    wanted[2]["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": HOST_PORT}]
    for node, each in zip(NODES, wanted, strict=True):
        each["spec"]["nodeName"] = node
    running(platform, *wanted)
    yield {node: platform.objects("pod", f"who-{node}")[0] for node in NODES}
    platform.kubectl("delete", "pod", *(f"who-{node}" for node in NODES), "--wait=false")


def url(address: str, port: int = 80) -> str:
    return f"http://{address}:{port}/cgi-bin/who"


def seen(platform: Platform, asking: str, pods: dict[str, Pod], place: str) -> str:
    """Whom ``place`` sees when the pod of a node asks."""
    command = ("curl", "--silent", "--fail", "--max-time", "5", place)
    return platform.node(asking).in_pod(pods[asking], *command).strip()


def sees(platform: Platform, pods: dict[str, Pod], asking: str, asked: str) -> bool:
    """Whether the pod of one node sees that of the other ask under its own address."""
    return seen(platform, asking, pods, url(address(pods[asked]))) == address(pods[asking])


def address(each: Pod) -> str:
    found: str = each["status"]["podIP"]
    return found


@pytest.mark.parametrize("asked", NODES)
@pytest.mark.parametrize("asking", NODES)
def test_every_pod_sees_every_other_under_its_own_address(
    platform: Platform, pods: dict[str, Pod], asking: str, asked: str
) -> None:
    assert sees(platform, pods, asking, asked)


def test_a_node_reaches_pods_of_other_nodes(platform: Platform, pods: dict[str, Pod]) -> None:
    for node in NODES:
        told = platform.node("node-1").run("curl", "-sf", "--max-time", "5", url(address(pods[node])))
        assert told.strip(), node


def test_a_pod_shows_other_nodes_its_own_address_and_the_outside_its_nodes(
    platform: Platform, pods: dict[str, Pod]
) -> None:
    node = platform.node("node-1")
    with closing(socket.create_server((node.gateway, 0))) as outside:
        callers: list[str] = []

        def accept() -> None:
            connection, (caller, _) = outside.accept()
            connection.close()
            callers.append(caller)

        taker = Thread(target=accept)
        taker.start()
        port = outside.getsockname()[1]
        # Let in whatever this machine's own packet filter says of other ports: it has none in tests.
        node.in_pod(pods["node-1"], "curl", "-s", "--max-time", "5", f"telnet://{node.gateway}:{port}")
        taker.join(10)
    assert callers == [node.address]


def test_a_host_port_answers_on_its_node_and_on_no_other(platform: Platform, pods: dict[str, Pod]) -> None:
    place = url(platform.node("node-3").address, HOST_PORT)
    command = ("curl", "-sf", "--max-time", "5")
    assert eventually(lambda: platform.node("node-1").run(*command, place)).strip()
    assert seen(platform, "node-2", pods, place) == address(pods["node-2"])
    with pytest.raises(AssertionError, match="exit 7"):
        platform.node("node-1").run(*command, url(platform.node("node-2").address, HOST_PORT))


def test_what_somebody_removed_is_restored(platform: Platform, pods: dict[str, Pod]) -> None:
    """Packet rules of both kinds, a route to other pods, and the forwarding that the engine forbids by default."""
    node = platform.node("node-1")
    for flush in (
        ("iptables", "-F"),
        ("iptables", "-t", "nat", "-F"),
        ("iptables-legacy", "-F"),
        ("iptables-legacy", "-t", "nat", "-F"),
        ("iptables", "-P", "FORWARD", "DROP"),
        ("ip", "route", "flush", "root", "10.64.0.0/10", "proto", "static"),
    ):
        node.run(*flush)

    def restored() -> bool:
        told = (platform.state / "log" / "node-1.log").read_text()
        return all(
            f"somebody removed {each}" in told for each in ("route 10.64.", "chain DROVER-", "FORWARD -> ")
        )

    eventually(restored, within=20, what="what was removed is named as restored")
    for asking, asked in permutations(("node-1", "node-2")):
        eventually(partial(sees, platform, pods, asking, asked), what=f"{asking} reaches {asked}")


def test_a_rebooted_node_has_its_pods_and_ways_again(platform: Platform, pods: dict[str, Pod]) -> None:
    node = platform.node("node-3")
    node.reboot()

    def answers() -> bool:
        fresh = platform.objects("pod", "who-node-3")[0]
        return seen(platform, "node-1", pods, url(address(fresh))) == address(pods["node-1"])

    eventually(answers, within=60, what="the pod of the rebooted node")
