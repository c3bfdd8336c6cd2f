"""Deployments in a real store: ReplicaSets come and go, revisions are counted, and the conditions tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.kinds import DEPLOYMENT, EVENT, POD, REPLICA_SET, RESOURCE_QUOTA
from apps.cluster.revisions import HASH, HISTORY, REVISION
from apps.controllers.actions import condition
from apps.controllers.revisions import DESIRED
from tests.harness import (
    add_nodes,
    create,
    delete,
    edit,
    find,
    follower,
    objects,
    roll,
    settle,
)

pytestmark = pytest.mark.usefixtures("ruled")


def change(**values: Any) -> None:
    """Set fields of the sample's spec; ``image`` and ``env`` change its template."""

    def work(deployment: types.Deployment) -> None:
        image = values.pop("image", None)
        if image is not None:
            deployment.spec.template.spec.containers[0].image = image
        for name, value in values.items():
            setattr(deployment.spec, name, value)

    edit(DEPLOYMENT, "sample", work)


def deployment() -> types.Deployment:
    found = find(DEPLOYMENT, "sample")
    assert isinstance(found, types.Deployment)
    return found


def told(name: str) -> tuple[str, str]:
    found = condition(deployment().status.conditions, name)
    return (found.status, found.reason) if found else ("", "")


def sets() -> dict[str, types.ReplicaSet]:
    """By the image of their template."""
    return {each.spec.template.spec.containers[0].image: each for each in objects(REPLICA_SET)}


def sizes() -> dict[str, int | None]:
    return {image: each.spec.replicas for image, each in sets().items()}


def alive() -> list[types.Pod]:
    return [pod for pod in objects(POD) if pod.metadata.deletion_timestamp is None]


@pytest.fixture
def running(ruled: None) -> None:  # noqa: ARG001
    """Three pods of a first version, all available."""
    add_nodes("node-1")
    create(DEPLOYMENT, spec__replicas=3)
    roll()


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("noted", ["9" * 5000, "²"])
def test_a_number_that_a_user_noted_on_a_replica_set_does_not_stop_the_next_version(noted: str) -> None:
    (first,) = objects(REPLICA_SET)
    notes = {REVISION: noted, DESIRED: noted}
    edit(REPLICA_SET, first.metadata.name, lambda one: one.metadata.annotations.update(notes))
    change(image="busybox:2")
    roll()
    assert sizes() == {first.spec.template.spec.containers[0].image: 0, "busybox:2": 3}


@pytest.mark.usefixtures("running")
def test_a_new_deployment_gets_a_replica_set_its_pods_and_its_first_revision() -> None:
    (replica_set,) = objects(REPLICA_SET)
    label = replica_set.metadata.labels[HASH]
    assert replica_set.metadata.name == f"sample-{label}"
    assert replica_set.spec.selector.match_labels == {"app": "sample", HASH: label}
    assert [owner.uid for owner in replica_set.metadata.owner_references] == [deployment().metadata.uid]
    assert all(pod.metadata.labels[HASH] == label for pod in objects(POD))
    assert replica_set.metadata.annotations[REVISION] == deployment().metadata.annotations[REVISION] == "1"
    status = deployment().status
    counts = (status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas)
    assert counts == (3, 3, 3, 3)
    assert told("Progressing") == ("True", "NewReplicaSetAvailable")
    assert told("Available") == ("True", "MinimumReplicasAvailable")


@pytest.mark.usefixtures("running")
def test_settling_again_writes_nothing() -> None:
    before = store.clock()
    follower().resync()
    assert store.clock() == before


@pytest.mark.usefixtures("running")
def test_an_update_waits_for_pods_that_are_not_ready() -> None:
    change(image="redis:8")
    roll(ready=lambda pod: pod.spec.containers[0].image != "redis:8")
    assert sizes() == {"redis:7": 3, "redis:8": 1}
    assert told("Progressing")[1] != "NewReplicaSetAvailable"
    roll()
    assert sizes() == {"redis:7": 0, "redis:8": 3}
    assert {pod.spec.containers[0].image for pod in objects(POD)} == {"redis:8"}
    assert deployment().metadata.annotations[REVISION] == "2"


@pytest.mark.usefixtures("running")
def test_going_back_takes_the_old_replica_set_up_again_under_a_new_number() -> None:
    first = sets()["redis:7"].metadata.uid
    change(image="redis:8")
    roll()
    change(image="redis:7")
    roll()
    back = sets()["redis:7"]
    assert back.metadata.uid == first
    assert back.metadata.annotations[REVISION] == deployment().metadata.annotations[REVISION] == "3"
    assert back.metadata.annotations[HISTORY] == "1"
    assert sizes() == {"redis:7": 3, "redis:8": 0}


