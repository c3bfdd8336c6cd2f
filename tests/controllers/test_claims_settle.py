"""Claims and volumes in a real store: bound where the first pod is, kept while used, gone or kept afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.actors import node as node_actor
from apps.cluster.kinds import (
    EVENT,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    RESOURCE_QUOTA,
    STORAGE_CLASS,
    storage,
)
from apps.cluster.types import agent
from apps.cluster.types.persistent import LOCAL
from apps.controllers.claims import Claims
from apps.controllers.garbage import Garbage
from apps.controllers.volumes import Volumes
from apps.nodes import reports
from tests.builders import build, containers
from tests.harness import add_nodes, create, delete, edit, find, follower, objects, settle, stop_pod

pytestmark = pytest.mark.usefixtures("local")
CLAIM, VOLUME = PERSISTENT_VOLUME_CLAIM, PERSISTENT_VOLUME
CONTROLLERS = (Claims(), Volumes(), Garbage())


@pytest.fixture
def local(ruled: None) -> None:  # noqa: ARG001
    add_nodes("node-1", "node-2")
    annotations = {storage.DEFAULT_CLASS: "true"}
    create(STORAGE_CLASS, name="local", annotations=annotations, allow_volume_expansion=True)


def pod(name: str, node: str = "node-1", claim: str = "sample") -> types.Pod:
    """One that mounts the claim; with a node it is placed already."""
    source = types.PersistentVolumeClaimVolumeSource(claim_name=claim)
    volumes = [types.Volume(name="data", persistent_volume_claim=source)]
    mounts = [types.VolumeMount(name="data", mount_path="/data")]
    made = create(POD, name=name, spec__volumes=volumes, spec__containers=containers(volume_mounts=mounts))
    if node:
        made = store.write(node_actor(node), lambda tx: tx.bind("default", name, node))
    return made  # type: ignore[no-any-return]


def claim(name: str = "sample") -> Any:
    return find(CLAIM, name)


def run() -> None:
    settle(CONTROLLERS)


def reasons() -> set[str]:
    return {event.reason for event in objects(EVENT)}


def removed(name: str, node: str = "node-1") -> Any:
    """What the node's agent says once the data is gone, and the server's remarks."""
    uid = find(VOLUME, name).metadata.uid  # type: ignore[union-attr]
    told = agent.VolumeBatch(seq=1, items=[agent.VolumeReport(name=name, uid=uid)])
    (remarks,) = reports.take([(node, told)])
    return remarks


def test_a_claim_waits_for_its_first_pod_and_is_bound_where_that_runs() -> None:
    create(CLAIM)
    run()
    assert claim().spec.storage_class_name == "local"
    assert claim().status.phase == "Pending"
    assert "WaitForFirstConsumer" in reasons()
    pod("waits", node="")
    run()
    assert claim().status.phase == "Pending"
    pod("first", node="node-2")
    run()
    (volume,) = objects(VOLUME)
    assert claim().status.phase == "Bound"
    assert claim().spec.volume_name == volume.metadata.name == f"pvc-{claim().metadata.uid}"
    assert storage.node_of(volume) == "node-2"
    assert (volume.status.phase, volume.spec.capacity) == ("Bound", {"storage": "1Gi"})
    assert claim().status.capacity == {"storage": "1Gi"}


def test_settling_again_writes_nothing() -> None:
    create(CLAIM)
    create(CLAIM, name="waits")
    pod("first")
    run()
    before = store.clock()
    follower(CONTROLLERS).resync()
    assert store.clock() == before


def test_a_claim_in_use_stays_until_its_last_pod_is_gone() -> None:
    create(CLAIM)
    pod("first")
    run()
    delete(CLAIM, "sample")
    run()
    assert claim().metadata.deletion_timestamp is not None
    delete(POD, "first")
    stop_pod("first")
    run()
    assert claim() is None


def test_a_deleted_claim_takes_its_data_along_once_the_node_says_so() -> None:
    create(CLAIM)
    run()
    pod("first")
    run()
    name = claim().spec.volume_name
    delete(POD, "first")
    stop_pod("first")
    delete(CLAIM, "sample")
    run()
    volume = find(VOLUME, name)
    assert volume is not None and volume.metadata.finalizers == ["local.drover.dev/data"]
    assert removed(name, "node-2") == [f"{name}: its data is on node node-1"]
    assert removed(name) == []
    assert find(VOLUME, name) is None


def test_a_volume_that_is_to_be_kept_stays_and_can_be_claimed_again() -> None:
    create(STORAGE_CLASS, name="keep", reclaim_policy="Retain")
    create(CLAIM, spec__storage_class_name="keep")
    pod("first")
    run()
    name = claim().spec.volume_name
    delete(POD, "first")
    stop_pod("first")
    delete(CLAIM, "sample")
    run()
    assert find(VOLUME, name).status.phase == "Released"  # type: ignore[union-attr]
    assert removed(name) == [f"{name}: nobody deleted it"]

    def free(volume: types.PersistentVolume) -> None:
        volume.spec.claim_ref = None

    edit(VOLUME, name, free)
    create(CLAIM, name="again", spec__storage_class_name="keep")
    run()
    assert claim("again").spec.volume_name == name
    assert claim("again").status.phase == "Bound"


def test_deleting_a_kept_volume_leaves_its_data_on_the_node() -> None:
    create(VOLUME, spec__persistent_volume_reclaim_policy="Retain", name="kept")
    run()
    delete(VOLUME, "kept")
    run()
    assert find(VOLUME, "kept") is None


def test_a_volume_of_a_node_that_is_gone_for_good_does_not_wait_for_it() -> None:
    create(CLAIM)
    pod("first")
    run()
    name = claim().spec.volume_name
    delete(POD, "first")
    stop_pod("first")
    delete(CLAIM, "sample")
    run()
    assert find(VOLUME, name) is not None
    delete(NODE, "node-1")
    run()
    assert find(VOLUME, name) is None
    assert "VolumeFailedDelete" in reasons()


def test_a_claim_that_lost_its_volume_says_so() -> None:
    create(CLAIM)
    pod("first")
    run()

    def let_go(volume: types.PersistentVolume) -> None:
        volume.metadata.finalizers = []

    edit(VOLUME, claim().spec.volume_name, let_go)
    delete(VOLUME, claim().spec.volume_name)
    run()
    assert claim().status.phase == "Lost"
    assert "ClaimLost" in reasons()


def test_a_claim_may_ask_for_more_where_its_class_allows_it() -> None:
    create(CLAIM)
    pod("first")
    run()

    def grow(found: types.PersistentVolumeClaim) -> None:
        found.spec.resources.requests = {"storage": "3Gi"}

    edit(CLAIM, "sample", grow)
    run()
    (volume,) = objects(VOLUME)
    assert volume.spec.capacity == claim().status.capacity == {"storage": "3Gi"}


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        pytest.param({"spec__storage_class_name": "fast"}, "ProvisioningFailed",
                     'storageclass.storage.k8s.io "fast" not found', id="no such class"),
        pytest.param({"spec__storage_class_name": "theirs"}, "ExternalProvisioning", "example.com/disks",
                     id="somebody else's class"),
        pytest.param({"spec__access_modes": ["ReadWriteMany"]}, "ProvisioningFailed", "cannot serve ReadWriteMany",
                     id="more than a directory can promise"),
        pytest.param({"spec__storage_class_name": ""}, "FailedBinding", "no persistent volumes available",
                     id="only what was made beforehand"),
    ],
)  # fmt: skip
def test_a_claim_that_gets_nothing_says_why_once(changes: dict[str, Any], reason: str, words: str) -> None:
    create(STORAGE_CLASS, name="theirs", provisioner="example.com/disks")
    create(CLAIM, **changes)
    pod("first")
    run()
    follower(CONTROLLERS).resync()
    (told,) = [event for event in objects(EVENT) if event.reason == reason]
    assert words in told.message
    assert told.count == 1
    assert claim().status.phase == "Pending"


def test_storage_counts_in_quotas() -> None:
    create(RESOURCE_QUOTA, name="q", spec__hard={"requests.storage": "1Gi", "persistentvolumeclaims": "5"})
    create(CLAIM)
    with pytest.raises(Exception, match=r"exceeded quota: q, requested: requests.storage=1Gi"):
        create(CLAIM, name="more")


def test_a_volume_of_ours_must_say_where_it_is() -> None:
    volume = build(VOLUME, spec__node_affinity=None)
    with pytest.raises(Exception, match=r"spec.nodeAffinity.required: Required value: must name the one node"):
        create(VOLUME, volume)
    assert volume.spec.csi.driver == LOCAL
