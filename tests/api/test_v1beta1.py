"""The first articles' API: their manifests are taken as they stand, run as v1, and are listed as they show it."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from apps.api import manifests
from apps.api.v1beta1 import convert, present
from apps.cluster import names, store
from apps.cluster.kinds import NAMESPACE, POD, REPLICATION_CONTROLLER
from tests.api.doors import Door

EXAMPLES = Path(__file__).parents[2] / "examples"
ARTICLE = {path.stem: json.loads(path.read_text()) for path in (EXAMPLES / "v1beta1").glob("*.json")}

# Converting


def test_the_articles_pod_is_said_in_v1() -> None:
    assert convert.to_v1(ARTICLE["redis"]) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "redis", "labels": {"name": "redis"}},
        "spec": {
            "containers": [
                {
                    "name": "redis",
                    "image": "dockerfile/redis",
                    "imagePullPolicy": "IfNotPresent",
                    "ports": [{"containerPort": 6379, "hostPort": 6379}],
                }
            ]
        },
    }


def test_the_articles_controller_gets_a_legal_name_and_keeps_its_id() -> None:
    found = convert.to_v1(ARTICLE["redisController"])
    assert found["metadata"]["name"] == "redis-controller"
    assert found["metadata"]["annotations"] == {"drover.dev/v1beta1-id": "redisController"}
    assert found["spec"]["selector"] == {"name": "redis"} == found["spec"]["template"]["metadata"]["labels"]
    assert found["spec"]["template"]["spec"] == convert.to_v1(ARTICLE["redis"])["spec"]


@pytest.mark.parametrize(
    ("identity", "name"),
    [("redis", "redis"), ("redisController", "redis-controller"), ("My_Pod", "my-pod"), ("HTTPServer", "httpserver"),
     ("a.b", "a.b"), ("-x-", "x"), ("a..b", "a.b"), ("web 2", "web-2"), ("é", ""), ("a" * 80, "a" * 63)],
)  # fmt: skip
def test_an_id_becomes_a_name(identity: str, name: str) -> None:
    assert convert.legal_name(identity) == name


@given(st.text(max_size=100))
def test_every_name_made_of_an_id_is_legal_and_stays(identity: str) -> None:
    name = convert.legal_name(identity)
    assert not name or names.dns_subdomain_problem(name) is None
    assert convert.legal_name(name) == name
    if len(identity) <= 63 and names.dns_label_problem(identity) is None:
        assert name == identity


CONTAINERS = [
    ({"command": ["a"], "entrypoint": ["b"]}, {"args": ["a"], "command": ["b"]}),
    ({"imagePullPolicy": "PullAlways"}, {"imagePullPolicy": "Always"}),
    ({"memory": 1048576, "cpu": 250}, {"resources": {"limits": {"memory": "1048576", "cpu": "250m"}}}),
    ({"env": [{"key": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "1"}]}),
    ({"ports": [{"containerPort": 53, "protocol": "udp"}]}, {"ports": [{"containerPort": 53, "protocol": "UDP"}]}),
    ({"volumeMounts": [{"name": "v", "path": "/v"}]}, {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
    ({"privileged": True}, {"securityContext": {"privileged": True}}),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), CONTAINERS, ids=lambda value: next(iter(value)))
def test_each_field_of_a_container_is_said_in_v1(old: dict[str, Any], new: dict[str, Any]) -> None:
    manifest = {"containers": [{"name": "a", "image": "b", **old}]}
    pod = {"id": "p", "kind": "Pod", "apiVersion": "v1beta1", "desiredState": {"manifest": manifest}}
    assert convert.to_v1(pod)["spec"]["containers"] == [{"name": "a", "image": "b", **new}]


VOLUMES = [
    ({"emptyDir": {}}, {"emptyDir": {}}),
    ({"hostDir": {"path": "/d"}}, {"hostPath": {"path": "/d"}}),
    ({"secret": {"target": {"kind": "Secret", "name": "s"}}}, {"secret": {"secretName": "s"}}),
]


@pytest.mark.parametrize(("old", "new"), VOLUMES, ids=lambda value: next(iter(value)))
def test_each_kind_of_volume_is_said_in_v1(old: dict[str, Any], new: dict[str, Any]) -> None:
    manifest = {"containers": [], "volumes": [{"name": "v", "source": old}], "restartPolicy": {"never": {}}}
    spec = convert.to_v1({"id": "p", "desiredState": {"manifest": manifest}})["spec"]
    assert spec == {"containers": [], "volumes": [{"name": "v", **new}], "restartPolicy": "Never"}


BAD = [
    ({"id": "p", "desiredState": {"manifest": {"gitRepo": 1}}}, "desiredState.manifest.gitRepo"),
    ({"id": "p", "desiredState": {"manifest": {"containers": 1}}}, "desiredState.manifest.containers"),
    ({"id": "p", "desiredState": {"manifest": {"containers": [{"imagePullPolicy": "Sometimes"}]}}},
     "desiredState.manifest.containers[0].imagePullPolicy"),
    ({"id": "p", "desiredState": {"manifest": {"volumes": [{"source": {"persistentDisk": {}}}]}}},
     "desiredState.manifest.volumes[0].source.persistentDisk"),
    ({"id": 7, "desiredState": {"manifest": {}}}, "id"),
    ({"id": "é", "desiredState": {"manifest": {}}}, "id"),
    ({"id": "p", "desiredState": {"podTemplate": {"desiredState": {"manifest": {}}, "odd": 1}}},
     "desiredState.podTemplate.odd"),
    ({"kind": "Minion", "apiVersion": "v1beta1"}, "kind"),
    ({"kind": {"a": 1}}, "kind"),
    ({"kind": "Pod", "apiVersion": []}, "kind"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "path"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_said_is_refused_by_name(data: Any, path: str) -> None:
    with pytest.raises(convert.Unconvertible) as refused:
        convert.to_v1(data)
    assert [problem.path for problem in refused.value.problems] == [path]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


FIELDS = ["id", "kind", "apiVersion", "labels", "desiredState", "nodeSelector", "annotations", "namespace"]


@given(JSON, st.sampled_from(FIELDS))
def test_odd_manifests_are_converted_or_refused(value: Any, field: str) -> None:
    for article in ARTICLE.values():
        try:
            convert.to_v1({**article, field: value})
        except convert.Unconvertible:
            continue


WORD = st.sampled_from(["a", "redis", "x1"])
LABELS = st.dictionaries(WORD, WORD, max_size=2)
CONTAINER = st.fixed_dictionaries(
    {"name": WORD, "image": WORD},
    optional={
        "args": st.lists(WORD, min_size=1, max_size=2),
        "command": st.lists(WORD, min_size=1, max_size=2),
        "imagePullPolicy": st.sampled_from(["Always", "Never", "IfNotPresent"]),
        "ports": st.lists(st.fixed_dictionaries({"containerPort": st.integers(1, 65535)}), min_size=1, max_size=2),
        "env": st.lists(st.fixed_dictionaries({"name": WORD, "value": WORD}), min_size=1, max_size=2),
    },
)
SPEC = st.fixed_dictionaries(
    {"containers": st.lists(CONTAINER, min_size=1, max_size=2)},
    optional={
        "restartPolicy": st.sampled_from(["Always", "Never", "OnFailure"]),
        "volumes": st.lists(st.fixed_dictionaries({"name": WORD, "emptyDir": st.just({})}), min_size=1, max_size=2),
        "nodeSelector": st.dictionaries(WORD, WORD, min_size=1, max_size=2),
    },
)


@given(SPEC, LABELS)
def test_what_is_shown_in_v1beta1_means_the_same_again(spec: dict[str, Any], labels: dict[str, str]) -> None:
    meta: dict[str, Any] = {"name": "redis-controller"}
    meta |= {"labels": labels} if labels else {}
    meta["annotations"] = {"drover.dev/v1beta1-id": "redisController"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    template = {"metadata": {"labels": labels} if labels else {}, "spec": spec}
    controller = {**pod, "kind": "ReplicationController",
                  "spec": {"replicas": 2, "selector": labels, "template": template}}  # fmt: skip
    for obj in (pod, controller):
        assert convert.to_v1(present.shown(obj)) == obj


# Served


@pytest.fixture
def open_ports(served: None) -> None:
    """The default namespace as a new cluster has it: ports of the machine are allowed."""
    from apps.cluster.actors import system

    def allow(tx: Any) -> None:
        namespace = tx.get(NAMESPACE, "", "default")
        namespace.metadata.labels["drover.dev/host-ports"] = "allowed"
        tx.update(NAMESPACE, namespace)

    store.write(system("test"), allow)


@pytest.mark.usefixtures("open_ports")
async def test_the_articles_requests_are_answered_as_they_show(door: Door) -> None:
    made = await door.ask("POST", "/api/v1beta1/pods", ARTICLE["redis"])
    assert (made.code, made.data["id"], made.data["kind"], made.data["apiVersion"]) == (201, "redis", "Pod", "v1beta1")
    listed = (await door.ask("GET", "/api/v1beta1/pods")).data
    assert (listed["kind"], listed["apiVersion"], listed["selfLink"]) == ("PodList", "v1beta1", "/api/v1beta1/pods")
    [item] = listed["items"]
    [container] = item["desiredState"]["manifest"]["containers"]
    assert container["imagePullPolicy"] == "PullIfNotPresent"
    assert container["ports"] == [{"containerPort": 6379, "hostPort": 6379, "protocol": "TCP"}]
    assert (item["labels"], item["currentState"]["status"]) == ({"name": "redis"}, "Waiting")
    assert "kind" not in item

    other = await door.ask("POST", "/api/v1beta1/replicationControllers", ARTICLE["redisController"])
    assert (other.code, other.data["id"]) == (201, "redisController")
    assert other.headers["warning"] == (
        '299 - "id redisController is no legal name: it is called redis-controller"'
    )
    v1 = (await door.ask("GET", "/api/v1/namespaces/default/replicationcontrollers/redis-controller")).data
    assert v1["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    again = await door.ask("GET", "/api/v1beta1/replicationControllers/redisController")
    assert (again.code, again.data["desiredState"]["replicas"]) == (200, 1)
    gone = await door.ask("DELETE", "/api/v1beta1/replicationControllers/redisController")
    assert gone.code == 200
    assert (await door.ask("GET", "/api/v1beta1/replicationControllers")).data["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/api/v1beta1/minions", 404), ("PATCH", "/api/v1beta1/pods/x", 405), ("GET", "/api/v1beta1/pods/x", 404),
     ("GET", "/api/v1beta1/pods?watch=1", 400), ("GET", "/api/v1beta1/pods?namespace=a/b", 400),
     ("DELETE", "/api/v1beta1/pods", 405), ("POST", "/api/v1beta1/pods", 400)],
)  # fmt: skip
async def test_what_is_not_served_is_refused(door: Door, method: str, path: str, code: int) -> None:
    body = ARTICLE["redisController"] if method == "POST" else None
    assert (await door.ask(method, path, body)).code == code


@pytest.mark.usefixtures("open_ports")
def test_the_command_makes_what_files_describe(tmp_path: Path) -> None:
    out, err = StringIO(), StringIO()
    two = tmp_path / "two.yaml"
    two.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n"
    )
    files = [str(EXAMPLES / "v1beta1" / "redis.json"), str(EXAMPLES / "v1beta1" / "redisController.json"), str(two)]
    call_command("create", *(part for name in files for part in ("-f", name)), stdout=out, stderr=err)
    assert out.getvalue().splitlines() == [
        "pod/redis created", "replicationcontroller/redis-controller created", "configmap/a created",
        "namespace/b created",
    ]  # fmt: skip
    assert err.getvalue().strip() == (
        "Warning: id redisController is no legal name: it is called redis-controller"
    )
    assert store.find(POD, "default", "redis") and store.find(REPLICATION_CONTROLLER, "default", "redis-controller")
    with pytest.raises(SystemExit):
        call_command("create", "-f", files[0], stdout=out, stderr=err)
    assert 'Error from server (AlreadyExists): pods "redis" already exists' in err.getvalue()


@pytest.mark.parametrize("example", sorted(EXAMPLES.rglob("*.*")), ids=lambda path: path.name)
@pytest.mark.usefixtures("open_ports")
def test_every_example_is_made(example: Path) -> None:
    from apps.cluster.actors import Actor

    root = Actor("root", frozenset({"system:masters"}))
    for data in manifests.objects(example.read_bytes()):
        assert not manifests.create(root, data, "default").error
