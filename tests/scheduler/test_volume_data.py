"""Pods go where their volumes' data is, and say where that is when they cannot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.scheduler.claims import ClaimFacts, Claims
from apps.scheduler.needs import NodeFacts, PodNeeds
from apps.scheduler.place import Decision, place
from apps.scheduler.snapshot import Snapshot
from tests.scheduler.cluster import FILTERS, SCORES, node, pod

KEY = "default/data"


def mounting(name: str = "a", at: str = "", key: str = KEY) -> PodNeeds:
    return pod(name, node=at, claims=(key,))


def decided(
    nodes: list[NodeFacts], claim: ClaimFacts | None, *pods: PodNeeds, there: tuple[PodNeeds, ...] = (), home: str = ""
) -> list[Decision]:
    claims = Claims([claim] if claim else [], [("pv", home)] if home else [])
    return place(Snapshot(nodes, there, claims=claims), pods, FILTERS, SCORES)


def test_a_pod_goes_where_its_data_is() -> None:
    nodes = [node(f"node-{number}") for number in range(1, 6)]
    (decision,) = decided(nodes, ClaimFacts(KEY, volume="pv"), mounting(), home="node-4")
    assert decision.node == "node-4"


def test_a_pod_whose_data_is_on_a_lost_node_says_so() -> None:
    nodes = [node("node-1"), node("node-2", ready=False), node("node-3")]
    (decision,) = decided(nodes, ClaimFacts(KEY, volume="pv"), mounting(), home="node-2")
    assert decision.node == ""
    assert "2 without its volume data, which lives on node-2, which is not ready" in decision.reason
    (decision,) = decided(nodes[:1], ClaimFacts(KEY, volume="pv"), mounting(), home="node-2")
    assert "1 without its volume data, which lives on node-2, which is gone" in decision.reason


def test_pods_placed_in_one_pass_share_the_node_of_a_claim_that_has_no_volume_yet() -> None:
    nodes = [node(f"node-{number}") for number in range(1, 4)]
    decisions = decided(nodes, ClaimFacts(KEY), *(mounting(name) for name in "abcd"))
    assert len({decision.node for decision in decisions}) == 1


def test_a_claim_without_a_volume_belongs_to_the_node_of_its_first_pod() -> None:
    nodes = [node("node-1"), node("node-2")]
    (decision,) = decided(nodes, ClaimFacts(KEY), mounting(), there=(mounting("b", "node-2"),))
    assert decision.node == "node-2"


def test_a_claim_for_one_pod_is_for_one_pod() -> None:
    claim = ClaimFacts(KEY, alone=True)
    first, second = decided([node("node-1")], claim, mounting("a"), mounting("b"))
    assert first.node == "node-1"
    assert second.reason == (
        '0/1 nodes are available: 1 waiting for persistentvolumeclaim "data", which another pod has for itself.'
    )


def test_a_claim_that_is_not_there_or_lost_its_volume_is_named() -> None:
    (decision,) = decided([node("node-1")], None, mounting())
    assert 'waiting for persistentvolumeclaim "data", which does not exist' in decision.reason
    (decision,) = decided([node("node-1")], ClaimFacts(KEY, volume="pv", lost=True), mounting())
    assert 'without the data of persistentvolumeclaim "data", whose volume is gone' in decision.reason


@given(
    pods=st.lists(st.sampled_from(["default/a", "default/b", "default/c"]), max_size=12),
    homes=st.dictionaries(st.sampled_from("ab"), st.sampled_from(["node-1", "node-2"])),
)
def test_all_pods_of_a_claim_are_on_one_node_and_that_is_its_datas(pods: list[str], homes: dict[str, str]) -> None:
    claims = Claims(
        [ClaimFacts(f"default/{name}", volume=f"pv-{name}" if name in homes else "") for name in "abc"],
        [(f"pv-{name}", home) for name, home in homes.items()],
    )
    asking = [mounting(f"p{number}", key=key) for number, key in enumerate(pods)]
    nodes = [node(f"node-{number}", pods=6) for number in range(1, 4)]
    used: dict[str, set[str]] = {}
    for decision in place(Snapshot(nodes, claims=claims), asking, FILTERS, SCORES):
        if decision.node:
            used.setdefault(decision.pod.claims[0][-1], set()).add(decision.node)
    assert all(len(places) == 1 for places in used.values())
    assert all(places == {homes[name]} for name, places in used.items() if name in homes)
