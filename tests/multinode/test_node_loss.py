"""The articles' own question, with visitors who count: a machine is killed, cut off, drained, brought back, and the
control plane goes away. Is the service still there, do its instances move, and only when they must?"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.request import urlopen

import pytest

from tests.asking import Client, apply, service
from tests.calm import Stopwatch
from tests.cluster.pods import IMAGE
from tests.machines import Node
from tests.platform import Platform, containers, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

NODES = ("node-1", "node-2", "node-3")
COUNT, PORT = 6, 30088
SELECTOR = "app=visited"
# Answers with its own name.
SERVER = """
mkdir -p /www; hostname > /www/index.html; busybox httpd -p 0.0.0.0:80 -h /www
trap exit TERM; while true; do sleep 0.1; done
"""
LATE = 10
"""Seconds from a power cut until all replacements are ready."""


@pytest.fixture(scope="module", autouse=True)
def visited(platform: Platform) -> Iterator[None]:
    container: dict[str, Any] = {**IMAGE, "name": "main", "command": ["sh", "-c", SERVER]}
    container["readinessProbe"] = {"httpGet": {"port": 80}, "periodSeconds": 1}
    template = {
        "metadata": {"labels": {"app": "visited"}},
        "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]},
    }
    controller = {
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "visited"},
        "spec": {"replicas": COUNT, "template": template},
    }  # fmt: skip
    apply(platform, controller, service("visited", ports=[{"port": 80, "nodePort": PORT}]))
    platform.ready_pods(SELECTOR, COUNT, within=90)
    yield
    platform.kubectl("delete", "rc/visited", "svc/visited")


@pytest.fixture(autouse=True)
def whole(platform: Platform) -> Iterator[list[dict[str, Any]]]:
    """Every test begins with all nodes ready and the same number of pods on each, which answer at every node."""
    eventually(lambda: set(states(platform).values()) == {"Ready"}, what="all nodes ready")
    if spread(platform) != [2, 2, 2]:
        platform.kubectl("delete", "pods", "-l", SELECTOR, "--grace-period=1")
        platform.ready_pods(SELECTOR, COUNT)
    for node in NODES:
        eventually(partial(who, platform, node), what=f"an answer at {node}")
    yield platform.pods(SELECTOR, ready=COUNT)
    for each in map(platform.node, NODES):  # whatever a failed test left
        each.switch_on()
        each.heal()


def states(platform: Platform) -> dict[str, str]:
    rows = platform.kubectl("get", "nodes", "--no-headers").splitlines()
    return {row.split()[0]: row.split()[1] for row in rows}


def spread(platform: Platform) -> list[int]:
    here = [pod["spec"].get("nodeName") for pod in platform.pods(SELECTOR)]
    return [here.count(node) for node in NODES]


def who(platform: Platform, node: str) -> str:
    """The name of the pod that answers at a node."""
    with urlopen(f"http://{platform.node(node).address}:{PORT}/", timeout=3) as answer:
        name: str = answer.read().decode().strip()
        return name


def client(platform: Platform, *nodes: str) -> Client:
    return Client(*((platform.node(node).address, PORT) for node in nodes))


def on(pods: list[dict[str, Any]], node: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == node}


def replaced(platform: Platform, gone: set[str]) -> bool:
    """Whether there are as many ready pods as there are to be, and none of those."""
    pods = platform.pods(SELECTOR, ready=COUNT)
    return not gone & {pod["metadata"]["name"] for pod in pods}


def leaving(platform: Platform) -> set[str]:
    found = platform.objects("pods", "-l", SELECTOR)
    return {pod["metadata"]["name"] for pod in found if "deletionTimestamp" in pod["metadata"]}


def still(platform: Platform, before: list[dict[str, Any]], within: float) -> None:
    """For so long every pod stays what and where it was."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        assert containers(platform.pods(SELECTOR)) == containers(before)


def test_a_power_cut_moves_the_pods_in_time_and_the_service_answers_from_the_other_nodes(
    platform: Platform, whole: list[dict[str, Any]]
) -> None:
    lost, node, others = on(whole, "node-2"), platform.node("node-2"), ("node-1", "node-3")
    since = Stopwatch()
    node.cut_power()
    eventually(lambda: not lost & _addresses(platform), what="its pods have left the service")
    assert states(platform)["node-2"] == "NotReady"
    for each in others:
        eventually(partial(_never, lost, platform, each), what=f"{each} leads to others")
    with client(platform, *others).asking() as seen:
        eventually(lambda: replaced(platform, lost), within=LATE - since.calm, what="replacements")
        node.switch_on()
        eventually(lambda: states(platform)["node-2"] == "Ready", within=60, what="the node is back")
        eventually(lambda: not leaving(platform), what="the old pods are forgotten")
        assert _never(lost, platform, "node-1")
    assert not seen.failures


