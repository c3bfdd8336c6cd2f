"""What pods want of nodes' labels and of each other: held where it must be, preferred where it may."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from apps.cluster.kinds import POD
from apps.scheduler.needs import NodeFacts, PodNeeds, needs_of
from apps.scheduler.place import place
from apps.scheduler.relations import HOSTNAME
from apps.scheduler.snapshot import Snapshot
from tests.builders import build
from tests.scheduler.cluster import (
    FILTERS,
    SCORES,
    ZONE,
    far,
    meaning,
    near,
    node,
    only,
    placed,
    said,
    spread,
    term,
)


def on_nodes(*terms: dict[str, Any]) -> types.Affinity:
    """Node affinity: each term's requirements are key=(operator, values...)."""
    made = [
        types.NodeSelectorTerm(
            match_expressions=[
                types.NodeSelectorRequirement(key=key, operator=operator, values=list(values))
                for key, (operator, *values) in each.items()
            ]
        )
        for each in terms
    ]
    required = types.NodeSelector(node_selector_terms=made)
    return types.Affinity(
        node_affinity=types.NodeAffinity(required_during_scheduling_ignored_during_execution=required)
    )


LABELLED = node("node-1", labels={"disk": "ssd", "cores": "8"})


@pytest.mark.parametrize(
    ("affinity", "why"),
    [
        (on_nodes({"disk": ("In", "ssd", "nvme")}), ""),
        (on_nodes({"disk": ("In", "hdd")}), "without the label disk=hdd"),
        (on_nodes({"disk": ("In", "hdd", "tape")}), "without the label disk in (hdd,tape)"),
        (on_nodes({"disk": ("NotIn", "hdd")}), ""),
        (on_nodes({"disk": ("NotIn", "ssd")}), "with the label disk=ssd"),
        (on_nodes({"gpu": ("Exists",)}), "without the label gpu"),
        (on_nodes({"gpu": ("DoesNotExist",)}), ""),
        (on_nodes({"disk": ("DoesNotExist",)}), "with the label disk"),
        (on_nodes({"cores": ("Gt", "4")}), ""),
        (on_nodes({"cores": ("Lt", "8")}), "without the label cores<8"),
        (on_nodes({"disk": ("In", "hdd")}, {"cores": ("Gt", "4")}), ""),
        (
            on_nodes({"disk": ("In", "hdd")}, {"gpu": ("Exists",)}),
            "meeting none of its node affinity's terms",
        ),
        (on_nodes({}), "meeting none of its node affinity's terms"),
    ],
)
def test_required_node_affinity(affinity: types.Affinity, why: str) -> None:
    decision = only([LABELLED], said(affinity=affinity))
    assert decision.reason == (f"0/1 nodes are available: 1 {why}." if why else "")


def test_a_node_may_be_meant_by_its_name() -> None:
    named = types.NodeSelectorTerm(
        match_fields=[types.NodeSelectorRequirement(key="metadata.name", operator="In", values=["b"])]
    )
    required = types.NodeSelector(node_selector_terms=[named])
    affinity = types.Affinity(
        node_affinity=types.NodeAffinity(required_during_scheduling_ignored_during_execution=required)
    )
    assert only([node("a"), node("b")], said(affinity=affinity)).node == "b"


def test_preferred_nodes_are_taken_by_their_weights_but_not_at_any_price() -> None:
    def wish(weight: int, **labels: str) -> types.PreferredSchedulingTerm:
        expressions = [
            types.NodeSelectorRequirement(key=key, operator="In", values=[value])
            for key, value in labels.items()
        ]
        term = types.NodeSelectorTerm(match_expressions=expressions)
        return types.PreferredSchedulingTerm(weight=weight, preference=term)

    wishes = [wish(80, disk="ssd"), wish(20, zone="b")]
    nodes = [node("a", labels={"zone": "b"}), node("b", labels={"disk": "ssd"}), node("c")]
    affinity = types.Affinity(
        node_affinity=types.NodeAffinity(preferred_during_scheduling_ignored_during_execution=wishes)
    )
    assert only(nodes, said(affinity=affinity)).node == "b"
    assert only([nodes[0], replace(nodes[1], cordoned=True), nodes[2]], said(affinity=affinity)).node == "a"


