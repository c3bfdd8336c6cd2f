"""What holds for every kind, through both adapters."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.registry import Kind, all_kinds
from tests.api.doors import Door, take
from tests.builders import build

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
PARTIAL = {"accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"}
MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"content-type": "application/json-patch+json"}

each_kind = pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.key)


def place(kind: Kind, name: str = "", namespace: str = "default") -> str:
    """The address of a kind's objects, or of one."""
    base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scope = f"/namespaces/{namespace}" if kind.namespaced else ""
    return f"{base}{scope}/{kind.plural}" + (f"/{name}" if name else "")


def sent(kind: Kind, name: str = "sample", **changes: Any) -> dict[str, Any]:
    """A valid object as a client writes it."""
    data: dict[str, Any] = types.to_data(build(kind, name=name, **changes))
    return data


async def created(door: Door, kind: Kind, name: str = "sample", **changes: Any) -> dict[str, Any]:
    reply = await door.ask("POST", place(kind), sent(kind, name, **changes))
    assert reply.code == 201, reply.body
    data: dict[str, Any] = reply.data
    return data


@each_kind
async def test_what_was_created_is_got_and_listed(door: Door, kind: Kind) -> None:
    made = await created(door, kind)
    assert made["kind"] == kind.name
    assert made["apiVersion"] == kind.api_version
    assert made["metadata"]["uid"]
    assert made["metadata"]["creationTimestamp"]
    got = await door.ask("GET", place(kind, "sample"))
    assert (got.code, got.data) == (200, made)
    listed = await door.ask("GET", place(kind) + "/?fieldSelector=metadata.name%3Dsample")
    assert listed.data["kind"] == f"{kind.name}List"
    assert listed.data["items"] == [made]
    assert int(listed.data["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])


@each_kind
async def test_a_name_is_given_once(door: Door, kind: Kind) -> None:
    await created(door, kind)
    again = await door.ask("POST", place(kind), sent(kind))
    assert (again.code, again.data["reason"]) == (409, "AlreadyExists")
    assert again.data["message"] == f'{kind.key} "sample" already exists'


@each_kind
async def test_an_update_changes_and_a_stale_one_is_refused(door: Door, kind: Kind) -> None:
    made = await created(door, kind)
    made["metadata"]["labels"] = {"seen": "1"}
    first = await door.ask("PUT", place(kind, "sample"), made)
    assert (first.code, first.data["metadata"]["labels"]["seen"]) == (200, "1")
    made["metadata"]["labels"] = {"seen": "2"}
    stale = await door.ask("PUT", place(kind, "sample"), made)
    assert (stale.code, stale.data["reason"]) == (409, "Conflict")
    assert stale.data["message"] == (
        f'Operation cannot be fulfilled on {kind.key} "sample": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert (await door.ask("GET", place(kind, "sample"))).data == first.data


@each_kind
@pytest.mark.parametrize(
    ("headers", "patch"),
    [
        (MERGE, {"metadata": {"labels": {"seen": "1"}}}),
        (STRATEGIC, {"metadata": {"labels": {"$patch": "replace", "seen": "1"}}}),
        (JSON_PATCH, [{"op": "add", "path": "/metadata/labels", "value": {"seen": "1"}}]),
    ],
    ids=["merge", "strategic", "json"],
)
async def test_each_patch_type_changes_labels(door: Door, kind: Kind, headers: Any, patch: Any) -> None:
    made = await created(door, kind, labels={})
    patched = await door.ask("PATCH", place(kind, "sample"), patch, headers)
    assert patched.code == 200, patched.body
    assert patched.data["metadata"]["labels"]["seen"] == "1"
    assert patched.data["metadata"]["uid"] == made["metadata"]["uid"]
    assert int(patched.data["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    again = await door.ask("PATCH", place(kind, "sample"), patch, headers)
    assert again.data == patched.data, "what changes nothing is not written"


@each_kind
async def test_a_patch_with_a_stale_version_is_refused(door: Door, kind: Kind) -> None:
    await created(door, kind)
    patch = {"metadata": {"labels": {"seen": "1"}, "resourceVersion": "1"}}
    assert (await door.ask("PATCH", place(kind, "sample"), patch, MERGE)).code == 409


@each_kind
async def test_a_dry_run_answers_and_keeps_nothing(door: Door, kind: Kind) -> None:
    dry = await door.ask("POST", place(kind) + "?dryRun=All", sent(kind))
    assert (dry.code, "resourceVersion" in dry.data["metadata"]) == (201, False)
    assert (await door.ask("GET", place(kind, "sample"))).code == 404
    made = await created(door, kind)
    patch, apply = {"metadata": {"labels": {"seen": "1"}}}, {"content-type": "application/apply-patch+yaml"}
    for headers, body in ((MERGE, patch), (apply, {"apiVersion": kind.api_version, "kind": kind.name, **patch})):
        tried = await door.ask("PATCH", place(kind, "sample") + "?dryRun=All&fieldManager=m", body, headers)
        assert tried.data["metadata"]["labels"]["seen"] == "1"
        assert tried.data["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


@each_kind
async def test_an_unknown_field_is_refused_warned_of_or_dropped(door: Door, kind: Kind) -> None:
    data = sent(kind) | {"bogus": 1}
    strict = await door.ask("POST", place(kind), data)
    assert strict.code == 400
    assert 'strict decoding error: unknown field "bogus"' in strict.data["message"]
    assert strict.data["details"]["causes"][0]["field"] == "bogus"
    assert (await door.ask("GET", place(kind, "sample"))).code == 404, "nothing is half applied"
    warned = await door.ask("POST", place(kind) + "?fieldValidation=Warn&dryRun=All", data)
    assert (warned.code, warned.headers["warning"]) == (201, '299 - "unknown field \\"bogus\\""')
    ignored = await door.ask("POST", place(kind) + "?fieldValidation=Ignore", data)
    assert ignored.code == 201
    assert "warning" not in ignored.headers
    assert "bogus" not in ignored.data


@each_kind
async def test_what_was_deleted_is_gone(door: Door, kind: Kind) -> None:
    await created(door, kind)
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
    deleted = await door.ask("DELETE", place(kind, "sample"), options)
    assert deleted.code == 200
    if kind.key == "namespaces":
        assert deleted.data["status"]["phase"] == "Terminating"
        return
    assert deleted.data["status"] == "Success"
    gone = await door.ask("GET", place(kind, "sample"))
    assert (gone.code, gone.data["reason"]) == (404, "NotFound")
    assert gone.data["message"] == f'{kind.key} "sample" not found'
    assert (await door.ask("DELETE", place(kind, "sample"))).code == 404


@each_kind
async def test_a_delete_of_another_life_is_refused(door: Door, kind: Kind) -> None:
    await created(door, kind)
    reply = await door.ask("DELETE", place(kind, "sample"), {"preconditions": {"uid": "another"}})
    assert (reply.code, reply.data["reason"]) == (409, "Conflict")


@each_kind
async def test_a_table_has_a_cell_for_each_column(door: Door, kind: Kind) -> None:
    await created(door, kind)
    table = (await door.ask("GET", place(kind), headers=TABLE)).data
    names = [column["name"] for column in table["columnDefinitions"]]
    assert table["kind"] == "Table"
    row = next(row for row in table["rows"] if row["cells"][names.index("Name")] == "sample")
    assert len(row["cells"]) == len(names)
    assert row["object"]["kind"] == "PartialObjectMetadata"
    one = (await door.ask("GET", place(kind, "sample") + "?includeObject=Object", headers=TABLE)).data
    assert one["rows"][0]["object"] == (await door.ask("GET", place(kind, "sample"))).data
    partial = (await door.ask("GET", place(kind, "sample"), headers=PARTIAL)).data
    assert set(partial) == {"kind", "apiVersion", "metadata"}


@each_kind
async def test_a_watch_tells_each_change_once_and_in_order(door: Door, kind: Kind) -> None:
    before = (await door.ask("GET", place(kind))).data["metadata"]["resourceVersion"]
    made = await created(door, kind)
    async with door.stream(f"{place(kind)}?watch=1&resourceVersion={before}") as lines:
        assert await take(lines, 1) == [{"type": "ADDED", "object": made}]
        patch = {"metadata": {"labels": {"seen": "1"}}}
        patched = await door.ask("PATCH", place(kind, "sample"), patch, MERGE)
        other = await created(door, kind, "other")
        events = await take(lines, 2)
        assert events == [
            {"type": "MODIFIED", "object": patched.data},
            {"type": "ADDED", "object": other},
        ]
        await door.ask("DELETE", place(kind, "sample"), {"gracePeriodSeconds": 0})
        (deleted,) = await take(lines, 1)
        assert deleted["type"] == ("MODIFIED" if kind.key == "namespaces" else "DELETED")
        numbers = [int(event["object"]["metadata"]["resourceVersion"]) for event in [*events, deleted]]
        assert numbers == sorted(set(numbers)), "DELETED carries a number of its own"


@each_kind
async def test_a_watch_without_a_number_begins_with_what_is_there(door: Door, kind: Kind) -> None:
    made = await created(door, kind)
    async with door.stream(f"{place(kind, 'sample')}?watch=true") as lines:
        assert await take(lines, 1) == [{"type": "ADDED", "object": made}]


@each_kind
async def test_a_name_or_namespace_that_contradicts_the_path_is_refused(door: Door, kind: Kind) -> None:
    await created(door, kind)
    data = sent(kind, "another")
    assert (await door.ask("PUT", place(kind, "sample"), data)).code == 400
    patch = {"metadata": {"name": "another"}}
    assert (await door.ask("PATCH", place(kind, "sample"), patch, MERGE)).code == 400
    if kind.namespaced:
        data["metadata"]["namespace"] = "elsewhere"
        assert (await door.ask("POST", place(kind), data)).code == 400
