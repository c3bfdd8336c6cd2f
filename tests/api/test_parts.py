"""Status, scale, binding, log; paging, deletion of many, reviews; who may ask at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from apps.accounts import tokens
from apps.cluster import types
from apps.cluster.errors import BadRequest
from apps.cluster.kinds import CONFIG_MAP, POD, REPLICATION_CONTROLLER, ROLE, ROLE_BINDING, SECRET
from apps.cluster.work import in_db
from tests.api.doors import AsgiDoor, Door, DrfDoor
from tests.api.test_bad_input import status
from tests.api.test_contract import MERGE, created, place, sent

RC = place(REPLICATION_CONTROLLER, "sample")
YAML = {"content-type": "application/yaml"}


async def test_status_and_the_rest_are_written_apart(door: Door) -> None:
    made = await created(door, REPLICATION_CONTROLLER)
    patch = {"spec": {"replicas": 7}, "status": {"replicas": 3}}
    status_patched = (await door.ask("PATCH", f"{RC}/status", patch, MERGE)).data
    assert (status_patched["spec"]["replicas"], status_patched["status"]["replicas"]) == (1, 3)
    assert status_patched["metadata"]["generation"] == made["metadata"]["generation"]
    patched = (await door.ask("PATCH", RC, {"spec": {"replicas": 5}, "status": {"replicas": 9}}, MERGE)).data
    assert (patched["spec"]["replicas"], patched["status"]["replicas"]) == (5, 3)
    assert patched["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert (await door.ask("GET", f"{RC}/status")).data == patched
    put = await door.ask("PUT", f"{RC}/status", patched | {"status": {"replicas": 5}})
    assert put.data["status"]["replicas"] == 5


async def test_scale_is_read_and_written(door: Door) -> None:
    await created(door, REPLICATION_CONTROLLER)
    scale = (await door.ask("GET", f"{RC}/scale")).data
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]["selector"]) == ({"replicas": 1}, "app=sample")
    scale["spec"]["replicas"] = 4
    put = await door.ask("PUT", f"{RC}/scale", scale)
    assert (put.code, put.data["spec"]["replicas"]) == (200, 4)
    status(await door.ask("PUT", f"{RC}/scale", scale), 409)
    patched = await door.ask("PATCH", f"{RC}/scale", {"spec": {"replicas": 0}}, MERGE)
    assert patched.data["spec"]["replicas"] == 0
    assert (await door.ask("GET", RC)).data["spec"]["replicas"] == 0
    for wrong in (-1, "many", None, 2**40):
        reply = await door.ask("PATCH", f"{RC}/scale", {"spec": {"replicas": wrong}}, MERGE)
        assert reply.code in {200, 400, 422}
        assert (reply.code == 200) is (wrong is None)
    status(
        await door.ask("PATCH", f"{RC}/scale", {"spec": {"bogus": 1}}, MERGE),
        400,
        'unknown field "spec.bogus"',
    )


async def test_a_pod_is_bound_once(door: Door) -> None:
    await created(door, POD)
    path = place(POD, "sample") + "/binding"
    status(await door.ask("POST", path, {"target": {"kind": "Pod", "name": "x"}}), 422, "target.kind")
    status(await door.ask("POST", path, {}), 422, "target.name")
    status(await door.ask("POST", path, {"metadata": {"name": "other"}, "target": {"name": "n1"}}), 400)
    assert (await door.ask("POST", path, {"target": {"kind": "Node", "name": "n1"}})).code == 201
    status(await door.ask("POST", path, {"target": {"kind": "Node", "name": "n2"}}), 409, "already assigned")
    assert (await door.ask("GET", place(POD, "sample"))).data["spec"]["nodeName"] == "n1"
    status(await door.ask("GET", path), 405)


async def test_logs_come_from_the_node(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def logs(*question: Any) -> AsyncIterator[bytes]:
        asked.append(question)
        if question[3] == "app-2":
            raise BadRequest('container "app-2" in pod "sample" is waiting to start: ContainerCreating')
        yield b"one\n"
        yield b"two\n"

    monkeypatch.setattr("apps.nodes.door.logs", logs)
    path = place(POD, "sample") + "/log"
    data = sent(POD)
    data["spec"]["containers"].append({"name": "app-2", "image": "redis:7"})
    await door.ask("POST", place(POD), data)
    status(
        await door.ask("GET", path),
        400,
        "a container name must be specified for pod sample, choose one of: [app",
    )
    status(await door.ask("GET", path + "?container=nope"), 400, "container nope is not valid for pod sample")
    status(await door.ask("GET", path + "?container=app"), 400, "does not have a host assigned")
    await door.ask("POST", place(POD, "sample") + "/binding", {"target": {"name": "n1"}})
    for wrong in (
        "tailLines=some",
        "follow=perhaps",
        "sinceTime=noon",
        "sinceTime=2026-01-01T00:00:00Z&sinceSeconds=1",
    ):
        status(await door.ask("GET", f"{path}?container=app&{wrong}"), 400)
    if isinstance(door, AsgiDoor):
        status(await door.ask("GET", path + "?container=app-2"), 400, "is waiting to start")
        reply = await door.ask("GET", path + "?container=app&tailLines=5&follow=true")
        assert (reply.code, reply.body) == (200, b"one\ntwo\n")
        assert reply.headers["content-type"].startswith("text/plain")
        assert asked[-1] == ("n1", "default", "sample", "app", {"follow": "true", "tailLines": "5"})


async def test_long_lists_come_in_pages(door: Door) -> None:
    for number in range(5):
        await created(door, CONFIG_MAP, f"map-{number}")
    names, token = [], ""
    while True:
        page = (await door.ask("GET", place(CONFIG_MAP) + f"?limit=2&continue={token}")).data
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
        assert page["metadata"]["remainingItemCount"] == 5 - len(names)
    assert names == [f"map-{number}" for number in range(5)]


async def test_many_are_deleted_by_selector(door: Door) -> None:
    for number in range(3):
        await created(door, CONFIG_MAP, f"map-{number}", labels={"odd": str(number % 2)})
    deleted = await door.ask("DELETE", place(CONFIG_MAP) + "?labelSelector=odd%3D0")
    assert [item["metadata"]["name"] for item in deleted.data["items"]] == ["map-0", "map-2"]
    left = (await door.ask("GET", place(CONFIG_MAP))).data["items"]
    assert [item["metadata"]["name"] for item in left] == ["map-1"]


async def test_yaml_goes_both_ways(door: Door) -> None:
    body = b"metadata: {name: sample}\ndata: {a: '1', day: 2026-01-31}\n"
    made = await door.ask("POST", place(CONFIG_MAP), body, YAML | {"accept": "application/yaml"})
    assert (made.code, made.headers["content-type"]) == (201, "application/yaml")
    assert b"day: '2026-01-31'" in made.body


async def test_a_body_without_a_type_is_json(door: Door) -> None:
    assert (await door.ask("POST", place(CONFIG_MAP), sent(CONFIG_MAP), {"content-type": ""})).code == 201


async def test_what_is_sealed_is_served_to_whoever_may_read_it(door: Door) -> None:
    await created(door, SECRET)
    assert (await door.ask("GET", place(SECRET, "sample"))).data["data"] == {"password": "aHVudGVyMg=="}
    listed = (await door.ask("GET", place(SECRET))).data["items"]
    assert listed[0]["data"] == {"password": "aHVudGVyMg=="}


async def test_nobody_may_do_anything(door: Door) -> None:
    await created(door, SECRET)
    nobody = type(door)("")
    for method, path in (
        ("GET", place(SECRET)),
        ("GET", "/api"),
        ("GET", "/openapi/v3"),
        ("POST", place(SECRET)),
    ):
        reply = await nobody.ask(method, path)
        assert status(reply, 401)["reason"] == "Unauthorized"
        assert reply.headers["www-authenticate"].startswith("Bearer")
    assert (await nobody.ask("GET", "/healthz")).body == b"ok"
    assert (await nobody.ask("GET", "/version/")).data["gitVersion"].startswith("v1.32.")
    wrong = type(door)("drv_wrong")
    status(await wrong.ask("GET", "/api"), 401)
    status(await nobody.ask("GET", f"/api?token={door.token}"), 401)


async def test_rights_end_at_the_namespace(door: Door) -> None:
    await door.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    rule = types.PolicyRule(verbs=["get", "list", "watch"], api_groups=[""], resources=["configmaps"])
    for kind, changes in (
        (ROLE, {"rules": [rule]}),
        (ROLE_BINDING, {"role_ref": types.RoleRef("rbac.authorization.k8s.io", "Role", "sample")}),
    ):
        body = sent(kind, namespace="team", **changes)
        assert (await door.ask("POST", place(kind, namespace="team"), body)).code == 201
    await created(door, CONFIG_MAP)
    await created(door, SECRET)
    ann = type(door)(await in_db(tokens.issue, "ann", ["system:authenticated"]))
    assert (await ann.ask("GET", place(CONFIG_MAP, namespace="team"))).code == 200
    message = status(await ann.ask("GET", place(SECRET, namespace="team")), 403)["message"]
    assert message == (
        'secrets is forbidden: User "ann" cannot list resource "secrets" in API group "" in the namespace "team"'
    )
    status(
        await ann.ask("POST", place(CONFIG_MAP, namespace="team"), sent(CONFIG_MAP, namespace="team")), 403
    )
    status(await ann.ask("GET", place(CONFIG_MAP, "sample")), 404, 'configmaps "sample" not found')
    status(await ann.ask("DELETE", place(SECRET, "sample")), 404)
    status(await ann.ask("GET", place(SECRET)), 403)
    may = {"spec": {"resourceAttributes": {"verb": "list", "resource": "configmaps", "namespace": "team"}}}
    reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert (await ann.ask("POST", reviews, may)).data["status"]["allowed"] is True
    may["spec"]["resourceAttributes"]["namespace"] = "default"
    assert (await ann.ask("POST", reviews, may)).data["status"]["allowed"] is False
    who = (await ann.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})).data
    assert who["status"]["userInfo"]["username"] == "ann"
    status(await ann.ask("POST", reviews, {"spec": {}}), 400)
    status(await ann.ask("POST", reviews, {"spec": {"resourceAttributes": {"verb": 5}}}), 400)


async def test_openapi_names_every_kind_and_keeps_its_tag(door: Door) -> None:
    index = await door.ask("GET", "/openapi/v3")
    path = index.data["paths"]["api/v1"]["serverRelativeURL"]
    document = await door.ask("GET", path)
    names = {
        gvk["kind"]
        for schema in document.data["components"]["schemas"].values()
        for gvk in schema.get("x-kubernetes-group-version-kind", ())
    }
    assert {"Pod", "Service", "ReplicationController", "Node", "Secret"} <= names
    assert "anyOf" not in document.body.decode()
    patch = document.data["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    again = await door.ask("GET", "/openapi/v3", headers={"if-none-match": index.headers["etag"]})
    assert (again.code, again.body) == (304, b"")


async def test_discovery_speaks_both_dialects(door: Door) -> None:
    form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    whole = await door.ask("GET", "/api", headers={"accept": f"{form},application/json"})
    assert whole.headers["content-type"] == form
    resources = whole.data["items"][0]["versions"][0]["resources"]
    pods = next(resource for resource in resources if resource["resource"] == "pods")
    assert {part["subresource"] for part in pods["subresources"]} >= {"binding", "log", "status"}
    plain = (await door.ask("GET", "/api/v1/")).data
    assert {"pods", "pods/log", "replicationcontrollers/scale"} <= {r["name"] for r in plain["resources"]}
    assert (await door.ask("GET", "/apis")).data["kind"] == "APIGroupList"
    assert (await door.ask("GET", "/apis/rbac.authorization.k8s.io")).data["kind"] == "APIGroup"


async def test_a_browser_reads_pages_and_is_sent_to_log_in(admin: str) -> None:
    page = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    known = await DrfDoor(admin).ask("GET", place(CONFIG_MAP), headers=page)
    assert (known.code, known.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"ConfigMapList" in known.body
    unknown = await DrfDoor("").ask("GET", place(CONFIG_MAP), headers=page)
    assert (unknown.code, unknown.headers["location"].partition("?")[0]) == (302, "/login")
    missing = await DrfDoor(admin).ask("GET", place(CONFIG_MAP, "nosuch"), headers=page)
    assert missing.code == 404


async def test_a_session_changes_things_only_from_its_own_pages(admin: str) -> None:
    door = AsgiDoor("")
    cookie = {"cookie": "drover-sessionid-8000=x", "host": "here"}
    foreign = {**cookie, "origin": "http://elsewhere", "x-csrftoken": "t"}
    status(await door.ask("POST", place(CONFIG_MAP), sent(CONFIG_MAP), foreign), 403, "another site")
    bare = {**cookie, "origin": "http://here"}
    status(await door.ask("POST", place(CONFIG_MAP), sent(CONFIG_MAP), bare), 403, "X-CSRFToken")
    status(await door.ask("GET", place(CONFIG_MAP), headers=cookie), 401)


PATCHES = [
    ("application/strategic-merge-patch+json", {"spec": {"ephemeralContainers": [{"name": "two", "image": "b"}]}}),
    (
        "application/json-patch+json",
        [{"op": "add", "path": "/spec/ephemeralContainers/-", "value": {"name": "two", "image": "b"}}],
    ),
]


async def test_containers_that_look_at_others_are_only_ever_added(door: Door) -> None:
    """Put at first, then patched in every way; nothing else of the pod is taken on the way."""
    path, looking = place(POD, "sample"), place(POD, "sample") + "/ephemeralcontainers"
    made = await created(door, POD)
    (own,) = made["spec"]["containers"]
    one = {"name": "one", "image": "busybox", "targetContainerName": own["name"], "stdin": True, "tty": True}
    asked = {**made, "spec": {**made["spec"], "ephemeralContainers": [one], "nodeName": "n1"}}
    put = await door.ask("PUT", looking, asked)
    assert put.code == 200 and "nodeName" not in put.data["spec"]
    assert put.data["spec"]["ephemeralContainers"][0]["imagePullPolicy"] == "Always"
    assert put.data["metadata"]["generation"] == made["metadata"]["generation"] + 1
    for media_type, patch in PATCHES:
        reply = await door.ask("PATCH", f"{looking}?dryRun=All", patch, {"content-type": media_type})
        assert [each["name"] for each in reply.data["spec"]["ephemeralContainers"]] == ["one", "two"]
    assert (await door.ask("GET", looking)).data == put.data
    status(await door.ask("PUT", looking, made), 409)
    bare = {**put.data, "spec": made["spec"]}
    status(await door.ask("PUT", looking, bare), 422, 'containers "one" may not be removed')
    status(await door.ask("PATCH", path, {"spec": {"ephemeralContainers": []}}, MERGE), 422, "spec.ephemeralContainers")
    changed = {"spec": {"ephemeralContainers": [{**one, "image": "other"}]}}
    status(await door.ask("PATCH", looking, changed, MERGE), 422, 'containers "one" may not be changed')


@pytest.mark.parametrize(
    ("container", "code", "words"),
    [
        ({"ports": [{"containerPort": 80}]}, 422, "ephemeralContainers[0].ports: Forbidden"),
        ({"resources": {"limits": {"cpu": "1"}}}, 422, "ephemeralContainers[0].resources: Forbidden"),
        ({"lifecycle": {}}, 422, "ephemeralContainers[0].lifecycle: Forbidden"),
        ({"targetContainerName": "nobody"}, 422, 'targetContainerName: Not found: "nobody"'),
        ({"name": ""}, 422, "ephemeralContainers[0].name: Required"),
        ({"bogus": 1}, 400, "spec.ephemeralContainers[0].bogus"),
        ({"securityContext": {"privileged": True}}, 403, 'violates pod security level "baseline"'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_what_such_a_container_may_not_have_is_told(
    door: Door, container: dict[str, Any], code: int, words: str
) -> None:
    await created(door, POD)
    patch = {"spec": {"ephemeralContainers": [{"name": "look", "image": "busybox"} | container]}}
    status(await door.ask("PATCH", place(POD, "sample") + "/ephemeralcontainers", patch, MERGE), code, words)


async def test_a_pod_begins_without_such_containers(door: Door) -> None:
    looking = [types.EphemeralContainer(name="look", image="busybox")]
    reply = await door.ask("POST", place(POD), sent(POD, spec__ephemeral_containers=looking))
    status(reply, 422, "spec.ephemeralContainers: Forbidden: cannot be set on create")
    wanted = sent(REPLICATION_CONTROLLER, spec__template__spec__ephemeral_containers=looking)
    reply = await door.ask("POST", place(REPLICATION_CONTROLLER), wanted)
    status(reply, 422, "spec.template.spec.ephemeralContainers: Forbidden: cannot be set in a pod template")
