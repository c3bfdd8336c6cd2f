"""Placing pods on nodes: never too many, never where they may not run, and always with a reason when
nowhere."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.scheduler.needs import NodeFacts, PodNeeds
from apps.scheduler.place import Decision, place
from apps.scheduler.snapshot import Snapshot
from tests.scheduler.cluster import FILTERS, GIB, NOW, SCORES, node, only, placed, pod

GPU = ("gpu", "yes", "NoSchedule")


@pytest.mark.parametrize(
    ("refusing", "asking", "there", "why"),
    [
        pytest.param(node(cordoned=True), pod(), (), "1 cordoned", id="cordoned"),
        pytest.param(node(ready=False), pod(), (), "1 not ready", id="not ready"),
        pytest.param(node(cpu=500), pod(cpu=501), (), "1 short of cpu", id="cpu"),
        pytest.param(node(memory=GIB), pod(memory=GIB + 1), (), "1 short of memory", id="memory"),
        pytest.param(
            node(cpu=500),
            pod(cpu=200),
            (pod("b", cpu=400, node="node-1"),),
            "1 short of cpu",
            id="cpu in use",
        ),
        pytest.param(node(pods=1), pod(), (pod("b", node="node-1"),), "1 full of pods", id="pod count"),
        pytest.param(
            node(labels={"disk": "hdd"}),
            pod(selector=(("disk", "ssd"),)),
            (),
            "1 without the label disk=ssd",
            id="node selector",
        ),
        pytest.param(node(taints=(GPU,)), pod(), (), "1 tainted gpu=yes:NoSchedule", id="taint"),
        pytest.param(
            node(),
            pod(ports=(("TCP", "", 80),)),
            (pod("b", node="node-1", ports=(("TCP", "10.0.0.1", 80),)),),
            "1 with host port 80 taken",
            id="host port",
        ),
    ],
)
def test_a_refusal_names_its_reason(
    refusing: NodeFacts, asking: PodNeeds, there: tuple[PodNeeds, ...], why: str
) -> None:
    decision = only([refusing], asking, *there)
    assert (decision.node, decision.reason) == ("", f"0/1 nodes are available: {why}.")


@pytest.mark.parametrize(
    ("suitable", "asking", "there"),
    [
        pytest.param(node(cpu=500), pod(cpu=500), (), id="exactly full"),
        pytest.param(
            node(cpu=500),
            pod(cpu=0),
            (pod("b", cpu=900, node="node-1"),),
            id="asks for nothing of what is short",
        ),
        pytest.param(
            node(cpu=500),
            pod(cpu=500),
            (pod("b", cpu=500, node="node-1", finished=True),),
            id="a finished pod left",
        ),
        pytest.param(
            node(taints=(GPU,)), pod(tolerations=(("gpu", "Equal", "yes", "NoSchedule"),)), (), id="tolerates"
        ),
        pytest.param(
            node(taints=(GPU,)), pod(tolerations=(("", "Exists", "", ""),)), (), id="tolerates everything"
        ),
        pytest.param(
            node(labels={"disk": "ssd", "zone": "b"}),
            pod(selector=(("disk", "ssd"),)),
            (),
            id="has the label",
        ),
        pytest.param(
            node(),
            pod(ports=(("UDP", "", 80),)),
            (pod("b", node="node-1", ports=(("TCP", "", 80),)),),
            id="another protocol",
        ),
        pytest.param(
            node(),
            pod(ports=(("TCP", "10.0.0.2", 80),)),
            (pod("b", node="node-1", ports=(("TCP", "10.0.0.1", 80),)),),
            id="another address",
        ),
    ],
)
def test_a_node_is_taken(suitable: NodeFacts, asking: PodNeeds, there: tuple[PodNeeds, ...]) -> None:
    assert only([suitable], asking, *there) == Decision(asking, "node-1")


def test_reasons_are_counted_the_most_frequent_first() -> None:
    nodes = [node("a", memory=GIB), node("b", memory=GIB), node("c", cordoned=True)]
    decision = only(nodes, pod(memory=2 * GIB))
    assert decision.reason == "0/3 nodes are available: 2 short of memory, 1 cordoned."


def test_without_nodes_the_reason_says_so() -> None:
    assert only([], pod()).reason == "0/0 nodes are available: no node has joined yet."


def test_a_node_counts_for_its_first_reason_only() -> None:
    everything = node(cordoned=True, ready=False, cpu=1)
    assert only([everything], pod(cpu=2)).reason == "0/1 nodes are available: 1 cordoned."


def test_the_emptier_node_is_chosen() -> None:
    nodes = [node("a"), node("b")]
    assert only(nodes, pod(), pod("x", cpu=2000, weight=(2000, GIB), node="a")).node == "b"


def test_pods_of_one_controller_are_spread_over_the_nodes() -> None:
    nodes = [node(name) for name in "abc"]
    decisions = placed(nodes, *(pod(f"p{number}", group="rc") for number in range(6)))
    assert Counter(decision.node for decision in decisions) == {"a": 2, "b": 2, "c": 2}


def test_a_pod_that_leaves_is_not_kept_away_from() -> None:
    there = [pod(f"old{at}", group="rc", node=at, leaving=True) for at in "aab"]
    there = [replace(each, uid=f"old-{number}") for number, each in enumerate(there)]
    fresh = [pod(f"p{number}", group="rc") for number in range(3)]
    decisions = placed([node(name) for name in "abc"], *fresh, there=tuple(there))
    assert Counter(decision.node for decision in decisions) == {"a": 1, "b": 1, "c": 1}


def test_spreading_outweighs_a_little_emptiness() -> None:
    nodes = [node("a"), node("b")]
    there = pod("x", group="rc", node="a"), pod("y", weight=(500, GIB), node="b")
    assert only(nodes, pod(group="rc"), *there).node == "b"


def test_cpu_and_memory_are_used_up_evenly() -> None:
    nodes = [node("a"), node("b")]
    hungry_for_cpu = pod("x", weight=(2000, 0), node="a")
    hungry_for_memory = pod("y", weight=(0, 4 * GIB), node="b")
    assert only(nodes, pod(weight=(1000, 0)), hungry_for_cpu, hungry_for_memory).node == "b"


def test_the_oldest_pod_gets_the_last_place() -> None:
    young, old = pod("a", cpu=300), pod("b", cpu=300, created=NOW - timedelta(minutes=1))
    first, second = placed([node(cpu=500)], young, old)
    assert (first.pod.name, first.node) == ("b", "node-1")
    assert (second.pod.name, second.node) == ("a", "")


def test_two_pods_of_one_pass_do_not_share_a_host_port() -> None:
    wanting = [pod(name, ports=(("TCP", "", 80),)) for name in "ab"]
    assert [decision.node for decision in placed([node()], *wanting)] == ["node-1", ""]


some_nodes = st.lists(
    st.builds(
        lambda cpu, memory, pods, cordoned, ready, label, taint: node(
            cpu=cpu, memory=memory, pods=pods, cordoned=cordoned, ready=ready,
            labels={"disk": label} if label else {}, taints=(GPU,) if taint else (),
        ),
        st.integers(0, 4000), st.integers(0, 4000), st.integers(0, 5), st.booleans(), st.booleans(),
        st.sampled_from(["", "ssd", "hdd"]), st.booleans(),
    ),
    max_size=6,
).map(lambda drawn: [replace(one, name=f"n{number}") for number, one in enumerate(drawn)])  # fmt: skip
some_pods = st.lists(
    st.builds(
        lambda cpu, memory, selector, tolerant, port, group, age: pod(
            cpu=cpu, memory=memory, weight=(cpu, memory), selector=(("disk", selector),) if selector else (),
            tolerations=(("gpu", "Exists", "", ""),) if tolerant else (),
            ports=(("TCP", "", port),) if port else (), group=group, created=NOW - timedelta(seconds=age),
        ),
        st.integers(0, 2000), st.integers(0, 2000), st.sampled_from(["", "", "ssd"]), st.booleans(),
        st.sampled_from([0, 0, 80, 81]), st.sampled_from(["", "rc", "other"]), st.integers(0, 3),
    ),
    max_size=12,
).map(lambda drawn: [replace(one, name=f"p{number}", uid=f"u{number}") for number, one in enumerate(drawn)]
)  # fmt: skip


@given(nodes=some_nodes, pods=some_pods)
def test_no_node_gets_more_than_it_has(nodes: list[NodeFacts], pods: list[PodNeeds]) -> None:
    decisions = placed(nodes, *pods)
    for one in nodes:
        here = [decision.pod for decision in decisions if decision.node == one.name]
        assert sum(each.cpu for each in here) <= one.cpu
        assert sum(each.memory for each in here) <= one.memory
        assert len(here) <= one.pods
        ports = [port for each in here for port in each.ports]
        assert len(ports) == len(set(ports))


@given(nodes=some_nodes, pods=some_pods)
def test_no_pod_comes_where_it_may_not_run(nodes: list[NodeFacts], pods: list[PodNeeds]) -> None:
    by_name = {one.name: one for one in nodes}
    for decision in placed(nodes, *pods):
        if decision.node:
            chosen = by_name[decision.node]
            assert chosen.ready and not chosen.cordoned
            assert all(chosen.labels.get(key) == value for key, value in decision.pod.selector)
            assert not chosen.taints or decision.pod.tolerations


@given(nodes=some_nodes, pods=some_pods)
def test_every_pod_is_decided_and_every_refusal_accounts_for_every_node(
    nodes: list[NodeFacts], pods: list[PodNeeds]
) -> None:
    decisions = placed(nodes, *pods)
    assert sorted(decision.pod.name for decision in decisions) == sorted(one.name for one in pods)
    for decision in decisions:
        assert bool(decision.node) is not bool(decision.reason)
        if decision.reason and nodes:
            told = decision.reason.removeprefix(f"0/{len(nodes)} nodes are available: ").removesuffix(".")
            assert sum(int(part.split()[0]) for part in told.split(", ")) == len(nodes)


@given(nodes=some_nodes, pods=some_pods, order=st.randoms())
def test_decisions_do_not_depend_on_the_order_of_reading(
    nodes: list[NodeFacts], pods: list[PodNeeds], order: Any
) -> None:
    first = placed(nodes, *pods)
    order.shuffle(nodes)
    order.shuffle(pods)
    assert placed(nodes, *pods) == first


@given(nodes=some_nodes, pods=some_pods)
def test_what_was_placed_leaves_the_same_picture_as_pods_that_run(
    nodes: list[NodeFacts], pods: list[PodNeeds]
) -> None:
    """A second pass over the refused pods, with the others running, refuses them for the same reasons."""
    snapshot = Snapshot(nodes)
    first = place(snapshot, pods, FILTERS, SCORES)
    assert not snapshot.used_pods.any(), "placing changed the snapshot it was given"
    running = [replace(decision.pod, node=decision.node) for decision in first if decision.node]
    refused = [decision.pod for decision in first if not decision.node]
    for decision in place(Snapshot(nodes, running), refused, FILTERS, SCORES):
        assert not decision.node
