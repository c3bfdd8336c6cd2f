"""How objects go: evicted, held by finalizers, under conditions, many at once; and names that are made up."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import store
from apps.cluster.kinds import CONFIG_MAP, POD, POD_DISRUPTION_BUDGET
from apps.cluster.work import in_db
from tests.api.doors import Door
from tests.api.test_contract import MERGE, created, place, sent

MAPS = place(CONFIG_MAP)
EVICTION = place(POD, "p") + "/eviction"
# A policy/v1 Eviction of pod p in default with gracePeriodSeconds 0, as clients that speak protobuf send it.
FRAMED = bytes.fromhex(
    "6b3873000a150a09706f6c6963792f763112084576696374696f6e12120a0c0a01701a0764656661756c7412020800"
)


async def test_an_eviction_deletes_the_pod_with_its_grace(door: Door) -> None:
    await created(door, POD, "p")
    await door.ask("POST", place(POD, "p") + "/binding", {"target": {"name": "n"}})
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"}}
    tried = await door.ask("POST", f"{EVICTION}?dryRun=All", body)
    assert (tried.code, tried.data["status"]) == (201, "Success")
    assert "deletionTimestamp" not in (await door.ask("GET", place(POD, "p"))).data["metadata"]
    assert (await door.ask("POST", EVICTION, body)).code == 201
    meta = (await door.ask("GET", place(POD, "p"))).data["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 30


async def test_an_eviction_comes_as_protobuf_too(door: Door) -> None:
    await created(door, POD, "p")
    headers = {"content-type": "application/vnd.kubernetes.protobuf"}
    evicted = await door.ask("POST", EVICTION, FRAMED, headers)
    assert evicted.code == 201, evicted.body
    assert (await door.ask("GET", place(POD, "p"))).code == 404


async def test_an_eviction_that_a_budget_forbids_is_told_to_come_again(door: Door) -> None:
    made = await created(door, POD, "p")
    await created(door, POD_DISRUPTION_BUDGET, "web")
    made["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    assert (await door.ask("PUT", place(POD, "p") + "/status", made)).code == 200
    refused = await door.ask("POST", EVICTION, {"apiVersion": "policy/v1", "kind": "Eviction"})
    assert (refused.code, refused.data["reason"]) == (429, "TooManyRequests")
    assert refused.data["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget web needs 1 healthy pods and has 1 currently",
        }
    ]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"deleteOptions": {"preconditions": {"uid": "another"}}}, 409, "UID in the precondition"),
        ({"deleteOptions": {"gracePeriodSeconds": -1}}, 400, "gracePeriodSeconds"),
        ({"deleteOptions": {"dryRun": ["Some"]}}, 400, "dryRun"),
        ({"metadata": {"name": "q"}}, 400, "does not match"),
        ({"apiVersion": "policy/v9"}, 400, "policy/v9"),
        ({"colour": "red"}, 400, "unknown field"),
    ],
)
async def test_an_eviction_that_cannot_be_is_refused(
    door: Door, body: dict[str, Any], code: int, words: str
) -> None:
    await created(door, POD, "p")
    refused = await door.ask("POST", EVICTION, body)
    assert (refused.code, words in refused.data["message"]) == (code, True), refused.body
    assert (await door.ask("GET", place(POD, "p"))).code == 200


async def test_an_object_goes_with_its_last_finalizer(door: Door) -> None:
    made = sent(CONFIG_MAP, "m")
    made["metadata"]["finalizers"] = ["example.org/a", "example.org/b"]
    await door.ask("POST", MAPS, made)
    assert (await door.ask("DELETE", f"{MAPS}/m")).data["metadata"]["deletionTimestamp"]
    held = await door.ask("PATCH", f"{MAPS}/m", {"metadata": {"finalizers": ["example.org/b"]}}, MERGE)
    assert held.data["metadata"]["finalizers"] == ["example.org/b"]
    assert (await door.ask("PATCH", f"{MAPS}/m", {"metadata": {"finalizers": None}}, MERGE)).code == 200
    assert (await door.ask("GET", f"{MAPS}/m")).code == 404


async def test_preconditions_hold_a_deletion_back(door: Door) -> None:
    made = await created(door, CONFIG_MAP, "m")
    for wanted in ({"uid": "x"}, {"resourceVersion": "1"}):
        assert (await door.ask("DELETE", f"{MAPS}/m", {"preconditions": wanted})).code == 409
    meta = made["metadata"]
    right = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    assert (await door.ask("DELETE", f"{MAPS}/m", {"preconditions": right})).code == 200


async def test_many_go_by_selector_and_a_dry_run_keeps_them(door: Door) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        made = sent(CONFIG_MAP, name)
        made["metadata"]["labels"] = {"tier": tier}
        await door.ask("POST", MAPS, made)

    async def left() -> list[str]:
        return [item["metadata"]["name"] for item in (await door.ask("GET", MAPS)).data["items"]]

    assert (await door.ask("DELETE", f"{MAPS}?labelSelector=tier%3Dx&dryRun=All")).code == 200
    assert (await door.ask("DELETE", f"{MAPS}?labelSelector=tier%3Dx", {"dryRun": ["All"]})).code == 200
    assert await left() == ["a", "b", "c"]
    await door.ask("DELETE", f"{MAPS}?labelSelector=tier%3Dx&fieldSelector=metadata.name!%3Db")
    assert await left() == ["b", "c"]
    await door.ask("DELETE", MAPS, {"propagationPolicy": "Foreground"})
    for name in ("b", "c"):
        gone = await door.ask("GET", f"{MAPS}/{name}")
        assert gone.data["metadata"]["finalizers"] == ["foregroundDeletion"]


async def test_a_made_up_name_that_is_taken_is_made_up_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = iter("bbbbb" + "bbbbb" + "ccccc")
    monkeypatch.setattr("apps.cluster.names.secrets.choice", lambda _: next(letters))
    made = sent(CONFIG_MAP, "")
    made["metadata"].pop("name", None)
    made["metadata"]["generateName"] = "m-"
    names = [(await door.ask("POST", MAPS, made)).data["metadata"]["name"] for _ in range(2)]
    assert names == ["m-bbbbb", "m-ccccc"]
    assert await in_db(store.find, CONFIG_MAP, "default", "m-ccccc")
