"""What a ReplicationController's plan is, whatever the pods look like."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from apps.cluster.kinds import POD, REPLICATION_CONTROLLER
from apps.controllers.actions import Actions
from apps.controllers.replication import BURST, View, deletion_order, plan
from tests.builders import build

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LABELS = {"app": "sample"}


def controller(replicas: int | None, **changes: Any) -> types.ReplicationController:
    rc: types.ReplicationController = build(REPLICATION_CONTROLLER, spec__replicas=replicas, **changes)
    rc.metadata.uid, rc.metadata.resource_version, rc.metadata.generation = "rc", "7", 3
    return rc


def owner(uid: str = "rc") -> types.OwnerReference:
    return types.OwnerReference(
        api_version="v1",
        kind="ReplicationController",
        name="sample",
        uid=uid,
        controller=True,
        block_owner_deletion=True,
    )


def pod(name: str = "a", **changes: Any) -> types.Pod:
    """A pod of the controller; ``owned`` "" is nobody's, ``ready`` seconds ago, ``deleting`` or not."""
    made: types.Pod = build(POD, name=name, labels=changes.get("labels", dict(LABELS)))
    owned = changes.get("owned", "rc")
    made.metadata.owner_references = [owner(owned)] if owned else []
    made.metadata.uid, made.metadata.resource_version = f"uid-{name}", "9"
    made.metadata.creation_timestamp = NOW - timedelta(seconds=changes.get("age", 60))
    made.metadata.deletion_timestamp = NOW if changes.get("deleting") else None
    made.spec.node_name = changes.get("node", "node-1")
    made.status.phase = changes.get("phase", "Running")
    ready = changes.get("ready", 30)
    if ready is not None:
        since = NOW - timedelta(seconds=ready)
        made.status.conditions = [types.Condition(type="Ready", status="True", last_transition_time=since)]
    made.status.container_statuses = [
        types.ContainerStatus(name="app", restart_count=changes.get("restarts", 0))
    ]
    return made


some_pods = st.lists(
    st.fixed_dictionaries(
        {
            "labels": st.sampled_from([dict(LABELS), {"app": "other"}, {}]),
            "owned": st.sampled_from(["rc", "rc", "rc", "", "somebody"]),
            "phase": st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
            "ready": st.one_of(st.none(), st.integers(0, 100)),
            "node": st.sampled_from(["", "node-1", "node-2"]),
            "deleting": st.booleans(),
            "restarts": st.integers(0, 5),
            "age": st.integers(0, 100),
        }
    ),
    max_size=12,
).map(lambda drawn: tuple(pod(f"p{number}", **changes) for number, changes in enumerate(drawn)))


def after(view: View, actions: Actions) -> View:
    """The view once the plan was carried out, as the store and the agents would leave it."""
    changed = {update.obj.metadata.uid: update.obj for update in actions.updates}
    gone = {removal.uid for removal in actions.deletes}
    pods = [changed.get(one.metadata.uid, one) for one in view.pods if one.metadata.uid not in gone]
    for number, make in enumerate(actions.creates):
        make.obj.metadata.uid = f"new-{number}"
        make.obj.metadata.name = f"new-{number}"
        pods.append(make.obj)
    rc = actions.statuses[0].obj if actions.statuses else view.controller
    return View(rc, tuple(pods))


def replicas_in(view: View) -> int:
    return sum(
        one.metadata.deletion_timestamp is None
        and one.status.phase not in {"Succeeded", "Failed"}
        and one.metadata.labels == LABELS
        and [found.uid for found in one.metadata.owner_references] == ["rc"]
        for one in view.pods
    )


@given(pods=some_pods, wanted=st.integers(0, 8))
def test_carrying_a_plan_out_leaves_exactly_the_wanted_replicas(
    pods: tuple[types.Pod, ...], wanted: int
) -> None:
    view = View(controller(wanted), pods)
    assert replicas_in(after(view, plan(view, NOW))) == wanted


@given(pods=some_pods, wanted=st.integers(0, 8))
def test_planning_again_after_carrying_out_changes_nothing(pods: tuple[types.Pod, ...], wanted: int) -> None:
    view = View(controller(wanted), pods)
    assert plan(after(view, plan(view, NOW)), NOW).idle


@given(pods=some_pods, wanted=st.integers(0, 8))
def test_a_plan_leaves_its_view_alone_and_is_the_same_each_time(
    pods: tuple[types.Pod, ...], wanted: int
) -> None:
    view = View(controller(wanted), pods)
    before = types.encode([view.controller, *view.pods])
    assert plan(view, NOW) == plan(view, NOW)
    assert types.encode([view.controller, *view.pods]) == before


