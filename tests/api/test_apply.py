"""Server-side apply: fields have owners, conflicts are told, what is no longer applied goes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from apps.cluster import store
from apps.cluster.kinds import CONFIG_MAP, POD, REPLICATION_CONTROLLER, SECRET, SERVICE
from apps.cluster.registry import Kind, all_kinds
from apps.cluster.work import in_db
from tests.api.doors import Door, Reply
from tests.api.test_contract import MERGE, created, place, sent

APPLY = {"content-type": "application/apply-patch+yaml"}
each_kind = pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.key)


async def applied(  # noqa: PLR0917
    door: Door, kind: Kind, config: dict[str, Any], manager: str = "ann", query: str = "", sub: str = ""
) -> Reply:
    body = yaml.safe_dump({"apiVersion": kind.api_version, "kind": kind.name, **config}).encode()
    path = place(kind, config["metadata"]["name"]) + sub
    return await door.ask("PATCH", f"{path}?fieldManager={manager}{query}", body, APPLY)


def config_map(**data: str) -> dict[str, Any]:
    return {"metadata": {"name": "m"}, "data": data}


def managers(obj: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{e['manager']} {e['operation']}": e["fieldsV1"] for e in obj["metadata"].get("managedFields", [])
    }


@each_kind
async def test_an_applied_object_is_made_and_applied_again_is_no_write(door: Door, kind: Kind) -> None:
    config = sent(kind)
    config.pop("status", None)
    config["metadata"].setdefault("labels", {})["applied"] = "yes"
    first = await applied(door, kind, config)
    assert first.code == 201, first.body
    before = await in_db(store.clock)
    again = await applied(door, kind, config)
    assert (again.code, again.data) == (200, first.data)
    assert await in_db(store.clock) == before
    (entry,) = again.data["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["fieldsType"]) == ("ann", "Apply", "FieldsV1")
    assert entry["apiVersion"] == kind.api_version


async def test_fields_no_longer_applied_go_and_those_of_others_stay(door: Door) -> None:
    await applied(door, CONFIG_MAP, config_map(a="1", b="2", shared="s"))
    await applied(door, CONFIG_MAP, config_map(c="3", shared="s"), "bob")
    left = await applied(door, CONFIG_MAP, config_map(b="2"))
    assert left.data["data"] == {"b": "2", "c": "3", "shared": "s"}
    assert managers(left.data) == {
        "ann Apply": {"f:data": {"f:b": {}}},
        "bob Apply": {"f:data": {"f:c": {}, "f:shared": {}}},
    }


async def test_a_conflict_is_told_in_kubernetes_words_and_can_be_forced(door: Door) -> None:
    await applied(door, CONFIG_MAP, config_map(a="1", b="2"))
    refused = await applied(door, CONFIG_MAP, config_map(a="9"), "bob")
    assert (refused.code, refused.data["reason"]) == (409, "Conflict")
    assert refused.data["message"] == 'Apply failed with 1 conflict: conflict with "ann": .data.a'
    assert refused.data["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "ann"', "field": ".data.a"}
    ]
    refused = await applied(door, CONFIG_MAP, config_map(a="9", b="9"), "bob")
    assert (
        refused.data["message"]
        == 'Apply failed with 2 conflicts: conflicts with "ann":\n- .data.a\n- .data.b'
    )
    forced = await applied(door, CONFIG_MAP, config_map(a="9"), "bob", "&force=true")
    assert forced.data["data"] == {"a": "9", "b": "2"}
    assert managers(forced.data) == {
        "ann Apply": {"f:data": {"f:b": {}}},
        "bob Apply": {"f:data": {"f:a": {}}},
    }


async def test_a_write_of_another_sort_takes_its_fields(door: Door) -> None:
    await applied(door, CONFIG_MAP, config_map(a="1", b="2"))
    path = place(CONFIG_MAP, "m") + "?fieldManager=editor"
    patched = await door.ask("PATCH", path, {"data": {"a": "5", "b": None}}, MERGE)
    assert managers(patched.data) == {"editor Update": {"f:data": {"f:a": {}}}}
    refused = await applied(door, CONFIG_MAP, config_map(a="1"))
    assert refused.code == 409
    assert 'conflict with "editor" using v1 at 20' in refused.data["message"]


async def test_a_write_names_its_manager_by_its_agent_when_it_says_none(door: Door) -> None:
    headers = {"user-agent": "kubectl/v1.32.4 (linux/amd64)"}
    made = await door.ask("POST", place(CONFIG_MAP), sent(CONFIG_MAP), headers)
    assert list(managers(made.data)) == ["kubectl Update"]


async def test_lists_merge_by_their_keys(door: Door) -> None:
    service: dict[str, Any] = {
        "metadata": {"name": "s"},
        "spec": {"selector": {"app": "x"}, "ports": [{"port": 80, "name": "web"}]},
    }
    await applied(door, SERVICE, service)
    other = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 443, "name": "tls"}]}}
    both = await applied(door, SERVICE, other, "bob")
    assert [port["port"] for port in both.data["spec"]["ports"]] == [443, 80]
    service["spec"]["ports"] = []
    left = await applied(door, SERVICE, service)
    assert [port["port"] for port in left.data["spec"]["ports"]] == [443]
    key = 'k:{"port":443,"protocol":"TCP"}'
    assert managers(left.data)["bob Apply"]["f:spec"]["f:ports"] == {
        key: {".": {}, "f:name": {}, "f:port": {}}
    }


async def test_a_conflict_names_the_item_of_a_list(door: Door) -> None:
    controller = sent(REPLICATION_CONTROLLER, "rc")
    controller.pop("status", None)
    await applied(door, REPLICATION_CONTROLLER, controller)
    container = controller["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "other:1"
    refused = await applied(door, REPLICATION_CONTROLLER, controller, "bob")
    assert refused.data["details"]["causes"][0]["field"] == (
        f'.spec.template.spec.containers[name="{container["name"]}"].image'
    )


async def test_scaling_takes_the_replicas_from_who_applied_them(door: Door) -> None:
    controller = sent(REPLICATION_CONTROLLER, "rc")
    controller.pop("status", None)
    await applied(door, REPLICATION_CONTROLLER, controller)
    scale = place(REPLICATION_CONTROLLER, "rc") + "/scale?fieldManager=scaler"
    assert (await door.ask("PATCH", scale, {"spec": {"replicas": 4}}, MERGE)).code == 200
    refused = await applied(door, REPLICATION_CONTROLLER, controller)
    assert 'conflict with "scaler" with subresource "scale" using v1' in refused.data["message"]
    del controller["spec"]["replicas"]
    assert (await applied(door, REPLICATION_CONTROLLER, controller)).data["spec"]["replicas"] == 4


async def test_a_scale_is_applied_as_a_field_of_the_object(door: Door) -> None:
    controller = sent(REPLICATION_CONTROLLER, "rc")
    controller.pop("status", None)
    await applied(door, REPLICATION_CONTROLLER, controller)
    path = place(REPLICATION_CONTROLLER, "rc") + "/scale?fieldManager=scaler"
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "rc"},
        "spec": {"replicas": 5},
    }
    refused = await door.ask("PATCH", path, scale, APPLY)
    assert (refused.code, refused.data["details"]["causes"][0]["field"]) == (409, ".spec.replicas")
    forced = await door.ask("PATCH", f"{path}&force=true", scale, APPLY)
    assert (forced.code, forced.data["kind"], forced.data["spec"]["replicas"]) == (200, "Scale", 5)
    left = (await door.ask("GET", place(REPLICATION_CONTROLLER, "rc"))).data
    assert managers(left)["scaler Apply"] == {"f:spec": {"f:replicas": {}}}
    missing = await door.ask("PATCH", path.replace("/rc/", "/no/"), {**scale, "metadata": {}}, APPLY)
    assert missing.code == 404


async def test_a_secret_is_applied_and_kept_sealed(door: Door) -> None:
    config: dict[str, Any] = {"metadata": {"name": "s"}, "data": {"a": "b25l", "b": "dHdv"}}
    await applied(door, SECRET, config)
    del config["data"]["b"]
    assert (await applied(door, SECRET, config)).data["data"] == {"a": "b25l"}


async def test_a_status_is_applied_at_its_own_address(door: Door) -> None:
    await created(door, POD, "p")
    config = {"metadata": {"name": "p"}, "status": {"message": "hello"}, "spec": {"nodeName": "x"}}
    told = await applied(door, POD, config, sub="/status")
    assert told.data["status"]["message"] == "hello"
    assert "nodeName" not in told.data["spec"]
    entry = next(e for e in told.data["metadata"]["managedFields"] if e["operation"] == "Apply")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:message": {}}})


async def test_a_dry_run_keeps_nothing(door: Door) -> None:
    assert (await applied(door, CONFIG_MAP, config_map(a="1"), query="&dryRun=All")).code == 201
    assert (await door.ask("GET", place(CONFIG_MAP, "m"))).code == 404


async def test_owners_can_be_rewritten_and_taken_away(door: Door) -> None:
    """As kubectl does when it turns a client-side apply into a server-side one."""
    made = await created(door, CONFIG_MAP, "m")
    moved = [{**made["metadata"]["managedFields"][0], "manager": "kubectl", "operation": "Apply"}]
    patch = [{"op": "replace", "path": "/metadata/managedFields", "value": moved}]
    headers = {"content-type": "application/json-patch+json"}
    assert list(managers((await door.ask("PATCH", place(CONFIG_MAP, "m"), patch, headers)).data)) == [
        "kubectl Apply"
    ]
    patch[0]["value"] = [{}]
    assert managers((await door.ask("PATCH", place(CONFIG_MAP, "m"), patch, headers)).data) == {}


BAD: list[tuple[dict[str, Any], str, int, str]] = [
    ({"metadata": {"name": "m"}, "data": {"a": "1"}}, "?force=true", 422, "fieldManager"),
    (
        {"metadata": {"name": "m", "managedFields": [{"manager": "x"}]}},
        "?fieldManager=a",
        400,
        "managedFields",
    ),
    ({"metadata": {"name": "other"}}, "?fieldManager=a", 400, "name"),
    ({"metadata": "m"}, "?fieldManager=a", 400, "metadata"),
    ({"metadata": {"name": ["m"]}}, "?fieldManager=a", 400, "metadata.name"),
    ({"metadata": {"name": "m"}, "dta": {"a": "1"}}, "?fieldManager=a", 400, "unknown field"),
    ({"metadata": {"name": "m"}, "data": ["a"]}, "?fieldManager=a", 400, "data"),
    ({"metadata": {"name": "m"}, "kind": "Pod"}, "?fieldManager=a", 400, "Pod"),
    ({"metadata": {"name": "m"}, "kind": ""}, "?fieldManager=a", 400, "'kind' is missing"),
    ({"metadata": {"name": "m", "uid": "1"}}, "?fieldManager=a", 409, "uid"),
    ({"metadata": {"name": "m"}}, "?fieldManager=" + "a" * 200, 422, "fieldManager"),
]


@pytest.mark.parametrize(("config", "query", "code", "words"), BAD)
async def test_a_wrong_apply_is_refused(
    door: Door, config: dict[str, Any], query: str, code: int, words: str
) -> None:
    body = yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", **config}).encode()
    refused = await door.ask("PATCH", place(CONFIG_MAP, "m") + query, body, APPLY)
    assert refused.code == code, refused.body
    assert words in refused.data["message"]


async def test_force_is_for_applies_alone(door: Door) -> None:
    await created(door, CONFIG_MAP, "m")
    refused = await door.ask("PATCH", place(CONFIG_MAP, "m") + "?force=true", {}, MERGE)
    assert (refused.code, "non-apply" in refused.data["message"]) == (422, True)