ZONES = [node("a1", "a"), node("a2", "a"), node("b1", "b"), node("none")]


@pytest.mark.parametrize(
    ("one", "there", "why"),
    [
        pytest.param(
            said(app="x", affinity=near(term())), [said("w", node="a1")],
            "", id="beside another",
        ),
        pytest.param(
            said(app="x", affinity=near(term())), [],
            "4 without a pod of app=web", id="nobody there to be near",
        ),
        pytest.param(
            said(app="x", affinity=near(term(ZONE))), [said("w", node="none")],
            "3 in a zone without a pod of app=web, 1 without a zone label", id="a pod that is in no zone",
        ),
        pytest.param(
            said(app="x", affinity=near(term(), term(label_selector=meaning(app="db")))),
            [said("w", node="a1"), said("d", app="db", node="a1")],
            "4 without a pod of app=web and app=db", id="one pod must meet all terms",
        ),
        pytest.param(
            said(affinity=far(term(ZONE))), [said("w", node="a1"), said("v", node="b1"), said("u", node="none")],
            "", id="a node in no zone is near nobody",
        ),
        pytest.param(
            said(affinity=far(term(), term(ZONE))),
            [said("w", node="a1"), said("v", node="b1"), said("u", node="none")],
            "3 already running a pod of app=web, 1 in a zone already running a pod of app=web", id="far from all",
        ),
        pytest.param(
            said(app="x", affinity=far(term(label_selector=None))), [said("w", node=one.name) for one in ZONES],
            "", id="no selector means nobody",
        ),
    ],
)  # fmt: skip
def test_required_neighbours(one: PodNeeds, there: list[PodNeeds], why: str) -> None:
    decision = only(ZONES, one, *there)
    assert decision.reason == (f"0/4 nodes are available: {why}." if why else "")


def test_the_first_of_a_group_that_wants_to_be_together_begins_and_the_others_follow() -> None:
    together = [said(name, affinity=near(term(ZONE))) for name in ("p", "q", "r")]
    decisions = placed(ZONES, *together)
    assert {decision.node[0] for decision in decisions} in ({"a"}, {"b"})


def test_who_waits_for_a_pod_of_the_same_pass_comes_beside_it() -> None:
    follower, leader = said("a", app="x", affinity=near(term())), said("b", node_selector={HOSTNAME: "b1"})
    decisions = {each.pod.name: each.node for each in placed(ZONES, follower, leader)}
    assert decisions == {"a": "b1", "b": "b1"}


def test_a_pod_that_runs_is_not_asked_to_bear_whom_it_refuses() -> None:
    lonely = said("w", app="db", node="a1", affinity=far(term(ZONE)))
    decision = only(ZONES[:2], said(), lonely)
    assert (
        decision.reason
        == "0/2 nodes are available: 2 in a zone running a pod that keeps pods like this one away."
    )
    assert only(ZONES[:2], said(app="other"), lonely).node


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        pytest.param({}, False, id="its own namespace only"),
        pytest.param({"namespaces": ["other"]}, True, id="named"),
        pytest.param({"namespace_selector": types.LabelSelector()}, True, id="all"),
        pytest.param({"namespace_selector": meaning(team="a")}, True, id="by label"),
        pytest.param({"namespace_selector": meaning(team="b")}, False, id="by another label"),
    ],
)
def test_namespaces_of_a_term(changes: dict[str, Any], seen: bool) -> None:
    there = [said("w", node="a1", namespace="other")]
    (decision,) = placed(
        ZONES[:1],
        said(affinity=far(term(**changes))),
        there=there,
        namespaces={"other": {"team": "a"}, "default": {}},
    )
    assert (decision.node == "") is seen


