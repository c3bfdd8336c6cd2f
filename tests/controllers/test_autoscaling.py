"""How many pods a workload needs: within its bounds, at its pace, and without flapping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from apps.cluster.kinds import (
    DEPLOYMENT,
    EVENT,
    HORIZONTAL_POD_AUTOSCALER,
    POD,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
)
from apps.cluster.registry import Kind
from apps.cluster.types import agent
from apps.controllers.autoscalers import Autoscalers, use_of
from apps.controllers.autoscaling import Past, PodUse, Unknown, need, steadied
from apps.nodes import samples
from tests.builders import build, containers, defaulted
from tests.harness import add_nodes, create, edit, find, follower, objects, run_pods, settle

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CPU = types.MetricTarget(type="Utilization", average_utilization=50)
HPA = HORIZONTAL_POD_AUTOSCALER


def pods(*used: int | None, asked: int = 100, ready: bool = True) -> list[PodUse]:
    return [PodUse(f"p{number}", ready, asked, amount) for number, amount in enumerate(used)]


def spec(low: int = 1, high: int = 10, **behavior: types.HPAScalingRules) -> types.HorizontalPodAutoscalerSpec:
    target = types.CrossVersionObjectReference(api_version="apps/v1", kind="Deployment", name="sample")
    made = types.HorizontalPodAutoscaler(
        spec=types.HorizontalPodAutoscalerSpec(scale_target_ref=target, min_replicas=low, max_replicas=high)
    )
    if behavior:
        made.spec.behavior = types.HorizontalPodAutoscalerBehavior(**behavior)
    HPA.default(made)
    return made.spec


@pytest.mark.parametrize(
    ("uses", "current", "replicas"),
    [
        pytest.param(pods(100), 1, 2, id="twice as much as meant: twice as many"),
        pytest.param(pods(54, 55), 2, 2, id="within a tenth nothing changes"),
        pytest.param(pods(10, 10, 10, 10), 4, 1, id="a fifth of what is meant"),
        pytest.param(pods(90, None), 2, 2, id="one that was not measured uses nothing when more would follow"),
        pytest.param(pods(5, None), 2, 2, id="and all that it may when fewer would"),
        pytest.param([*pods(200), *pods(None, ready=False)], 2, 4, id="one that starts uses nothing yet"),
        pytest.param([*pods(90), *pods(90, ready=False)], 2, 2, id="so that a start makes no more starts"),
    ],
)  # fmt: skip
def test_pods_are_made_in_proportion_to_what_is_used(uses: list[PodUse], current: int, replicas: int) -> None:
    assert need(uses, CPU, "cpu", current, 50).replicas == replicas


def test_an_amount_for_each_pod_is_a_target_too() -> None:
    target = types.MetricTarget(type="AverageValue", average_value="100")
    assert need(pods(300, 300), target, "memory", 2, 100).replicas == 6


def test_a_pod_that_asks_for_nothing_has_no_utilization() -> None:
    silent = PodUse("web", True, None, 50, silent="main")
    with pytest.raises(Unknown, match="missing request for cpu in container main of Pod web"):
        need([silent], CPU, "cpu", 1, 50)


def test_without_any_sample_nothing_is_told() -> None:
    with pytest.raises(Unknown, match="no metrics of cpu"):
        need(pods(None, None), CPU, "cpu", 2, 50)


some_uses = st.lists(
    st.builds(PodUse, st.just("p"), st.booleans(), st.just(100), st.one_of(st.none(), st.integers(0, 300))),
    min_size=1, max_size=8,
)  # fmt: skip


@given(some_uses, st.integers(1, 10))
def test_more_use_never_asks_for_fewer_pods(uses: list[PodUse], current: int) -> None:
    more = [PodUse(p.name, p.ready, p.asked, None if p.used is None else p.used * 2) for p in uses]
    try:
        first, second = (need(each, CPU, "cpu", current, 50).replicas for each in (uses, more))
    except Unknown:
        return
    if first >= current:
        assert second >= first or abs(second - current) <= abs(first - current)


moments = st.lists(st.tuples(st.integers(0, 3600), st.integers(0, 30)), max_size=10).map(
    lambda drawn: tuple(sorted((NOW - timedelta(seconds=ago), count) for ago, count in drawn))
)


@given(st.integers(1, 30), st.integers(0, 40), moments, moments, st.integers(1, 10), st.integers(0, 20))
def test_the_bounds_hold_whatever_is_asked(
    current: int, wanted: int, recommended: Any, changed: Any, low: int, more: int
) -> None:
    verdict = steadied(current, wanted, Past(recommended, changed), spec(low, low + more), NOW)
    assert low <= verdict.replicas <= low + more


@given(st.integers(1, 10), st.integers(0, 40), moments)
def test_deciding_twice_on_the_same_changes_nothing_more(current: int, wanted: int, recommended: Any) -> None:
    past = Past(recommended)
    first = steadied(current, wanted, past, spec(1, 30), NOW).replicas
    later = past.later(NOW, wanted, current).later(NOW, wanted, first)
    assert steadied(first, wanted, later, spec(1, 30), NOW).replicas == first


def test_pods_go_only_when_for_five_minutes_fewer_were_enough() -> None:
    busy = Past(recommended=((NOW - timedelta(seconds=290), 6), (NOW - timedelta(seconds=10), 2)))
    assert steadied(6, 2, busy, spec(), NOW).replicas == 6
    assert steadied(6, 2, busy, spec(), NOW + timedelta(seconds=20)).replicas == 2


def test_use_that_goes_up_and_down_flaps_nothing() -> None:
    past, current, seen = Past(), 4, set()
    for step in range(120):
        now = NOW + timedelta(seconds=5 * step)
        wanted = 4 if step % 2 else 3
        current = steadied(current, wanted, past if past.recommended else Past(((now, current),)), spec(), now).replicas
        past = past.later(now, wanted, current)
        seen.add(current)
    assert seen == {4}


def test_a_burst_is_followed_by_four_pods_or_twice_as_many_in_fifteen_seconds() -> None:
    assert steadied(1, 50, Past(), spec(1, 100), NOW).replicas == 5
    assert steadied(10, 50, Past(), spec(1, 100), NOW).replicas == 20
    just = Past(changed=((NOW - timedelta(seconds=5), 4),))
    verdict = steadied(5, 50, just, spec(1, 100), NOW)
    assert (verdict.replicas, verdict.limit) == (5, "ScaleUpLimit")
    assert steadied(5, 50, just, spec(1, 100), NOW + timedelta(seconds=11)).replicas == 10


def test_a_policy_may_forbid_one_way() -> None:
    rules = types.HPAScalingRules(select_policy="Disabled")
    assert steadied(5, 1, Past(), spec(scale_down=rules), NOW).replicas == 5


def test_a_pods_use_is_that_of_all_its_containers() -> None:
    wish = types.ResourceRequirements(requests={"cpu": "1"})
    pod: types.Pod = build(POD, spec__containers=containers(2, resources=wish))
    use = {("default", "sample", "app"): (5, 7), ("default", "sample", "app-2"): (6, 8)}
    assert (use_of(pod, "cpu", use).used, use_of(pod, "cpu", use).asked) == (11, 2 * 10**9)
    assert use_of(pod, "memory", use).used == 15 * 10**9
    assert use_of(pod, "cpu", {("default", "sample", "app"): (5, 7)}).used is None


# In a store


def report(milli: int) -> None:
    """Every pod uses so much cpu, as the agents would say."""
    told: dict[str, list[agent.ContainerSample]] = {}
    for pod in objects(POD):
        for each in pod.spec.containers:
            sample = agent.ContainerSample(
                namespace="default", pod=pod.metadata.name, name=each.name, cpu=milli * 10**6, memory=2**20
            )
            told.setdefault(pod.spec.node_name, []).append(sample)
    for node, found in told.items():
        samples.write({node: agent.Samples(window=10, cpu=0, memory=0, containers=found)}, datetime.now(UTC))


def scaled(kind: Kind, requests: dict[str, Any]) -> None:
    """Two pods of the kind that run, and an autoscaler for it."""
    add_nodes("node-1")
    wish = containers(resources=types.ResourceRequirements(requests=requests))
    create(kind, spec__replicas=2, spec__template__spec__containers=wish)
    target = types.CrossVersionObjectReference(api_version=kind.api_version, kind=kind.name, name="sample")
    create(HPA, spec__scale_target_ref=target, spec__metrics=[])
    settle()
    run_pods(objects(POD))


def look() -> types.HorizontalPodAutoscaler:
    follower([Autoscalers()]).resync()
    found = find(HPA, "sample")
    assert isinstance(found, types.HorizontalPodAutoscaler)
    return found


def conditions(found: types.HorizontalPodAutoscaler) -> dict[str, str]:
    return {each.type: each.reason for each in found.status.conditions}


@pytest.mark.usefixtures("ruled")
@pytest.mark.parametrize("kind", [DEPLOYMENT, REPLICA_SET, REPLICATION_CONTROLLER], ids=lambda kind: kind.plural)
def test_whatever_can_be_scaled_is_scaled_with_its_use(kind: Kind) -> None:
    scaled(kind, {"cpu": "100m"})
    report(160)
    found = look()
    assert find(kind, "sample").spec.replicas == 4  # type: ignore[union-attr]
    assert conditions(found)["ScalingActive"] == "ValidMetricFound"
    assert found.status.current_metrics[0].resource.current.average_utilization == 160  # type: ignore[union-attr]
    assert [column.cell(found, NOW) for column in HPA.columns][2] == "cpu: 160%/80%"
    assert any(event.reason == "SuccessfulRescale" for event in objects(EVENT))


@pytest.mark.usefixtures("ruled")
def test_without_requests_the_condition_says_which_container_lacks_them() -> None:
    scaled(DEPLOYMENT, {})
    report(160)
    found = look()
    (told,) = [each for each in found.status.conditions if each.type == "ScalingActive"]
    assert (told.status, told.reason) == ("False", "FailedGetResourceMetric")
    assert "missing request for cpu in container app of Pod sample-" in told.message
    assert find(DEPLOYMENT, "sample").spec.replicas == 2  # type: ignore[union-attr]


@pytest.mark.usefixtures("ruled")
def test_an_autoscaler_without_its_workload_or_with_one_at_zero_waits() -> None:
    create(HPA)
    assert conditions(look()) == {"AbleToScale": "FailedGetScale"}
    scaled_to_zero = defaulted(DEPLOYMENT, spec__replicas=0)
    create(DEPLOYMENT, scaled_to_zero)
    assert conditions(look())["ScalingActive"] == "ScalingDisabled"


@pytest.mark.usefixtures("ruled")
def test_more_than_the_most_are_taken_away_at_once() -> None:
    scaled(DEPLOYMENT, {"cpu": "100m"})

    def narrow(found: types.HorizontalPodAutoscaler) -> None:
        found.spec.max_replicas = 1

    edit(HPA, "sample", narrow)
    report(80)
    look()
    assert find(DEPLOYMENT, "sample").spec.replicas == 1  # type: ignore[union-attr]
