"""What clients get wrong, and the clean refusal for each: a Status with a code, a reason and words, never a 500."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import POD, REPLICATION_CONTROLLER, SERVICE
from tests.api.doors import Door
from tests.api.test_contract import JSON_PATCH, MERGE, STRATEGIC, created, place, sent

PODS = "/api/v1/namespaces/default/pods"
YAML = {"content-type": "application/yaml"}
PROTOBUF = {"content-type": "application/vnd.kubernetes.protobuf"}

CONTAINER = {"name": "app", "image": "redis:7"}


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "sample"}, "spec": {"containers": [CONTAINER], **spec}}


# what is wrong, path, body, headers, code, words in the message
BODIES: list[tuple[str, str, Any, dict[str, str], int, str]] = [
    ("nothing", PODS, b"", {}, 400, "empty"),
    ("half of JSON", PODS, b'{"kind": "Pod"', {}, 400, "not valid JSON"),
    ("no UTF-8", PODS, b'{"a": "\xff"}', {}, 400, "not valid JSON"),
    ("no object", PODS, b"[]", {}, 400, "must be an object"),
    ("a null", PODS, b"null", {}, 400, "must be an object"),
    ("depth", PODS, b'{"a":' * 500 + b"1" + b"}" * 500, {}, 400, "deeper"),
    ("more depth", PODS, b"[" * 100_000, {}, 400, "JSON"),
    ("size", PODS, b'"' + b"x" * (4 * 2**20) + b'"', {}, 413, "too large"),
    ("a field twice", PODS, b'{"kind":"Pod","kind":"Pod","metadata":{"name":"x"},"spec":{"containers":'
     b'[{"name":"a","image":"b"}]}}', {}, 400, 'duplicate field "kind"'),
    ("half of YAML", PODS, b"kind: [", YAML, 400, "not valid YAML"),
    ("YAML's tricks", PODS, b"!!python/object:os.system x", YAML, 400, "not valid YAML"),
    ("YAML that points to itself", PODS, b"a: &x [*x]", YAML, 400, "deeper"),
    ("a YAML key twice", PODS, b"a: 1\na: 2", YAML, 400, "twice"),
    ("no protobuf", PODS, b"\x0a\x01", PROTOBUF, 415, "protobuf"),
    ("cut protobuf", PODS, b"k8s\x00\x0a\xff", PROTOBUF, 415, "protobuf"),
    ("another type", PODS, b"x", {"content-type": "text/csv"}, 415, "unknown format"),
    ("another kind", PODS, sent(SERVICE), {}, 400, "must be of type Pod"),
    ("another version", PODS, {"apiVersion": "v2", **pod()}, {}, 400, "must be of type Pod"),
    ("kind of a wrong type", PODS, {"kind": {"a": 1}, **pod()}, {}, 400, "must be of type Pod"),
    ("metadata of a wrong type", PODS, {"metadata": "x", "spec": {"containers": [CONTAINER]}}, {}, 400, "metadata"),
    ("a name of a wrong type", PODS, {"metadata": {"name": 5}, "spec": {"containers": [CONTAINER]}}, {}, 400,
     "metadata.name: Invalid value: 5: must be a string"),
    ("labels of a wrong type", PODS, {"metadata": {"name": "x", "labels": {"a": 1}}, "spec": {"containers": []}}, {},
     400, "metadata.labels[a]"),
    ("an unknown field", PODS, pod(bogus=1), {}, 400, 'strict decoding error: unknown field "spec.bogus"'),
    ("a deep unknown field", PODS, {"metadata": {"name": "x"}, "spec": {"containers": [CONTAINER | {"imagee": "x"}]}},
     {}, 400, 'unknown field "spec.containers[0].imagee"'),
    ("a missing field", PODS, {"metadata": {"name": "x"}, "spec": {}}, {}, 422, "spec.containers: Required value"),
    ("no containers", PODS, {"metadata": {"name": "x"}, "spec": {"containers": []}}, {}, 422, "spec.containers"),
    ("no name", PODS, {"spec": {"containers": [CONTAINER]}}, {}, 422, "metadata.name"),
    ("a bad name", PODS, {"metadata": {"name": "A_b"}, "spec": {"containers": [CONTAINER]}}, {}, 422,
     "metadata.name: Invalid value"),
    ("a port out of range", PODS, pod(containers=[CONTAINER | {"ports": [{"containerPort": 70000}]}]), {}, 422,
     "spec.containers[0].ports[0].containerPort"),
    ("a huge number", PODS, pod(terminationGracePeriodSeconds=10**30), {}, 400, "terminationGracePeriodSeconds"),
    ("another namespace", PODS, pod() | {"metadata": {"name": "x", "namespace": "other"}}, {}, 400, "namespace"),
    ("a namespace that is not there", "/api/v1/namespaces/nowhere/pods", pod(), {}, 404,
     'namespaces "nowhere" not found'),
    ("a version on create", PODS, pod() | {"metadata": {"name": "x", "resourceVersion": "5"}}, {}, 400,
     "resourceVersion should not be set"),
    ("a selector that misses its template", place(REPLICATION_CONTROLLER),
     sent(REPLICATION_CONTROLLER) | {"spec": {"selector": {"a": "1"}, "template": {
         "metadata": {"labels": {"a": "2"}}, "spec": {"containers": [CONTAINER]}}}}, {}, 422,
     "spec.template.metadata.labels"),
    ("all namespaces", "/api/v1/pods", pod(), {}, 405, "does not allow"),
    ("a named create", f"{PODS}/sample", pod(), {}, 405, "does not allow"),
    ("a strange dry run", f"{PODS}?dryRun=Some", pod(), {}, 400, "dryRun"),
    ("a strange validation", f"{PODS}?fieldValidation=Sometimes", pod(), {}, 400, "fieldValidation"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "headers", "code", "words"),
    [case[1:] for case in BODIES],
    ids=[case[0] for case in BODIES],
)
async def test_a_body_that_cannot_be_is_refused(
    door: Door, path: str, body: Any, headers: dict[str, str], code: int, words: str
) -> None:
    reply = await door.ask("POST", path, body, headers)
    status(reply, code, words)
    assert (await door.ask("GET", PODS)).data["items"] == [], "nothing is half applied"


def status(reply: Any, code: int, words: str = "") -> dict[str, Any]:
    """The reply is a proper Status."""
    assert reply.code == code, reply.body
    data: dict[str, Any] = reply.data
    assert (data["kind"], data["apiVersion"], data["status"]) == ("Status", "v1", "Failure")
    assert data["code"] == code
    assert data["reason"]
    assert words in data["message"]
    return data


# path, code, words
PATHS: list[tuple[str, int, str]] = [
    ("/api/v1/nosuch", 404, "the server could not find the requested resource"),
    ("/api/v2/pods", 404, "the server could not find the requested resource"),
    ("/apis/nosuch/v1/things", 404, "the server could not find the requested resource"),
    ("/apis/rbac.authorization.k8s.io/v1/pods", 404, "the server could not find"),
    ("/api/v1/namespaces/default/nodes", 404, "the server could not find"),
    ("/api/v1/pods/sample", 404, "the server could not find"),
    ("/api/v1/namespaces/default/pods/x/nosuch", 404, "the server could not find"),
    ("/api/v1/namespaces/default/services/x/log", 404, "the server could not find"),
    ("/api/v1/namespaces/default/pods/x/status/more", 404, "the server could not find"),
    ("/api/v1//pods", 404, "the server could not find"),
    ("/api/v1/namespaces/default/pods/../secrets", 404, "the server could not find"),
    ("/openapi/v3/api/v9", 404, "the server could not find"),
    ("/openapi/v2", 406, "v3"),
    (f"{PODS}/nosuch", 404, 'pods "nosuch" not found'),
    (f"{PODS}/nosuch/log", 404, 'pods "nosuch" not found'),
    (f"{PODS}?labelSelector=a%3D%3D%3Db", 400, "label selector"),
    (f"{PODS}?labelSelector=-a", 400, "label"),
    (f"{PODS}?labelSelector=a%20in%20(", 400, "label selector"),
    (f"{PODS}?fieldSelector=spec.nodeName", 400, "field selector"),
    (f"{PODS}?fieldSelector=spec.bogus%3Dx", 400, "field label not supported"),
    (f"{PODS}?watch=1&fieldSelector=spec.bogus%3Dx", 400, "field label not supported"),
    (f"{PODS}?watch=1&labelSelector=%3D", 400, "label selector"),
    (f"{PODS}?watch=1&timeoutSeconds=soon", 400, "timeoutSeconds"),
    (f"{PODS}?watch=maybe", 400, "watch"),
    (f"{PODS}?limit=-1", 400, "limit"),
    (f"{PODS}?limit=many", 400, "limit"),
    (f"{PODS}?limit=99999999999999999999", 400, "limit"),
    (f"{PODS}?limit=5&continue=bogus", 400, "continue"),
    (f"{PODS}?continue=eyJhIjogMX0%3D", 400, "continue"),
    (f"{PODS}?continue=%ff", 400, "query"),
    (f"{PODS}?resourceVersion=abc", 400, "resourceVersion"),
    (f"{PODS}?resourceVersion=99999", 504, "Too large resource version"),
    (f"{PODS}?resourceVersion=99999&limit=5", 504, "Too large resource version"),
    (f"{PODS}/x?resourceVersion=abc", 400, "resourceVersion"),
    (f"{PODS}?resourceVersionMatch=Exact", 422, "unless resourceVersion is provided"),
    (f"{PODS}?resourceVersion=0&resourceVersionMatch=Exact", 422, "forbidden for resourceVersion"),
    (f"{PODS}?watch=1&resourceVersion=1&resourceVersionMatch=Exact", 422, "forbidden for watch"),
    (f"{PODS}?resourceVersion=1&resourceVersionMatch=Never", 422, "resourceVersionMatch"),
    (f"{PODS}?watch=1&resourceVersion=-1", 400, "resourceVersion"),
]


@pytest.mark.parametrize(("path", "code", "words"), PATHS)
async def test_an_address_or_question_that_cannot_be_is_refused(
    door: Door, path: str, code: int, words: str
) -> None:
    status(await door.ask("GET", path), code, words)


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "BREW"])
async def test_other_methods_are_refused(door: Door, method: str) -> None:
    status(await door.ask(method, PODS), 405)


async def test_a_form_that_is_not_served_is_refused(door: Door) -> None:
    status(await door.ask("GET", PODS, headers={"accept": "image/png"}), 406, "accepted")
    status(await door.ask("GET", PODS, headers={"accept": "application/vnd.kubernetes.protobuf"}), 406)
    wide = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    status(await door.ask("GET", f"{PODS}?includeObject=Some", headers=wide), 400, "includeObject")


# patch headers, patch, code, words
PATCHES: list[tuple[dict[str, str], Any, int, str]] = [
    (MERGE, b"{", 400, "not valid JSON"),
    (MERGE, [], 400, "malformed"),
    (MERGE, {"spec": {"bogus": 1}}, 400, 'unknown field "spec.bogus"'),
    (MERGE, {"spec": {"containers": "x"}}, 400, "spec.containers"),
    (MERGE, {"spec": None}, 422, "spec"),
    (MERGE, {"metadata": {"uid": "another"}}, 409, "the UID in the request"),
    (MERGE, {"metadata": {"resourceVersion": "x"}}, 400, "metadata.resourceVersion"),
    (MERGE, {"kind": "Service"}, 400, "must be of type Pod"),
    (STRATEGIC, {"spec": {"containers": [{"image": "x"}]}}, 400, "merge key"),
    (STRATEGIC, {"spec": {"$patch": "explode"}}, 400, "$patch"),
    (JSON_PATCH, {}, 400, "list of operations"),
    (JSON_PATCH, [{"op": "replace", "path": "/spec/nope", "value": 1}], 422, "does not apply"),
    (JSON_PATCH, [{"op": "test", "path": "/kind", "value": "x"}], 422, "does not apply"),
    (JSON_PATCH, [{"op": "replace", "path": "", "value": 1}], 400, "must be an object"),
    ({"content-type": "application/apply-patch+yaml"}, b"a: 1", 422, "is required for apply patch"),
    ({"content-type": "application/json"}, {}, 415, "unknown format"),
    ({}, {}, 415, "unknown format"),
]


@pytest.mark.parametrize(("headers", "patch", "code", "words"), PATCHES)
async def test_a_patch_that_cannot_be_is_refused(
    door: Door, headers: dict[str, str], patch: Any, code: int, words: str
) -> None:
    before = await created(door, POD)
    status(await door.ask("PATCH", f"{PODS}/sample", patch, headers), code, words)
    assert (await door.ask("GET", f"{PODS}/sample")).data == before


# body, code, words
DELETES: list[tuple[Any, int, str]] = [
    (b"{", 400, "not valid JSON"),
    ({"gracePeriodSeconds": -1}, 400, "gracePeriodSeconds"),
    ({"gracePeriodSeconds": "soon"}, 400, "gracePeriodSeconds"),
    ({"propagationPolicy": "Sideways"}, 400, "propagationPolicy"),
    ({"bogus": 1}, 400, "bogus"),
    ({"dryRun": ["Some"]}, 400, "dryRun"),
    ({"kind": "Pod"}, 400, "DeleteOptions"),
    ([], 400, "must be an object"),
]


@pytest.mark.parametrize(("body", "code", "words"), DELETES)
async def test_a_delete_that_cannot_be_is_refused(door: Door, body: Any, code: int, words: str) -> None:
    before = await created(door, POD)
    status(await door.ask("DELETE", f"{PODS}/sample", body), code, words)
    assert (await door.ask("GET", f"{PODS}/sample")).data == before


async def test_a_taken_node_port_names_its_field(door: Door) -> None:
    port = types.ServicePort(port=80, node_port=30061)
    await created(door, SERVICE, spec__type="NodePort", spec__ports=[port])
    reply = await door.ask(
        "POST", place(SERVICE), sent(SERVICE, "other", spec__type="NodePort", spec__ports=[port])
    )
    data = status(reply, 422)
    assert data["message"] == (
        'Service "other" is invalid: spec.ports[0].nodePort: Invalid value: 30061: '
        "provided port is already allocated"
    )
    assert data["details"]["causes"][0]["field"] == "spec.ports[0].nodePort"


async def test_every_problem_is_named_at_once(door: Door) -> None:
    data = status(await door.ask("POST", PODS, pod(bogus=1, hostNetwork="yes", nodeSelector=[])), 400)
    fields = {cause["field"] for cause in data["details"]["causes"]}
    assert fields == {"spec.bogus", "spec.hostNetwork", "spec.nodeSelector"}