@given(pods=some_pods, wanted=st.integers(0, 8))
def test_somebody_elses_pods_are_never_touched(pods: tuple[types.Pod, ...], wanted: int) -> None:
    actions = plan(View(controller(wanted), pods), NOW)
    touched = {update.obj.metadata.uid for update in actions.updates} | {gone.uid for gone in actions.deletes}
    theirs = {
        one.metadata.uid
        for one in pods
        if any(found.uid == "somebody" for found in one.metadata.owner_references)
    }
    assert not touched & theirs


@given(pods=some_pods)
def test_pods_are_never_made_and_deleted_in_one_plan(pods: tuple[types.Pod, ...]) -> None:
    actions = plan(View(controller(3), pods), NOW)
    assert not (actions.creates and actions.deletes)


@given(pods=some_pods, order=st.randoms())
def test_who_is_deleted_does_not_depend_on_the_order_of_reading(
    pods: tuple[types.Pod, ...], order: Any
) -> None:
    shuffled = list(pods)
    order.shuffle(shuffled)
    first, second = (plan(View(controller(2), tuple(each)), NOW) for each in (pods, shuffled))
    assert {gone.uid for gone in first.deletes} == {gone.uid for gone in second.deletes}


@pytest.mark.parametrize(
    ("cheap", "dear"),
    [
        pytest.param({"node": ""}, {"node": "node-1", "phase": "Pending"}, id="unassigned first"),
        pytest.param({"phase": "Pending"}, {"phase": "Running", "ready": None}, id="then pending"),
        pytest.param({"ready": None, "age": 99}, {"ready": 1}, id="then not ready"),
        pytest.param({"ready": 5}, {"ready": 50}, id="then ready for a shorter time"),
        pytest.param({"restarts": 3, "age": 90}, {"restarts": 0, "age": 10}, id="then restarted more often"),
        pytest.param({"age": 10}, {"age": 90}, id="then newer"),
    ],
)
def test_the_pod_whose_loss_costs_least_is_deleted_first(cheap: dict[str, Any], dear: dict[str, Any]) -> None:
    assert deletion_order(pod("z", **cheap)) < deletion_order(pod("a", **dear))
    (gone,) = plan(View(controller(1), (pod("a", **dear), pod("z", **cheap))), NOW).deletes
    assert gone.name == "z"


def test_a_pod_being_deleted_is_no_replica() -> None:
    actions = plan(View(controller(2), (pod("a"), pod("b", deleting=True))), NOW)
    assert len(actions.creates) == 1


def test_one_replica_is_meant_when_nothing_is_said() -> None:
    assert len(plan(View(controller(None), ()), NOW).creates) == 1


def test_no_more_than_a_burst_is_made_at_once() -> None:
    assert len(plan(View(controller(BURST + 7), ()), NOW).creates) == BURST


def test_pods_become_available_after_min_ready_seconds_and_the_plan_says_when() -> None:
    rc = controller(2, spec__min_ready_seconds=40)
    actions = plan(View(rc, (pod("a", ready=50), pod("b", ready=30))), NOW)
    status = actions.statuses[0].obj.status
    assert (status.ready_replicas, status.available_replicas) == (2, 1)
    assert actions.again == NOW + timedelta(seconds=10)


def test_new_pods_share_nothing_with_the_template_or_each_other() -> None:
    rc = controller(2)
    first, second = (make.obj for make in plan(View(rc, ()), NOW).creates)
    first.spec.containers[0].image = "changed"
    first.metadata.labels["app"] = "changed"
    assert second.spec.containers[0].image == rc.spec.template.spec.containers[0].image == "redis:7"
    assert second.metadata.labels == LABELS


def test_fully_labeled_counts_pods_that_have_every_label_of_the_template() -> None:
    rc = controller(2)
    rc.spec.template.metadata.labels = {"app": "sample", "tier": "backend"}
    complete = pod("a", labels={"app": "sample", "tier": "backend"})
    status = plan(View(rc, (complete, pod("b"))), NOW).statuses[0].obj.status
    assert (status.replicas, status.fully_labeled_replicas) == (2, 1)


def test_a_controller_being_deleted_plans_nothing() -> None:
    rc = controller(2)
    rc.metadata.deletion_timestamp = NOW
    assert plan(View(rc, (pod("a"),)), NOW).idle
