"""coordination.k8s.io: a node's signs of life as the Lease that kubectl looks for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.accounts import policy, tokens
from apps.api import leases
from apps.cluster import store
from apps.cluster.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, NODE
from apps.cluster.work import in_db
from apps.nodes import heartbeats
from tests.api.doors import Door
from tests.api.test_bad_input import status
from tests.api.test_contract import PARTIAL, TABLE, created, place

ALL = "/apis/coordination.k8s.io/v1/leases"
INSIDE = place(leases.KIND, namespace=leases.NAMESPACE)
HEARD = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
async def heard(door: Door) -> dict[str, Any]:
    """Of two nodes one was heard, at a whole second; returns it."""
    node = await created(door, NODE, "n")
    await created(door, NODE, "silent")
    await in_db(heartbeats.claim, "n", "c", HEARD)
    return node


async def test_a_node_that_was_heard_has_a_lease(door: Door, heard: dict[str, Any], settings: Any) -> None:
    settings.NODE_GRACE = 4.5
    before = await in_db(store.clock)
    lease = (await door.ask("GET", f"{INSIDE}/n")).data
    assert lease["spec"] == {
        "holderIdentity": "n", "leaseDurationSeconds": 5, "renewTime": "2026-05-04T03:02:01.000001Z",
    }  # fmt: skip
    meta = heard["metadata"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": meta["uid"]}
    assert lease["metadata"] == {
        "name": "n", "namespace": "kube-node-lease", "creationTimestamp": meta["creationTimestamp"],
        "ownerReferences": [owner],
    }  # fmt: skip
    for path in (ALL, INSIDE, f"{ALL}?fieldSelector=metadata.name%3Dn", f"{INSIDE}?labelSelector=!a"):
        listed = (await door.ask("GET", path)).data
        assert (listed["kind"], listed["items"]) == ("LeaseList", [lease])
    assert await in_db(store.clock) == before


@pytest.mark.usefixtures("heard")
async def test_what_was_not_heard_or_lies_elsewhere_has_none(door: Door) -> None:
    status(await door.ask("GET", f"{INSIDE}/silent"), 404, 'leases.coordination.k8s.io "silent" not found')
    status(await door.ask("GET", place(leases.KIND, "n")), 404, "not found")
    for path in (place(leases.KIND), f"{ALL}?labelSelector=a", f"{ALL}?fieldSelector=metadata.name%3Dsilent"):
        assert (await door.ask("GET", path)).data["items"] == []
    for path in (f"{ALL}/n", f"{INSIDE}/n/status", f"{ALL.replace('v1', 'v1beta1')}", f"{INSIDE[:-1]}"):
        status(await door.ask("GET", path), 404)
    status(
        await door.ask("GET", f"{ALL}?fieldSelector=spec.holderIdentity%3Dn"),
        400,
        "field label not supported",
    )


@pytest.mark.usefixtures("heard")
async def test_leases_are_shown_in_the_usual_forms(door: Door) -> None:
    for path in (INSIDE, f"{INSIDE}/n"):
        table = (await door.ask("GET", path, headers=TABLE)).data
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Holder", "Age"]
        assert table["rows"][0]["cells"][:2] == ["n", "n"]
    assert (await door.ask("GET", f"{INSIDE}/n", headers=PARTIAL)).data["kind"] == "PartialObjectMetadata"


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", INSIDE), ("PUT", f"{INSIDE}/n"), ("PATCH", f"{INSIDE}/n"), ("DELETE", f"{INSIDE}/n"),
        ("DELETE", INSIDE), ("POST", place(leases.KIND)), ("GET", f"{INSIDE}?watch=1"),
    ],
)  # fmt: skip
async def test_a_lease_is_neither_written_nor_watched(door: Door, method: str, path: str) -> None:
    status(await door.ask(method, path, {} if method != "GET" else None), 405, leases.REFUSED)


@pytest.mark.usefixtures("heard")
async def test_who_may_read_a_node_may_read_its_lease_and_no_other(door: Door) -> None:
    await created(door, NODE, "other")
    await in_db(heartbeats.claim, "other", "c", HEARD)
    rule = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["nodes"], "resourceNames": ["n"]}
    role = {"apiVersion": CLUSTER_ROLE.api_version, "kind": "ClusterRole", "metadata": {"name": "one"}}
    reference = {"apiGroup": CLUSTER_ROLE.group, "kind": "ClusterRole", "name": "one"}
    subject = {"apiGroup": CLUSTER_ROLE.group, "kind": "User", "name": "ann"}
    binding = {**role, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]}
    assert (await door.ask("POST", place(CLUSTER_ROLE), {**role, "rules": [rule]})).code == 201
    assert (await door.ask("POST", place(CLUSTER_ROLE_BINDING), binding)).code == 201
    policy.forget()
    door.token = await in_db(tokens.issue, "ann")
    assert (await door.ask("GET", f"{INSIDE}/n")).code == 200
    status(await door.ask("GET", f"{INSIDE}/other"), 403, "nodes is forbidden: ann may not get nodes")
    door.token = await in_db(tokens.issue, "nobody")
    for path in (ALL, INSIDE, f"{INSIDE}/n"):
        assert (await door.ask("GET", path)).code == 403
    door.token = await in_db(tokens.issue, "system:node:n", ["system:nodes"], purpose=tokens.NODE)
    assert [one["metadata"]["name"] for one in (await door.ask("GET", INSIDE)).data["items"]] == ["n"]
    assert (await door.ask("GET", f"{INSIDE}/other")).code == 403


async def test_discovery_and_openapi_tell_of_leases(door: Door) -> None:
    (resource,) = (await door.ask("GET", "/apis/coordination.k8s.io/v1")).data["resources"]
    assert (resource["name"], resource["singularName"], resource["kind"]) == ("leases", "lease", "Lease")
    assert (resource["namespaced"], resource["verbs"]) == (True, ["get", "list"])
    document = (await door.ask("GET", "/openapi/v3/apis/coordination.k8s.io/v1")).data
    assert {method for item in document["paths"].values() for method in item} == {"get"}
    spec = document["components"]["schemas"]["io.k8s.api.coordination.v1.LeaseSpec"]["properties"]
    assert spec["renewTime"] == {"type": "string", "format": "date-time"}
