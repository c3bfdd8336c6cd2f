"""From "create" to "Ready": a controller of one pod, seen by an outside watcher, against raw Docker in the same run."""

import json
import threading
import time
from contextlib import suppress
from http.client import HTTPSConnection
from queue import Queue
from statistics import median
from typing import Any

import docker
from docker.errors import APIError

from benchmarks.figures import Figure
from tests.platform import Platform, eventually, is_ready

TURNS = 30
IMAGE = "busybox"
COMMAND = ["sleep", "3600"]


def first_ready(platform: Platform) -> list[Figure]:
    """Medians in milliseconds over interleaved turns, and their ratio."""
    engine = docker.from_env()
    api = platform.connection()
    watcher = Watcher(platform)
    ours: list[float] = []
    raw: list[float] = []
    ready_once(platform, api, watcher, "warm-up")
    pause = engine.containers.list(filters={"name": "^k8s_POD_"}, ignore_removed=True)[0].image
    raw_once(engine, pause)
    for turn in range(TURNS):
        raw.append(raw_once(engine, pause))
        ours.append(ready_once(platform, api, watcher, f"bench-{turn}"))
    ratio = median(mine / theirs for mine, theirs in zip(ours, raw, strict=True))
    return [
        Figure("RC(1) create -> Ready, p50", median(ours) * 1000, "ms", detail=f"n={TURNS}"),
        Figure("raw docker, pause + app, p50", median(raw) * 1000, "ms", detail=f"n={TURNS}"),
        Figure("create -> Ready / raw docker", ratio, "x", at_most=1.25),
    ]


def raw_once(engine: docker.DockerClient, pause: Any) -> float:
    """Seconds to create and start the same two containers by hand."""
    began = time.monotonic()
    sandbox = engine.containers.create(pause, ipc_mode="shareable")
    sandbox.start()
    app = engine.containers.create(
        IMAGE, COMMAND, network_mode=f"container:{sandbox.id}", ipc_mode=f"container:{sandbox.id}"
    )
    app.start()
    took = time.monotonic() - began
    for container in (app, sandbox):
        with suppress(APIError):
            container.remove(force=True)
    return took


def ready_once(platform: Platform, api: HTTPSConnection, watcher: "Watcher", name: str) -> float:
    """Seconds from sending the POST until the watcher has read the Ready pod."""
    controller = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"bench": name},
            "template": {
                "metadata": {"labels": {"bench": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [
                        {"name": "app", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": COMMAND}
                    ],
                },
            },
        },
    }
    began = time.monotonic()
    api.request(
        "POST",
        "/api/v1/namespaces/default/replicationcontrollers",
        json.dumps(controller),
        platform.headers(),
    )
    answer = api.getresponse()
    told = answer.read()
    assert answer.status == 201, told
    took = watcher.ready_at(name) - began
    api.request(
        "DELETE", f"/api/v1/namespaces/default/replicationcontrollers/{name}",
        json.dumps({"propagationPolicy": "Background"}), platform.headers(),
    )  # fmt: skip
    api.getresponse().read()
    eventually(lambda: not platform.objects("pods", "-l", f"bench={name}"), what="the pod is gone")
    return took


class Watcher(threading.Thread):
    """Watches pods as any client would and notes when each was first seen Ready."""

    def __init__(self, platform: Platform) -> None:
        super().__init__(daemon=True)
        self._seen: Queue[tuple[str, float]] = Queue()
        self._connection = platform.connection(timeout=600)
        self._connection.request("GET", "/api/v1/namespaces/default/pods?watch=1", headers=platform.headers())
        self._stream = self._connection.getresponse()
        self.start()

    def run(self) -> None:
        done: set[str] = set()
        for line in self._stream:
            at, pod = time.monotonic(), json.loads(line)["object"]
            name = pod["metadata"].get("labels", {}).get("bench", "")
            if name and name not in done and is_ready(pod):
                done.add(name)
                self._seen.put((name, at))

    def ready_at(self, name: str) -> float:
        while True:
            seen, at = self._seen.get(timeout=60)
            if seen == name:
                return at
