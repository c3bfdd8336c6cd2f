"""What a user gets for a mistake: a sentence that names the field, and nothing half-applied."""

import json

import pytest

from tests.platform import EXAMPLES, Platform

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

CONTAINER = {"name": "a", "image": "busybox"}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "probe"},
    "spec": {"containers": [CONTAINER]},
}


def pod(**spec: object) -> str:
    return json.dumps({**POD, "spec": {**POD["spec"], **spec}})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("kind: Pod\n  metadata: [", ("error",)),
        ('{"apiVersion": "v1", "kind": "Pod"', ("error",)),
        (pod(restartPolicy=3), ("spec.restartPolicy",)),
        (pod(bogus=1), ("spec.bogus",)),
        (pod(containers=[{"image": "busybox"}]), ("spec.containers[0].name", "Required value")),
        (json.dumps({**POD, "metadata": {"name": "Not_A_Name"}}), ("metadata.name", "Not_A_Name")),
        (pod(containers=[{**CONTAINER, "ports": [{"containerPort": 70000}]}]), ("containerPort", "65535")),
        (json.dumps({**POD, "kind": "Pood"}), ('no matches for kind "Pood"',)),
        (pod(volumes=[{"name": "v", "hostPath": {"path": "/var/run/docker.sock"}}]), ("hostPath", "forbidden")),
    ],
    ids=["broken yaml", "broken json", "wrong type", "unknown field", "missing field", "bad name", "port out of range",
         "unknown kind", "the engine's socket"],
)  # fmt: skip
def test_a_mistake_is_named_and_nothing_is_made(
    platform: Platform, manifest: str, words: tuple[str, ...]
) -> None:
    told = platform.kubectl("create", "-f", "-", input=manifest, check=False)
    for word in words:
        assert word.lower() in told.lower()
    assert "probe" not in platform.kubectl("get", "pods", check=False)


def test_a_selector_must_match_its_template(platform: Platform) -> None:
    controller = (
        (EXAMPLES / "nginx/nginx-rc.yaml")
        .read_text()
        .replace("    name: nginx\n  template", "    name: other\n  template")
    )
    told = platform.kubectl("create", "-f", "-", input=controller, check=False)
    assert "spec.template.metadata.labels" in told
    assert platform.objects("rc") == []


def test_a_node_port_is_given_once(platform: Platform) -> None:
    service = (EXAMPLES / "guestbook/frontend-service-nodeport.yaml").read_text()
    platform.kubectl("create", "-f", "-", input=service)
    told = platform.kubectl(
        "create", "-f", "-", input=service.replace("name: frontend", "name: second"), check=False
    )
    platform.kubectl("delete", "service", "frontend")
    assert "spec.ports[0].nodePort" in told
    assert "already allocated" in told


def test_a_second_object_of_a_name_is_refused(platform: Platform) -> None:
    manifest = str(EXAMPLES / "guestbook/redis-master-service.yaml")
    platform.kubectl("create", "-f", manifest)
    told = platform.kubectl("create", "-f", manifest, check=False)
    platform.kubectl("delete", "-f", manifest)
    assert "AlreadyExists" in told


def test_a_stale_replace_is_refused(platform: Platform) -> None:
    platform.kubectl("create", "configmap", "stale", "--from-literal=a=1")
    old = platform.kubectl("get", "configmap", "stale", "-o", "json")
    platform.kubectl("label", "configmap", "stale", "touched=yes")
    told = platform.kubectl("replace", "-f", "-", input=old, check=False)
    platform.kubectl("delete", "configmap", "stale")
    assert "the object has been modified" in told
