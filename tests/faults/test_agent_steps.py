"""The agent is killed at each thing the engine does for a pod: the next one goes on from there, nothing twice."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from tests.platform import Platform, eventually, is_ready, restarts, running

LABEL_NAME, LABEL_CONTAINER = "drover.dev/pod.name", "drover.dev/container.name"
SANDBOX, APP = "POD", "app"
BEGINNING = [(SANDBOX, "create"), (SANDBOX, "start"), (APP, "create"), (APP, "start")]
END = [(APP, "kill"), (APP, "die"), (APP, "destroy"), (SANDBOX, "kill"), (SANDBOX, "destroy")]

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running() as platform:
        yield platform


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


class Ambush(threading.Thread):
    """Kills the agent at the first such event of the pod's containers."""

    def __init__(self, platform: Platform, engine: docker.DockerClient, pod: str, at: tuple[str, str]) -> None:
        super().__init__(daemon=True)
        self.agent, self.sprung = platform.processes()["agent"], threading.Event()
        self._at = at
        self._events: Any = engine.events(decode=True, filters={"label": f"{LABEL_NAME}={pod}", "type": "container"})
        self.start()

    def run(self) -> None:
        for event in self._events:
            name = event["Actor"]["Attributes"].get(LABEL_CONTAINER, "")
            if (name, event["Action"]) == self._at:
                os.kill(self.agent, signal.SIGKILL)
                self.sprung.set()
                return

    def close(self) -> None:
        self._events.close()
        self.join(timeout=10)


def manifest(name: str) -> str:
    container = {"name": APP, "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"]}
    spec = {
        "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, "containers": [container],
    }  # fmt: skip
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def containers_of(engine: docker.DockerClient, pod: str) -> list[Any]:
    found: list[Any] = engine.containers.list(all=True, filters={"label": f"{LABEL_NAME}={pod}"})
    return found


def ready(platform: Platform, name: str) -> list[dict[str, Any]]:
    return [pod for pod in platform.objects("pods") if pod["metadata"]["name"] == name and is_ready(pod)]


def agent_is_back(platform: Platform, killed: int) -> None:
    eventually(lambda: platform.processes().get("agent", killed) != killed, within=30, what="a new agent")


@pytest.mark.parametrize("at", BEGINNING, ids=lambda at: f"{at[0]} {at[1]}")
def test_a_pod_begun_by_a_killed_agent_becomes_ready(
    platform: Platform, engine: docker.DockerClient, at: tuple[str, str]
) -> None:
    name = f"begin-{at[0].lower()}-{at[1]}"
    ambush = Ambush(platform, engine, name, at)
    platform.kubectl("create", "-f", "-", input=manifest(name))
    assert ambush.sprung.wait(30), f"the engine told of no {at}"
    agent_is_back(platform, ambush.agent)
    pod = eventually(lambda: ready(platform, name), within=30, what="the pod, Ready")[0]
    assert restarts(pod) == [0]
    assert len(containers_of(engine, name)) == 2, "one sandbox and one container"
    ambush.close()
    platform.kubectl("delete", "pod", name, "--grace-period=0", "--force")
    eventually(lambda: not containers_of(engine, name), what="an end without remains")


@pytest.mark.parametrize("at", END, ids=lambda at: f"{at[0]} {at[1]}")
def test_a_pod_whose_end_was_begun_by_a_killed_agent_is_gone(
    platform: Platform, engine: docker.DockerClient, at: tuple[str, str]
) -> None:
    name = f"end-{at[0].lower()}-{at[1]}"
    platform.kubectl("create", "-f", "-", input=manifest(name))
    eventually(lambda: ready(platform, name), what="the pod, Ready")
    ambush = Ambush(platform, engine, name, at)
    platform.kubectl("delete", "pod", name, "--wait=false")
    if not ambush.sprung.wait(15):
        ambush.close()
        pytest.fail(f"the engine told of no {at}")
    agent_is_back(platform, ambush.agent)
    eventually(lambda: not containers_of(engine, name), within=30, what="no container left")
    eventually(lambda: not [p for p in platform.objects("pods") if p["metadata"]["name"] == name], what="no pod left")
    ambush.close()
