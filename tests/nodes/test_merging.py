"""What the agent saw and what the server keeps, brought together. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from apps.cluster.conditions import is_ready
from apps.nodes import merging

T0 = datetime(2026, 1, 1, tzinfo=UTC)
T1 = T0 + timedelta(minutes=5)
T2 = T0 + timedelta(minutes=9)


def condition(type_: str, status: str, at: datetime | None = None, **rest: str) -> types.Condition:
    return types.Condition(type=type_, status=status, last_transition_time=at, **rest)  # type: ignore[arg-type]


def pod(phase: str = "Running", *conditions: types.Condition, **rest: object) -> types.PodStatus:
    return types.PodStatus(phase=phase, conditions=list(conditions), **rest)  # type: ignore[arg-type]


def test_the_servers_own_condition_stays() -> None:
    old = pod("Pending", condition("PodScheduled", "True", T0))
    seen = pod("Running", condition("Ready", "True"), condition("PodScheduled", "False"))
    merged = merging.pod_status(old, seen, T1)
    assert merged is not None
    assert merged.conditions == [condition("Ready", "True", T1), condition("PodScheduled", "True", T0)]


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    old = pod("Running", condition("Ready", "True", T0))
    same = merging.pod_status(old, pod("Running", condition("Ready", "True", T1)), T2)
    flipped = merging.pod_status(old, pod("Running", condition("Ready", "False", T1)), T2)
    assert same is not None and flipped is not None
    assert same.conditions[0].last_transition_time == T0
    assert flipped.conditions[0].last_transition_time == T1, "the agent knows when it happened"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_pod_does_not_come_back(phase: str) -> None:
    assert merging.pod_status(pod(phase), pod("Running"), T1) is None
    assert merging.pod_status(pod(phase), pod(phase), T1) is not None


def test_restarts_only_count_up() -> None:
    old = pod(container_statuses=[types.ContainerStatus(name="app", restart_count=3)])
    seen = pod(
        container_statuses=[
            types.ContainerStatus(name="app", restart_count=1),
            types.ContainerStatus(name="b"),
        ]
    )
    merged = merging.pod_status(old, seen, T1)
    assert merged is not None
    assert [status.restart_count for status in merged.container_statuses] == [3, 0]


def test_what_only_the_server_knows_is_not_lost() -> None:
    old = pod("Pending", qos_class="Burstable", start_time=T0)
    merged = merging.pod_status(old, types.PodStatus(start_time=T1), T1)
    assert merged is not None
    assert (merged.phase, merged.qos_class, merged.start_time) == ("Pending", "Burstable", T0)


statuses = st.builds(
    lambda phase, ready, restarts: pod(
        phase,
        condition("Ready", ready),
        container_statuses=[types.ContainerStatus(name="a", restart_count=restarts)],
    ),
    st.sampled_from(["Pending", "Running", "Failed"]),
    st.sampled_from(["True", "False"]),
    st.integers(0, 5),
)


@given(statuses, statuses)
def test_the_same_report_twice_changes_nothing_the_second_time(
    old: types.PodStatus, seen: types.PodStatus
) -> None:
    once = merging.pod_status(old, seen, T1)
    if once is None:
        return
    twice = merging.pod_status(once, seen, T2)
    assert twice is not None
    assert types.encode(twice) == types.encode(once)


def node(*conditions: types.Condition, **rest: object) -> types.NodeStatus:
    return types.NodeStatus(conditions=list(conditions), **rest)  # type: ignore[arg-type]


def test_a_node_that_reports_is_ready_unless_it_says_otherwise() -> None:
    fresh = merging.node_status(types.NodeStatus(), node(), 10250, T0)
    assert is_ready(fresh.conditions)
    assert fresh.conditions[0].last_transition_time == T0 == fresh.conditions[0].last_heartbeat_time
    assert fresh.daemon_endpoints == types.NodeDaemonEndpoints(
        kubelet_endpoint=types.DaemonEndpoint(port=10250)
    )
    docker_down = merging.node_status(
        fresh, node(condition("Ready", "False", reason="EngineDown")), 10250, T1
    )
    assert not is_ready(docker_down.conditions)
    assert docker_down.conditions[0].last_transition_time == T1


def test_time_alone_is_no_change() -> None:
    fresh = merging.node_status(types.NodeStatus(), node(capacity={"cpu": "2"}), 1, T0)
    again = merging.node_status(fresh, node(capacity={"cpu": "2"}), 1, T1)
    assert types.encode(again) == types.encode(fresh)
    other = merging.node_status(fresh, node(capacity={"cpu": "4"}), 1, T1)
    assert other.conditions[0].last_heartbeat_time == T1
    assert other.conditions[0].last_transition_time == T0


def test_a_lost_node_that_reports_again_is_ready_from_now() -> None:
    lost = node(condition("Ready", "Unknown", T0, reason="NodeStatusUnknown"))
    back = merging.node_status(lost, node(), 1, T1)
    assert is_ready(back.conditions)
    assert back.conditions[0].last_transition_time == T1
