"""Who has to leave for a pod that matters more: nobody of its own rank, nobody in vain, and as few as will do."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.scheduler.needs import NodeFacts, PodNeeds
from apps.scheduler.place import Decision, place
from apps.scheduler.snapshot import Snapshot
from tests.scheduler.cluster import FILTERS, NOW, SCORES, far, node, only, placed, pod, said, term


def lesser(name: str, at: str = "node-1", priority: int = 0, cpu: int = 1000, **changes: Any) -> PodNeeds:
    return pod(name, node=at, priority=priority, cpu=cpu, **changes)


def urgent(name: str = "a", cpu: int = 1000, **changes: Any) -> PodNeeds:
    return pod(name, cpu=cpu, **({"priority": 100} | changes))


def leaving_for(decision: Decision) -> set[str]:
    return {each.name for each in decision.victims}


FULL = node("node-1", cpu=2000)


@pytest.mark.parametrize(
    ("one", "there", "victims"),
    [
        pytest.param(urgent(), [lesser("x"), lesser("y", priority=5)], {"x"}, id="the least important"),
        pytest.param(
            urgent(),
            [lesser("x", created=NOW - timedelta(hours=1)), lesser("y")],
            {"y"},
            id="the youngest of equals",
        ),
        pytest.param(
            urgent(cpu=2000), [lesser("x"), lesser("y", priority=5)], {"x", "y"}, id="all that it takes"
        ),
        pytest.param(urgent(), [lesser("x", cpu=2000)], {"x"}, id="the only one"),
        pytest.param(
            urgent(), [lesser("x", priority=100), lesser("y", priority=101)], set(), id="nobody of its rank"
        ),
        pytest.param(urgent(cpu=2001), [lesser("x"), lesser("y")], set(), id="nobody in vain"),
        pytest.param(urgent(preempts=False), [lesser("x"), lesser("y")], set(), id="it never pushes"),
        pytest.param(urgent(), [lesser("x", cpu=500)], set(), id="it fits anyway"),
        pytest.param(urgent(), [lesser("x", leaving=True), lesser("y")], set(), id="somebody leaves anyway"),
    ],
)
def test_who_has_to_leave_a_node(one: PodNeeds, there: list[PodNeeds], victims: set[str]) -> None:
    decision = only([FULL], one, *there)
    assert leaving_for(decision) == victims


@pytest.mark.parametrize(
    ("on_a", "on_b", "chosen"),
    [
        pytest.param([5, 5], [9], "a", id="the highest victim is lower"),
        pytest.param([5], [5, 5], "a", id="fewer"),
        pytest.param([3, 5], [1, 5], "b", id="less in all"),
    ],
)
def test_the_node_with_the_least_harm_is_cleared(on_a: list[int], on_b: list[int], chosen: str) -> None:
    nodes = [node("a", cpu=2000), node("b", cpu=2000)]
    there = [
        lesser(f"{at}{number}", at, priority, cpu=2000 // len(priorities))
        for at, priorities in (("a", on_a), ("b", on_b))
        for number, priority in enumerate(priorities)
    ]
    decision = only(nodes, urgent(cpu=2000), *there)
    assert decision.nominated == chosen
    assert {each.node for each in decision.victims} == {chosen}


def test_the_refusal_says_where_room_is_made() -> None:
    decision = only([FULL], urgent(cpu=2000), lesser("x"), lesser("y"))
    assert (decision.node, decision.nominated) == ("", "node-1")
    assert (
        decision.reason
        == "0/1 nodes are available: 1 short of cpu. Pods of lower priority leave node node-1 for it."
    )


def test_while_victims_leave_nobody_else_has_to_and_nobody_takes_the_room() -> None:
    there = [lesser("x", leaving=True), lesser("y", leaving=True)]
    waiting = urgent(cpu=2000, nominated="node-1")
    young = pod("young", cpu=100)
    decisions = {each.pod.name: each for each in placed([FULL], young, waiting, there=there)}
    assert (decisions["a"].nominated, decisions["a"].victims) == ("node-1", ())
    assert decisions["young"].node == ""
    decisions = {each.pod.name: each for each in placed([FULL], young, waiting)}
    assert decisions["a"].node == "node-1"


def test_for_whom_room_was_made_comes_before_an_older_pod_of_its_rank() -> None:
    older = urgent("older", cpu=2000, created=NOW - timedelta(hours=1))
    waiting = urgent(cpu=2000, nominated="node-1")
    assert {each.pod.name: each.node for each in placed([FULL], older, waiting)} == {
        "a": "node-1",
        "older": "",
    }


def test_two_urgent_pods_do_not_count_on_the_same_victims() -> None:
    nodes = [node("a", cpu=2000), node("b", cpu=2000)]
    there = [lesser("x", "a", cpu=2000), lesser("y", "b", cpu=2000)]
    one, two = placed(nodes, urgent("p", cpu=2000), urgent("q", cpu=2000), there=there)
    assert {one.nominated, two.nominated} == {"a", "b"}
    assert leaving_for(one) | leaving_for(two) == {"x", "y"}


def test_the_more_important_pod_is_placed_first() -> None:
    old = pod("old", cpu=2000, created=NOW - timedelta(hours=1))
    assert {each.pod.name: each.node for each in placed([FULL], old, urgent(cpu=2000))} == {
        "a": "node-1",
        "old": "",
    }


def test_what_no_eviction_can_mend_evicts_nobody() -> None:
    tainted = replace(FULL, taints=(("gpu", "", "NoSchedule"),))
    assert only([tainted], urgent(), lesser("x"), lesser("y")).victims == ()
    assert only([replace(FULL, cordoned=True)], urgent(), lesser("x"), lesser("y")).victims == ()


def test_a_neighbour_of_lower_priority_that_is_not_borne_has_to_leave() -> None:
    lonely = replace(said("a", affinity=far(term())), priority=100)
    unborne = replace(said("w", node="node-1"), priority=1)
    other = replace(said("x", app="x", node="node-1"), priority=1)
    assert leaving_for(only([FULL], lonely, unborne, other)) == {"w"}


def test_a_host_port_is_freed() -> None:
    port = (("TCP", "", 80),)
    decision = only([FULL], urgent(cpu=0, ports=port), lesser("x", ports=port), lesser("y"))
    assert leaving_for(decision) == {"x"}


room = st.lists(st.integers(0, 4000), min_size=1, max_size=4)
running = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2000), st.integers(0, 4), st.booleans(), st.integers(0, 3)),
    max_size=12,
)
asking = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 5), st.booleans(), st.sampled_from([0, 0, 80])),
    min_size=1,
    max_size=4,
)


def world(
    sizes: list[int], there: list[Any], wanted: list[Any]
) -> tuple[list[NodeFacts], list[PodNeeds], list[PodNeeds]]:
    nodes = [node(f"n{number}", cpu=cpu, pods=4) for number, cpu in enumerate(sizes)]
    pods = [
        lesser(f"r{number}", f"n{at % len(nodes)}", priority, cpu, leaving=leaving,
               created=NOW - timedelta(seconds=age), ports=(("TCP", "", 80),) if age == 3 else ())
        for number, (at, cpu, priority, leaving, age) in enumerate(there)
    ]  # fmt: skip
    pending = [
        urgent(
            f"p{number}",
            cpu,
            priority=priority,
            preempts=preempts,
            ports=(("TCP", "", port),) if port else (),
        )
        for number, (cpu, priority, preempts, port) in enumerate(wanted)
    ]
    return nodes, pods, pending


@given(sizes=room, there=running, wanted=asking)
def test_victims_matter_less_than_the_pod_they_leave_for_and_nobody_is_a_victim_twice(
    sizes: list[int], there: list[Any], wanted: list[Any]
) -> None:
    nodes, pods, pending = world(sizes, there, wanted)
    decisions = placed(nodes, *pending, there=pods)
    for decision in decisions:
        assert all(victim.priority < decision.pod.priority for victim in decision.victims)
        assert all(victim.node == decision.nominated and not victim.leaving for victim in decision.victims)
        assert decision.pod.preempts or not decision.nominated
        assert not (decision.node and decision.victims)
    everyone = [victim.uid for decision in decisions for victim in decision.victims]
    assert len(everyone) == len(set(everyone))


@given(sizes=room, there=running, wanted=asking)
def test_nobody_leaves_for_a_pod_that_fits_without(
    sizes: list[int], there: list[Any], wanted: list[Any]
) -> None:
    nodes, pods, pending = world(sizes, there, wanted)
    (decision,) = placed(nodes, pending[0], there=pods)
    if decision.victims:
        others = [each for each in pods if not each.leaving]
        (alone,) = placed(nodes, replace(pending[0], preempts=False), there=others)
        assert alone.node == "", "it would have had room once those were gone who leave anyway"


@given(sizes=room, there=running, wanted=asking)
def test_the_pod_fits_once_its_victims_are_gone_and_not_one_of_them_could_have_stayed(
    sizes: list[int], there: list[Any], wanted: list[Any]
) -> None:
    nodes, pods, pending = world(sizes, there, wanted)
    (decision,) = placed(nodes, pending[0], there=pods)
    if not decision.nominated:
        return
    gone = {victim.uid for victim in decision.victims}
    chosen = [one for one in nodes if one.name == decision.nominated]
    rest = [each for each in pods if each.uid not in gone and not each.leaving]
    waiting = replace(pending[0], nominated=decision.nominated)
    assert only(chosen, waiting, *rest).node == decision.nominated
    for victim in decision.victims:
        assert only(chosen, replace(waiting, preempts=False), *rest, victim).node == ""


@given(sizes=room, there=running, wanted=asking)
def test_planning_leaves_the_snapshot_as_it_was(
    sizes: list[int], there: list[Any], wanted: list[Any]
) -> None:
    nodes, pods, pending = world(sizes, there, wanted)
    snapshot = Snapshot(nodes, pods)
    first = place(snapshot, pending, FILTERS, SCORES)
    assert place(snapshot, pending, FILTERS, SCORES) == first
    assert (snapshot.used_pods == Snapshot(nodes, pods).used_pods).all()
