"""From inside a pod: the official client with the mounted token, allowed what roles grant and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import client_image
from tests.cluster.pods import pod, running
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(300)]

MOUNTED = "/var/run/secrets/kubernetes.io/serviceaccount"
ASK = """
import json, sys
from kubernetes import client, config
config.load_incluster_config()
namespace = open("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read()
try:
    what = {
        "pods": lambda: [each.metadata.name for each in client.CoreV1Api().list_namespaced_pod(namespace).items],
        "elsewhere": lambda: [each.metadata.name for each in client.CoreV1Api().list_namespaced_pod("default").items],
        "secrets": lambda: len(client.CoreV1Api().list_namespaced_secret(namespace).items),
        "who": lambda: client.AuthenticationV1Api().create_self_subject_review({}).status.user_info.username,
        "version": lambda: client.VersionApi().get_code().major,
    }[sys.argv[1]]()
    print(json.dumps(what))
except client.ApiException as refusal:
    print(json.dumps({"refused": refusal.status}))
"""


@pytest.fixture(scope="module")
def inside(platform: Platform) -> Iterator[Platform]:
    """A namespace with a service account and a pod that runs as it, in which Python waits."""
    image = client_image.build()
    platform.kubectl("create", "namespace", "inside")
    platform.kubectl("create", "serviceaccount", "reader", "-n", "inside")
    waiting = {
        "name": "main",
        "image": image,
        "command": [client_image.PYTHON, "-c", "import time; time.sleep(3600)"],
    }
    asker = pod("asker", [waiting])
    asker["spec"]["serviceAccountName"] = "reader"
    platform.kubectl("create", "-n", "inside", "-f", "-", input=json.dumps(asker))
    platform.kubectl("wait", "-n", "inside", "--for=condition=Ready", "pod/asker", "--timeout=60s")
    yield platform
    platform.kubectl("delete", "namespace", "inside", "--timeout=60s")


def asked(platform: Platform, what: str) -> Any:
    answer = platform.kubectl("exec", "-n", "inside", "asker", "--", client_image.PYTHON, "-c", ASK, what)
    return json.loads(answer)


def test_the_client_knows_who_it_is_and_may_nothing_else(inside: Platform) -> None:
    assert asked(inside, "who") == "system:serviceaccount:inside:reader"
    assert asked(inside, "version") == "1"
    assert asked(inside, "pods") == {"refused": 403}


def test_a_role_binding_opens_what_it_names_and_no_more(inside: Platform) -> None:
    inside.kubectl("create", "role", "looks", "-n", "inside", "--verb=get,list,watch", "--resource=pods")
    inside.kubectl(
        "create", "rolebinding", "looks", "-n", "inside", "--role=looks", "--serviceaccount=inside:reader"
    )
    assert eventually(lambda: asked(inside, "pods") == ["asker"], within=10, what="the role counts")
    assert asked(inside, "secrets") == {"refused": 403}
    assert asked(inside, "elsewhere") == {"refused": 403}
    inside.kubectl("delete", "rolebinding", "looks", "-n", "inside")
    eventually(lambda: asked(inside, "pods") == {"refused": 403}, within=10, what="the role is taken back")


def test_a_token_asked_for_by_kubectl_speaks_for_the_account(inside: Platform) -> None:
    token = inside.kubectl("create", "token", "reader", "-n", "inside", "--duration", "10m").strip()
    connection = inside.connection()
    connection.request("GET", "/api/v1/namespaces/inside/pods", headers={"Authorization": f"Bearer {token}"})
    refusal = connection.getresponse()
    assert refusal.status == 403
    assert b"system:serviceaccount:inside:reader" in refusal.read()
    connection.close()


def test_a_pod_that_declines_gets_nothing(inside: Platform) -> None:
    quiet = pod("quiet", [{"name": "main", "command": ["sleep", "1000"]}])
    quiet["spec"]["automountServiceAccountToken"] = False
    running(inside, quiet)
    try:
        assert "no such file" in inside.kubectl("exec", "quiet", "--", "ls", MOUNTED, check=False).lower()
    finally:
        inside.kubectl("delete", "pod", "quiet", "--now")


def test_a_removed_account_ends_its_tokens(inside: Platform) -> None:
    inside.kubectl("create", "token", "reader", "-n", "inside")
    inside.kubectl("delete", "serviceaccount", "reader", "-n", "inside")
    eventually(
        lambda: asked(inside, "who") == {"refused": 401}, within=10, what="the token ends with its account"
    )