@pytest.mark.usefixtures("running")
def test_an_update_that_does_not_move_is_late_and_says_so_and_later_recovers() -> None:
    change(image="redis:8", progress_deadline_seconds=60)
    roll(ready=lambda pod: pod.spec.containers[0].image != "redis:8")
    later = datetime.now(UTC) + timedelta(seconds=61)
    follower(present=lambda: later).resync()
    assert told("Progressing") == ("False", "ProgressDeadlineExceeded")
    roll()
    assert told("Progressing") == ("True", "NewReplicaSetAvailable")


@pytest.mark.usefixtures("running")
def test_a_paused_deployment_is_scaled_but_not_updated() -> None:
    change(paused=True, image="redis:8")
    roll()
    assert sizes() == {"redis:7": 3}
    assert told("Progressing") == ("Unknown", "DeploymentPaused")
    change(replicas=5)
    roll()
    assert sizes() == {"redis:7": 5}
    change(paused=False)
    roll()
    assert sizes() == {"redis:7": 0, "redis:8": 5}


@pytest.mark.usefixtures("running")
def test_pausing_amid_an_update_holds_it_and_scaling_keeps_the_shares() -> None:
    change(image="redis:8")
    roll(ready=lambda pod: pod.spec.containers[0].image != "redis:8")
    change(paused=True)
    roll()
    assert sizes() == {"redis:7": 3, "redis:8": 1}
    change(replicas=6)
    roll()
    assert sizes() == {"redis:7": 6, "redis:8": 2}


@pytest.mark.usefixtures("running")
def test_recreate_makes_no_new_pod_before_the_last_old_one_is_gone() -> None:
    change(strategy=types.DeploymentStrategy(type="Recreate"))
    change(image="redis:8")
    settle()
    assert sizes()["redis:8"] == 0
    assert alive() == []
    assert len(objects(POD)) == 3  # still stopping
    roll()
    assert {pod.spec.containers[0].image for pod in objects(POD)} == {"redis:8"}
    assert sizes() == {"redis:7": 0, "redis:8": 3}


@pytest.mark.usefixtures("running")
def test_old_versions_beyond_the_history_go() -> None:
    change(revision_history_limit=1)
    for tag in ("8", "9", "10"):
        change(image=f"redis:{tag}")
        roll()
    assert sizes() == {"redis:9": 0, "redis:10": 3}


@pytest.mark.usefixtures("running")
def test_the_reason_of_a_change_is_kept_with_its_version() -> None:
    def explain(found: types.Deployment) -> None:
        found.metadata.annotations["kubernetes.io/change-cause"] = "a newer redis"
        found.spec.template.spec.containers[0].image = "redis:8"

    edit(DEPLOYMENT, "sample", explain)
    roll()
    causes = {
        image: each.metadata.annotations.get("kubernetes.io/change-cause") for image, each in sets().items()
    }
    assert causes == {"redis:7": None, "redis:8": "a newer redis"}


@pytest.mark.usefixtures("running")
def test_deleting_a_deployment_takes_its_replica_sets_and_their_pods() -> None:
    delete(DEPLOYMENT, "sample")
    roll()
    assert objects(REPLICA_SET) == [] == objects(POD)


@pytest.mark.usefixtures("running")
def test_a_deployment_deleted_alone_leaves_its_pods_to_one_that_comes_later() -> None:
    pods = {pod.metadata.uid for pod in objects(POD)}
    delete(DEPLOYMENT, "sample", propagation_policy="Orphan")
    roll()
    create(DEPLOYMENT, spec__replicas=3)
    roll()
    assert {pod.metadata.uid for pod in objects(POD)} == pods
    (replica_set,) = objects(REPLICA_SET)
    assert [owner.uid for owner in replica_set.metadata.owner_references] == [deployment().metadata.uid]


def test_a_name_that_is_taken_is_made_anew() -> None:
    create(DEPLOYMENT)
    settle()
    (replica_set,) = objects(REPLICA_SET)
    delete(DEPLOYMENT, "sample")
    settle()
    create(REPLICA_SET, name=replica_set.metadata.name, labels={"app": "other"}, spec__replicas=0)
    create(DEPLOYMENT)
    settle()
    follower().resync()
    made = [each for each in objects(REPLICA_SET) if each.metadata.labels["app"] == "sample"]
    assert len(made) == 1
    assert made[0].metadata.name != replica_set.metadata.name
    assert deployment().status.collision_count == 1


def test_a_refused_replica_set_is_told_in_the_condition_and_an_event() -> None:
    create(RESOURCE_QUOTA, name="q", spec__hard={"count/replicasets.apps": "0"})
    create(DEPLOYMENT)
    settle()
    assert told("Progressing") == ("False", "ReplicaSetCreateError")
    assert any(event.reason == "ReplicaSetCreateError" for event in objects(EVENT))


def test_pods_that_cannot_be_made_are_told_by_the_deployment_too() -> None:
    create(RESOURCE_QUOTA, name="q", spec__hard={"pods": "1"})
    create(DEPLOYMENT, spec__replicas=2)
    settle()
    assert told("ReplicaFailure") == ("True", "FailedCreate")
