"""What people send that is another version, or no kind of this server: served, or refused with what to use instead."""

from __future__ import annotations

from typing import Any

import pytest

from apps.api import manifests
from apps.api.discovery import answer as discovery
from apps.cluster.absent import ABSENT, Absent
from apps.cluster.actors import Actor
from apps.cluster.kinds import HORIZONTAL_POD_AUTOSCALER
from tests.api.doors import Door
from tests.api.test_bad_input import status
from tests.api.test_contract import MERGE, TABLE, place

APPLY = {"content-type": "application/apply-patch+yaml"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
NEW = place(HORIZONTAL_POD_AUTOSCALER, "web")
OLD = NEW.replace("/v2/", "/v1/")
BEHAVIOR = {"scaleDown": {"stabilizationWindowSeconds": 7}}


def memory(percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "memory", "target": target}}


def version_1(percent: int) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1, "maxReplicas": 3, "targetCPUUtilizationPercentage": percent,
        },
    }  # fmt: skip


async def test_an_autoscaler_of_version_1_is_patched_and_keeps_what_that_version_cannot_say(door: Door) -> None:
    assert (await door.ask("POST", OLD.removesuffix("/web"), version_1(40))).code == 201
    made = (await door.ask("GET", NEW)).data
    made["spec"]["metrics"].append(memory(70))
    made["spec"]["behavior"] = BEHAVIOR
    assert (await door.ask("PUT", NEW, made)).code == 200
    for percent, headers in ((50, MERGE), (60, STRATEGIC)):
        sent = {"spec": {"targetCPUUtilizationPercentage": percent, "maxReplicas": percent}}
        patched = await door.ask("PATCH", OLD, sent, headers)
        assert (patched.code, patched.data["apiVersion"]) == (200, "autoscaling/v1")
        spec = (await door.ask("GET", NEW)).data["spec"]
        assert [one["resource"]["target"]["averageUtilization"] for one in spec["metrics"]] == [percent, 70]
        assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 7
        assert spec["maxReplicas"] == percent
    status(await door.ask("PATCH", OLD, {"spec": {"bogus": 1}}, MERGE), 400, 'unknown field "spec.bogus"')
    status(await door.ask("PATCH", OLD.replace("web", "no"), {"spec": {}}, MERGE), 404)


async def test_an_autoscaler_of_version_1_is_applied(door: Door) -> None:
    made = await door.ask("PATCH", f"{OLD}?fieldManager=ann", version_1(40), APPLY)
    assert (made.code, made.data["spec"]["targetCPUUtilizationPercentage"]) == (201, 40)
    labels = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"labels": {"a": "b"}}}
    assert (await door.ask("PATCH", f"{OLD}?fieldManager=bob", labels, APPLY)).data["spec"] == made.data["spec"]
    again = await door.ask("PATCH", f"{OLD}?fieldManager=ann", version_1(50), APPLY)
    assert (again.code, again.data["spec"]["targetCPUUtilizationPercentage"]) == (200, 50)


def test_of_two_versions_the_newer_one_is_preferred() -> None:
    group = discovery(("apis", "autoscaling"), "")
    assert [one["version"] for one in group["versions"]] == ["v2", "v1"]
    assert group["preferredVersion"]["version"] == "v2"


@pytest.mark.parametrize("absent", ABSENT, ids=lambda absent: absent.plural)
async def test_a_kind_that_is_not_built_has_no_objects_and_says_what_to_use_instead(
    door: Door, absent: Absent
) -> None:
    inside = "namespaces/default/" if absent.namespaced else ""
    path = f"/apis/{absent.group}/{absent.version}/{inside}{absent.plural}"
    body = {"apiVersion": f"{absent.group}/{absent.version}", "kind": absent.kind, "metadata": {"name": "web"}}
    listed = await door.ask("GET", path)
    assert (listed.code, listed.data["kind"], listed.data["items"]) == (200, f"{absent.kind}List", [])
    status(await door.ask("POST", path, body), 405, f"Drover has no {absent.kind}: {absent.instead}")
    status(await door.ask("PATCH", f"{path}/web?fieldManager=a", body, APPLY), 405, absent.instead)
    shown = await door.ask("GET", path, headers=TABLE)
    assert (shown.data["rows"], shown.headers["warning"]) == ([], f'299 - "{absent.sentence}"')
    named = f'{absent.plural}.{absent.group} "web" not found: Drover has no'
    status(await door.ask("GET", f"{path}/web"), 404, named)
    status(await door.ask("DELETE", f"{path}/web"), 404, "not found")
    named = discovery(("apis", absent.group, absent.version), "")["resources"]
    assert [one["verbs"] for one in named if one["name"] == absent.plural] == [[]]
    document = (await door.ask("GET", f"/openapi/v3/apis/{absent.group}/{absent.version}")).data
    assert document["components"]["schemas"][f"dev.drover.absent.{absent.kind}"]["description"] == absent.sentence


@pytest.mark.usefixtures("served")
def test_a_manifest_file_of_another_version_is_made_and_one_that_is_not_built_says_what_to_use_instead() -> None:
    root = Actor("root", frozenset({"system:masters"}))
    made = manifests.create(root, version_1(40), "default")
    assert (made.what, made.error) == ("horizontalpodautoscaler.autoscaling/web", "")
    for absent in ABSENT:
        said = {"apiVersion": f"{absent.group}/{absent.version}", "kind": absent.kind, "metadata": {"name": "web"}}
        told = manifests.create(root, said, "default").error
        assert told == f"Error from server (MethodNotAllowed): {absent.sentence}"
    unknown = {"apiVersion": "apps/v1", "kind": "Deploiement"}
    assert "no matches for kind" in manifests.create(root, unknown, "default").error
    assert "no matches for kind" in manifests.create(root, {**unknown, "apiVersion": "v7"}, "default").error
