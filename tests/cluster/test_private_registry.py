"""Images behind a password: pulled with the secrets a pod or its service account names, and not without."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.pods import pod
from tests.platform import Platform, eventually, free_port, is_ready
from tests.registry import BASE, PROGRAM

pytestmark = [
    pytest.mark.docker,
    pytest.mark.kubectl,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not PROGRAM.exists(), reason="the registry's program comes with `make images`"),
]

USER, PASSWORD = "ann", "hush"
HASHED = "$2b$04$f8yqn2D5sj/v63O4sb7VSe4gt8CgkyhnZTCT5lAFi1MatGUv./MVy"  # the registry takes bcrypt alone
CONFIG = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: private, path: {folder}/users}}}}
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on loopback that holds ``busybox`` as ``team/box`` and opens to one user."""
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    (folder / "users").write_text(f"{USER}:{HASHED}\n")
    (folder / "config.yml").write_text(CONFIG.format(folder=folder, port=port))
    with (folder / "log").open("wb") as log:
        serving = subprocess.Popen(
            [PROGRAM, "serve", str(folder / "config.yml")], stdout=log, stderr=subprocess.STDOUT
        )
    address = f"127.0.0.1:{port}"
    try:
        eventually(lambda: answers(address) == 401, within=15, what="the registry asks for a password")
        image = f"{address}/team/box:1"
        docker(folder, "login", "-u", USER, "-p", PASSWORD, address)
        docker(folder, "pull", BASE)
        docker(folder, "tag", BASE, image)
        docker(folder, "push", image)
        docker(folder, "rmi", image)
        yield address
    finally:
        subprocess.run(["docker", "rmi", "-f", f"{address}/team/box:1"], capture_output=True, check=False)
        serving.terminate()
        serving.wait(timeout=10)


def docker(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["docker", "--config", str(folder / "docker"), *arguments], check=True, capture_output=True
    )


def answers(address: str) -> int:
    connection = HTTPConnection(address, timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status
    finally:
        connection.close()


def boxed(registry: str, name: str, **spec: Any) -> dict[str, Any]:
    script = ["sh", "-c", "trap exit TERM; while true; do sleep 0.2; done"]
    made = pod(
        name,
        [{"name": "main", "image": f"{registry}/team/box:1", "imagePullPolicy": "Always", "command": script}],
    )
    made["spec"].update(spec)
    return made


def create(platform: Platform, made: dict[str, Any]) -> None:
    platform.kubectl("create", "-f", "-", input=json.dumps(made))


def ready(platform: Platform, name: str) -> None:
    eventually(lambda: is_ready(platform.objects("pod", name)[0]), within=60, what=f"{name} runs")


@pytest.fixture
def secret(platform: Platform, registry: str) -> Iterator[str]:
    platform.kubectl(
        "create", "secret", "docker-registry", "private", f"--docker-server={registry}",
        f"--docker-username={USER}", f"--docker-password={PASSWORD}",
    )  # fmt: skip
    yield "private"
    platform.kubectl("delete", "secret", "private")


def refused(platform: Platform, name: str) -> bool:
    """Whether the pod's image could not be had."""
    (found,) = platform.objects("pod", name)
    (status,) = found["status"]["containerStatuses"]
    return status["state"]["waiting"]["reason"] in {"ErrImagePull", "ImagePullBackOff"}


def test_without_credentials_the_reason_is_told(platform: Platform, registry: str) -> None:
    create(platform, boxed(registry, "locked"))
    eventually(lambda: refused(platform, "locked"), what="the refusal")

    def told() -> bool:
        events = platform.kubectl("get", "events", "--field-selector", "involvedObject.name=locked")
        return "no basic auth credentials" in events

    eventually(told, within=10)
    platform.kubectl("delete", "pod", "locked", "--now")


def test_a_pods_own_secret_opens_the_registry(platform: Platform, registry: str, secret: str) -> None:
    create(platform, boxed(registry, "own", imagePullSecrets=[{"name": secret}]))
    ready(platform, "own")
    platform.kubectl("delete", "pod", "own", "--now")


def test_a_service_account_lends_its_secret(platform: Platform, registry: str, secret: str) -> None:
    platform.kubectl("create", "serviceaccount", "puller")
    patch = json.dumps({"imagePullSecrets": [{"name": secret}]})
    platform.kubectl("patch", "serviceaccount", "puller", "-p", patch)
    create(platform, boxed(registry, "lent", serviceAccountName="puller"))
    ready(platform, "lent")
    platform.kubectl("delete", "pod", "lent", "--now")
    platform.kubectl("delete", "serviceaccount", "puller")


def test_a_secret_that_comes_late_is_used_at_the_next_try(platform: Platform, registry: str) -> None:
    create(platform, boxed(registry, "late", imagePullSecrets=[{"name": "later"}]))
    eventually(lambda: refused(platform, "late"), what="the first try fails")
    platform.kubectl(
        "create", "secret", "docker-registry", "later", f"--docker-server=http://{registry}/v2/",
        f"--docker-username={USER}", f"--docker-password={PASSWORD}",
    )  # fmt: skip
    ready(platform, "late")
    platform.kubectl("delete", "pod", "late", "--now")
    platform.kubectl("delete", "secret", "later")
