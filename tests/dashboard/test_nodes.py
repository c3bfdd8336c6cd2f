"""Nodes in the dashboard: kept free, emptied, labelled; and why a pod waits, node by node."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client

from apps.cluster import types
from apps.cluster.kinds import NODE, POD, POD_DISRUPTION_BUDGET
from apps.dashboard import draining
from tests.builders import build
from tests.harness import add_nodes, create, find, run_pods, settle

HTMX = {"HX-Request": "true"}


def pod(name: str, owner: str = "", **changes: object) -> types.Pod:
    made: types.Pod = build(POD, name=name, **changes)
    if owner:
        made.metadata.owner_references = [
            types.OwnerReference(api_version="v1", kind=owner, name="x", uid="1", controller=True)
        ]
    return made


def test_what_a_drain_does_to_each_pod_is_told_before() -> None:
    scratch = types.Volume(name="s", empty_dir=types.EmptyDirVolumeSource())
    gone = pod("going")
    gone.metadata.deletion_timestamp = datetime(2026, 1, 1, tzinfo=UTC)
    found = draining.of(
        [pod("bare"), pod("set", "ReplicaSet", spec__volumes=[scratch]), pod("daemon", "DaemonSet"), gone]
    )
    assert [each.metadata.name for each in found.moves] == ["set"]
    assert [each.metadata.name for each in found.lost] == ["bare"]
    assert [each.metadata.name for each in found.stays] == ["daemon"]
    assert found.scratch == ["set"]


@pytest.fixture
def node(admin: Client) -> types.Node:
    add_nodes("worker-7")
    found = find(NODE, "worker-7")
    assert found is not None
    return found  # type: ignore[no-any-return]


def test_a_node_is_cordoned_and_takes_pods_again(admin: Client, node: types.Node) -> None:
    place = "/actions/cordon/nodes/-/worker-7"
    assert "Cordon worker-7?" in admin.get(place, headers=HTMX).content.decode()
    assert admin.post(place, {"wanted": "yes"}, headers=HTMX).status_code == 204
    assert find(NODE, "worker-7").spec.unschedulable is True  # type: ignore[union-attr]
    assert "Uncordon worker-7?" in admin.get(place, headers=HTMX).content.decode()
    admin.post(place, {"wanted": "no"}, headers=HTMX)
    assert not find(NODE, "worker-7").spec.unschedulable  # type: ignore[union-attr]


def test_a_drained_node_takes_no_pods_and_those_that_may_leave_do(admin: Client, node: types.Node) -> None:
    create(POD, name="stays", spec__node_name="worker-7")
    place = "/actions/drain/nodes/-/worker-7"
    assert "default/stays" in admin.get(place, headers=HTMX).content.decode()
    assert admin.post(place, headers=HTMX).status_code == 204
    assert find(NODE, "worker-7").spec.unschedulable is True  # type: ignore[union-attr]
    assert find(POD, "stays").metadata.deletion_timestamp is not None  # type: ignore[union-attr]


def test_a_drain_leaves_what_a_disruption_budget_keeps_and_says_so(admin: Client, node: types.Node) -> None:
    create(POD, name="kept", spec__node_name="worker-7")
    run_pods([find(POD, "kept")])  # type: ignore[list-item]
    create(POD_DISRUPTION_BUDGET, name="web")
    place = "/actions/drain/nodes/-/worker-7"
    why = "default/kept: The disruption budget web needs 1 healthy pods and has 1 currently"
    assert why in admin.get(place, headers=HTMX).content.decode()
    assert not find(NODE, "worker-7").spec.unschedulable, "it was only asked"  # type: ignore[union-attr]
    assert why in admin.post(place, headers=HTMX).headers["HX-Trigger"]
    assert find(POD, "kept").metadata.deletion_timestamp is None  # type: ignore[union-attr]
    assert find(NODE, "worker-7").spec.unschedulable is True  # type: ignore[union-attr]


def test_labels_and_taints_are_set_and_what_is_none_is_named(admin: Client, node: types.Node) -> None:
    place = "/actions/mark/nodes/-/worker-7"
    assert "kubernetes.io/hostname=worker-7" in admin.get(place, headers=HTMX).content.decode()
    said = {"labels": "disk=ssd\nzone=a", "taints": "gpu=yes:NoSchedule\nrepair:NoExecute"}
    assert admin.post(place, said, headers=HTMX).status_code == 204
    found = find(NODE, "worker-7")
    assert found is not None and found.metadata.labels == {"disk": "ssd", "zone": "a"}
    assert [(taint.key, taint.value, taint.effect) for taint in found.spec.taints] == [
        ("gpu", "yes", "NoSchedule"),
        ("repair", "", "NoExecute"),
    ]
    for wrong, why in (
        ({"labels": "disk", "taints": ""}, "is no label"),
        ({"labels": "", "taints": "gpu"}, "is no taint"),
        ({"labels": "", "taints": "gpu:Never"}, "Unsupported value"),
    ):
        answer = admin.post(place, wrong, headers=HTMX)
        assert answer.status_code == 422
        assert why in answer.content.decode()


def test_a_pod_that_waits_shows_every_node_with_its_reason_and_what_would_help(
    admin: Client, node: types.Node
) -> None:
    create(POD, name="waits", spec__node_selector={"disk": "nvme"})
    settle()
    page = admin.get("/kinds/pods/default/waits").content.decode()
    assert "Node by node" in page
    assert "without the label disk=nvme" in page
    assert "Label the node so, or change the pod&#x27;s node selector." in page


def test_a_tenant_sees_no_nodes_and_moves_none(tenant: Client) -> None:
    add_nodes("worker-7")
    create(POD, name="waits", namespace="shop", spec__node_selector={"disk": "nvme"})
    assert "Node by node" not in tenant.get("/kinds/pods/shop/waits").content.decode()
    for action in ("cordon", "drain", "mark"):
        assert tenant.post(f"/actions/{action}/nodes/-/worker-7").status_code in {403, 404}
