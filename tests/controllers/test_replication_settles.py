"""ReplicationControllers in a real store: what stands there when nothing is left to do."""

from typing import Any

import pytest

from apps.cluster import log, store, types
from apps.cluster.kinds import EVENT, POD, REPLICATION_CONTROLLER, RESOURCE_QUOTA
from apps.controllers.replication import Replication
from tests.harness import add_nodes, create, delete, edit, find, follower, objects, run_pods, settle, stop_pod

pytestmark = pytest.mark.usefixtures("ruled")
RC = REPLICATION_CONTROLLER


def scale(name: str, replicas: int) -> None:
    def change(rc: types.ReplicationController) -> None:
        rc.spec.replicas = replicas

    edit(RC, name, change)


def names() -> set[str]:
    return {pod.metadata.name for pod in objects(POD)}


def ever_made() -> int:
    """How many pods were made, whether they are still there or not."""
    return sum(change.type == "ADDED" and change.kind_key == POD.key for change in log.after(0, 10_000))


def test_a_new_controller_gets_its_pods_a_status_and_an_event_for_each() -> None:
    rc = create(RC, name="redis-slave", spec__replicas=2)
    settle()
    pods = objects(POD)
    assert len(pods) == 2
    for pod in pods:
        assert pod.metadata.name.startswith("redis-slave-")
        assert len(pod.metadata.name) == len("redis-slave-") + 5
        (owner,) = pod.metadata.owner_references
        assert (owner.uid, owner.controller, owner.block_owner_deletion) == (rc.metadata.uid, True, True)
    status = find(RC, "redis-slave").status  # type: ignore[union-attr]
    assert (status.replicas, status.fully_labeled_replicas, status.ready_replicas) == (2, 2, 0)
    assert status.observed_generation == 1
    told = {event.message for event in objects(EVENT) if event.reason == "SuccessfulCreate"}
    assert told == {f"Created pod: {pod.metadata.name}" for pod in pods}


def test_a_quota_lets_as_many_pods_be_made_as_there_is_room_for() -> None:
    create(RESOURCE_QUOTA, name="q", spec__hard={"pods": "3"})
    create(RC, spec__replicas=5)
    settle()
    assert len(objects(POD)) == 3
    (failure,) = find(RC, "sample").status.conditions  # type: ignore[union-attr]
    assert failure.type == "ReplicaFailure"
    assert "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3" in failure.message
    assert any(event.reason == "FailedCreate" for event in objects(EVENT))


def test_ready_pods_are_counted_ready_and_available() -> None:
    create(RC, spec__replicas=2)
    settle()
    run_pods(objects(POD))
    settle()
    status = find(RC, "sample").status  # type: ignore[union-attr]
    assert (status.replicas, status.ready_replicas, status.available_replicas) == (2, 2, 2)


def test_settling_again_writes_nothing() -> None:
    add_nodes("node-1")
    create(RC, spec__replicas=3)
    settle()
    before = store.clock()
    follower().resync()
    assert store.clock() == before


def test_a_deleted_pod_is_replaced_before_it_is_gone() -> None:
    add_nodes("node-1")
    create(RC, spec__replicas=2)
    settle()
    run_pods(objects(POD))
    victim = objects(POD)[0].metadata.name
    delete(POD, victim)
    settle()
    assert victim in names()  # its agent has not stopped it yet
    assert len(names()) == 3
    stop_pod(victim)
    settle()
    assert victim not in names()
    assert len(names()) == 2


def test_scaling_down_takes_the_pod_that_is_not_ready() -> None:
    create(RC, spec__replicas=3)
    settle()
    pods = objects(POD)
    run_pods(pods[:2])
    scale("sample", 2)
    settle()
    assert names() == {pod.metadata.name for pod in pods[:2]}
    assert any(event.reason == "SuccessfulDelete" for event in objects(EVENT))


def test_a_finished_pod_is_no_replica() -> None:
    create(RC, spec__replicas=1)
    settle()

    def fail(pod: types.Pod) -> None:
        pod.status.phase = "Failed"

    edit(POD, objects(POD)[0].metadata.name, fail)
    settle()
    assert sorted(pod.status.phase for pod in objects(POD)) == ["Failed", "Pending"]


def test_an_orphan_that_fits_is_adopted_instead_of_making_a_pod() -> None:
    create(POD, name="lonely")
    rc = create(RC, spec__replicas=1)
    settle()
    (pod,) = objects(POD)
    assert pod.metadata.name == "lonely"
    assert pod.metadata.owner_references[0].uid == rc.metadata.uid


def test_a_pod_whose_label_was_changed_is_released_and_replaced() -> None:
    create(RC, spec__replicas=1)
    settle()
    (pod,) = objects(POD)

    def relabel(stored: types.Pod) -> None:
        stored.metadata.labels = {"app": "quarantine"}

    edit(POD, pod.metadata.name, relabel)
    settle()
    assert len(objects(POD)) == 2
    assert find(POD, pod.metadata.name).metadata.owner_references == []  # type: ignore[union-attr]


def test_pods_that_the_store_refuses_become_an_event_and_a_condition_and_nothing_else() -> None:
    template = types.PodTemplateSpec(
        metadata=types.ObjectMeta(labels={"app": "sample"}),
        spec=types.PodSpec(
            containers=[types.Container(name="app", image="redis")], service_account_name="missing"
        ),
    )
    create(RC, spec__replicas=2, spec__template=template)
    settle()
    assert objects(POD) == []
    status = find(RC, "sample").status  # type: ignore[union-attr]
    (condition,) = status.conditions
    assert (condition.type, condition.status) == ("ReplicaFailure", "True")
    assert "missing" in condition.message
    before = store.clock()
    follower().resync()
    assert store.clock() == before, "a refusal that stays the same is told once"


def test_a_plan_that_was_overtaken_is_made_anew() -> None:
    """Between the look and the write another follower makes the pods: none may be made twice."""
    create(RC, spec__replicas=2)

    class Slow(Replication):
        """Somebody else is quicker, once."""

        overtaken = False

        def plan(self, view: Any, now: Any) -> Any:
            actions = super().plan(view, now)
            if not self.overtaken:
                self.overtaken = True
                settle([Replication()])
            return actions

    settle([Slow()])
    assert len(objects(POD)) == 2
    assert ever_made() == 2, "a pod too many was made and deleted again"


def test_pods_are_made_in_bursts_until_all_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.controllers.replication.BURST", 4)
    create(RC, spec__replicas=10)
    settle([Replication()])
    assert len(objects(POD)) == 10


def test_a_deleted_controller_that_leaves_its_pods_behind_makes_no_more() -> None:
    create(RC, spec__replicas=1)
    settle()
    (pod,) = objects(POD)
    delete(RC, "sample", propagation_policy="Orphan")
    settle()
    assert find(RC, "sample") is None
    (left,) = objects(POD)
    assert left.metadata.uid == pod.metadata.uid
    assert left.metadata.owner_references == []


def test_two_controllers_never_fight_over_one_pod() -> None:
    create(RC, name="one", spec__replicas=1)
    create(RC, name="two", spec__replicas=1)
    settle()
    owners = sorted(pod.metadata.owner_references[0].name for pod in objects(POD))
    assert owners == ["one", "two"]