def test_label_keys_stand_for_the_pods_own_values() -> None:
    """Another version of the same application is not in the way."""
    old = replace(said("w", node="a1"), labels={"app": "web", "version": "1"})
    new = types.LabelSelector(match_labels={"app": "web"})

    def needs(**keys: Any) -> PodNeeds:
        affinity = far(term(label_selector=new, **keys))
        return needs_of(build(POD, labels={"app": "web", "version": "2"}, spec__affinity=affinity))

    assert only(ZONES[:1], needs(), old).node == ""
    assert only(ZONES[:1], needs(match_label_keys=["version"]), old).node == "a1"
    assert only(ZONES[:1], needs(mismatch_label_keys=["version"]), old).node == ""


def weighted(weight: int, each: types.PodAffinityTerm) -> types.WeightedPodAffinityTerm:
    return types.WeightedPodAffinityTerm(weight=weight, pod_affinity_term=each)


def test_preferred_neighbours_draw_and_repel_from_both_sides() -> None:
    def liking(weight: int, kind: Any) -> Any:
        return kind(preferred_during_scheduling_ignored_during_execution=[weighted(weight, term(ZONE))])

    nodes = [node("a1", "a"), node("b1", "b")]
    web = said("w", node="b1")
    assert (
        only(
            nodes, said(app="x", affinity=types.Affinity(pod_affinity=liking(9, types.PodAffinity))), web
        ).node
        == "b1"
    )
    shy = types.Affinity(pod_anti_affinity=liking(9, types.PodAntiAffinity))
    assert only(nodes, said(app="x", affinity=shy), replace(web, node="a1")).node == "b1"
    assert only(nodes, said(), said("s", app="x", node="a1", affinity=shy)).node == "b1"


def test_a_spread_constraint_fills_the_places_evenly_and_says_which_are_too_full() -> None:
    nodes = [node("a1", "a"), node("a2", "a"), node("b1", "b")]
    pods = [said(f"p{number}", topology_spread_constraints=[spread()]) for number in range(4)]
    decisions = placed(nodes, *pods)
    assert Counter(decision.node[0] for decision in decisions) == {"a": 2, "b": 2}
    full = [replace(nodes[0]), replace(nodes[2], cordoned=True), node("none")]
    one, two = placed(full, *pods[:2])
    assert one.node == "a1"
    assert two.reason == (
        "0/3 nodes are available: 1 cordoned, 1 in a zone with too many pods of app=web (max skew 1), "
        "1 without a zone label."
    )


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        pytest.param({}, True, id="one zone of one is even"),
        pytest.param({"min_domains": 2}, False, id="two zones are expected"),
        pytest.param({"most": 2, "min_domains": 2}, True, id="a larger skew"),
        pytest.param({"when_unsatisfiable": "ScheduleAnyway"}, True, id="anyway"),
    ],
)
def test_fewer_places_than_expected(changes: dict[str, Any], fits: bool) -> None:
    one = said(topology_spread_constraints=[spread(**changes)])
    assert bool(only([node("a1", "a")], one, said("w", node="a1")).node) is fits


@pytest.mark.parametrize(("policy", "fits"), [(None, True), ("Honor", True), ("Ignore", False)])
def test_places_that_the_pod_cannot_use_count_by_the_policy(policy: str | None, fits: bool) -> None:
    nodes = [node("a1", "a", labels={"disk": "ssd"}), node("b1", "b")]
    constraint = spread(node_affinity_policy=policy)
    one = said(topology_spread_constraints=[constraint], node_selector={"disk": "ssd"})
    assert bool(only(nodes, one, said("w", node="a1")).node) is fits


def test_a_soft_spread_prefers_the_emptier_place() -> None:
    nodes = [node("a1", "a"), node("b1", "b"), node("none")]
    one = said(topology_spread_constraints=[spread(when_unsatisfiable="ScheduleAnyway")])
    there = [said("w", node="a1"), said("v", node="a1")]
    assert only(nodes, one, *there).node == "b1"