def _never(gone: set[str], platform: Platform, node: str) -> bool:
    """Whether none of those pods answers at a node, of which each would have its turn."""
    return not gone & {who(platform, node) for _ in range(6 * COUNT)}


def _addresses(platform: Platform) -> set[str]:
    """The pods that the service leads to."""
    subsets = platform.objects("endpoints", "visited")[0].get("subsets", [])
    return {address["targetRef"]["name"] for each in subsets for address in each.get("addresses", [])}


def test_a_cut_shorter_than_the_grace_moves_nothing(platform: Platform, whole: list[dict[str, Any]]) -> None:
    node, away = platform.node("node-3"), Stopwatch()
    node.cut()
    eventually(lambda: away.elapsed > 3, what="so much time")
    node.heal()
    still(platform, whole, within=6)
    assert containers(platform.ready_pods(SELECTOR, COUNT)) == containers(whole)
    assert states(platform)["node-3"] == "Ready"


@pytest.mark.parametrize("forgotten", [False, True], ids=["that are to end", "that nobody knows any more"])
def test_who_was_cut_off_does_not_let_replaced_pods_answer_on_return(
    platform: Platform, whole: list[dict[str, Any]], forgotten: bool
) -> None:
    orphans, node = on(whole, "node-3"), platform.node("node-3")
    node.cut()
    eventually(lambda: replaced(platform, orphans), what="replacements")
    eventually(lambda: not (forgotten and leaving(platform)), what="the server has forgotten them")
    assert inside(platform) & orphans, "cut off, its own pods still answer its own processes"
    with client(platform, "node-1", "node-2").asking() as seen:
        node.heal()
        eventually(lambda: states(platform)["node-3"] == "Ready", what="the node is back")
        assert not (forgotten and running(node) & orphans)
        assert not inside(platform) & orphans
        assert _never(orphans, platform, "node-1")
        eventually(lambda: not leaving(platform), what="the orphans are gone")
    assert not seen.failures


def running(node: Node) -> set[str]:
    """The pods whose containers run there."""
    names = node.run("docker", "ps", "--format", "{{.Names}}").split()
    return {name.split("_")[2] for name in names if name.startswith("k8s_main_")}


def inside(platform: Platform) -> set[str]:
    """Who answers the processes of node-3 itself; some get no answer while the pods of others are out of reach."""
    node = platform.node("node-3")
    ask = f"curl --silent --max-time 1 http://{node.address}:{PORT}/"
    words = node.run("sh", "-c", f"for turn in $(seq {3 * COUNT}); do {ask}; done; true", within=60)
    return set(words.split())


def test_draining_a_node_costs_no_request(platform: Platform, whole: list[dict[str, Any]]) -> None:
    with client(platform, *NODES).asking() as seen:
        platform.kubectl(
            "drain", "node-1", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=60s"
        )
        assert states(platform)["node-1"] == "Ready,SchedulingDisabled"
        pods = platform.ready_pods(SELECTOR, COUNT)
        assert on(pods, "node-1") == set()
        platform.kubectl("uncordon", "node-1")
    assert not seen.failures
    assert states(platform)["node-1"] == "Ready"


def test_a_killed_agent_costs_no_request_and_restarts_nothing(
    platform: Platform, whole: list[dict[str, Any]]
) -> None:
    node = platform.node("node-2")
    before = node.agent()
    with client(platform, *NODES).asking() as seen:
        node.kill_agent()
        eventually(lambda: node.agent() != before, what="another agent")
        still(platform, whole, within=3)
    assert not seen.failures


def test_while_the_control_plane_is_away_pods_answer_and_nothing_is_evicted_when_it_is_back(
    platform: Platform, whole: list[dict[str, Any]]
) -> None:
    """Away for longer than a node may be silent and its pods may wait together."""
    with client(platform, *NODES).asking() as seen:
        platform.stop()
        away = Stopwatch()
        eventually(lambda: away.elapsed > LATE, what="so much time")
        platform.start(nodes=3, within=120)
        eventually(lambda: set(states(platform).values()) == {"Ready"}, what="all nodes ready")
        still(platform, whole, within=LATE)
    assert not seen.failures