def test_a_pod_that_leaves_no_longer_counts_for_the_spread() -> None:
    nodes = [node("a1", "a"), node("b1", "b", cordoned=True)]
    leaving = replace(said("w", node="a1"), leaving=True)
    assert only(nodes, said(topology_spread_constraints=[spread()]), leaving).node == "a1"


def test_a_node_that_would_rather_be_left_alone_is_taken_last() -> None:
    soft = (("shy", "", "PreferNoSchedule"),)
    nodes = [node("a", soft_taints=soft), node("b")]
    busy = said("w", app="x", node="b")
    assert only(nodes, said(), busy).node == "b"
    assert only(nodes[:1], said()).node == "a"
    tolerant = said(tolerations=[types.Toleration(key="shy", operator="Exists")])
    assert only(nodes, tolerant, busy).node == "a"


crowds = st.lists(
    st.tuples(st.sampled_from(["web", "db"]), st.sampled_from(["", "far", "near", "far zone", "spread"])),
    max_size=10,
)
fields = st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=5)


@given(wanted=crowds, zones=fields)
def test_whatever_is_placed_every_hard_wish_holds_at_the_end(
    wanted: list[tuple[str, str]], zones: list[str]
) -> None:
    nodes = [node(f"n{number}", zone) for number, zone in enumerate(zones)]
    pods = [_wishing(number, *each) for number, each in enumerate(wanted)]
    decisions = placed(nodes, *pods)
    at = {each.pod.name: each.node for each in decisions if each.node}
    zone_of = {one.name: one.labels.get(ZONE, "") for one in nodes}
    for number, (app, wish) in enumerate(wanted):
        here = at.get(f"p{number}")
        if here is None:
            continue
        webs = [
            at[f"p{other}"]
            for other, (kind, _) in enumerate(wanted)
            if other != number and kind == "web" and f"p{other}" in at
        ]
        if wish == "far":
            assert here not in webs
        if wish == "far zone" and zone_of[here]:
            assert zone_of[here] not in {zone_of[one] for one in webs}
        if wish == "near":
            assert here in webs or app == "web"
    lying = Counter(
        zone_of[at[f"p{number}"]]
        for number, each in enumerate(wanted)
        if each[0] == "web" and f"p{number}" in at
    )
    if wanted and all(each == ("web", "spread") for each in wanted) and all(zones):
        assert max(lying.values(), default=0) - min((lying[zone] for zone in set(zones)), default=0) <= 1


def _wishing(number: int, app: str, wish: str) -> PodNeeds:
    specs: dict[str, dict[str, Any]] = {
        "": {}, "far": {"affinity": far(term())}, "near": {"affinity": near(term())},
        "far zone": {"affinity": far(term(ZONE))}, "spread": {"topology_spread_constraints": [spread()]},
    }  # fmt: skip
    return said(f"p{number}", app=app, **specs[wish])


@given(wanted=crowds, zones=fields)
def test_coming_and_going_leaves_the_counts_as_they_were(
    wanted: list[tuple[str, str]], zones: list[str]
) -> None:
    nodes: list[NodeFacts] = [node(f"n{number}", zone) for number, zone in enumerate(zones)]
    pods = [_wishing(number, *each) for number, each in enumerate(wanted)]
    asked = [said("asking", affinity=far(term())), said("other", affinity=near(term(ZONE)))]
    snapshot = Snapshot(nodes)
    fresh = placed(nodes, *asked)
    for each in pods:
        snapshot.assume(each, 0)
    assert asked[0].relations is not None
    crowd = snapshot.neighbours.meant(asked[0].relations.far[0])
    assert snapshot.neighbours.counts(crowd).sum() == sum(app == "web" for app, _ in wanted)
    for each in pods:
        snapshot.release(each, 0)
    assert not snapshot.neighbours.counts(crowd).any()
    assert place(snapshot, asked, FILTERS, SCORES) == fresh
