"""Twenty pods at once, and the replacement of one that was deleted, each against raw Docker in the same run."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from queue import Queue
from statistics import median
from threading import Thread
from typing import Any

import docker

from benchmarks.figures import Figure
from benchmarks.first_ready import COMMAND, IMAGE, raw_once
from tests.platform import Platform, eventually, is_ready

TWENTY, WORKERS, TURNS, REPLACED = 20, 4, 3, 15
NAMESPACE = "/api/v1/namespaces/default"


def many_ready(platform: Platform) -> list[Figure]:
    """Medians of interleaved turns and their ratios."""
    with closing(docker.from_env()) as engine, closing(platform.connection()) as api:
        sight = Sight(platform)
        scale(platform, api, sight, 1)  # the pause image is there, everything is warm
        pause = engine.containers.list(filters={"name": "^k8s_POD_"}, ignore_removed=True)[0].image
        scale(platform, api, sight, 0)
        raws, ours = [], []
        for _ in range(TURNS):
            raws.append(raw_together(engine, pause))
            ours.append(scale(platform, api, sight, TWENTY))
            scale(platform, api, sight, 0)
        together = median(mine / theirs for mine, theirs in zip(ours, raws, strict=True))
        scale(platform, api, sight, 1)
        single, replaced = [], []
        for _ in range(REPLACED):
            single.append(raw_once(engine, pause))
            replaced.append(replacement(platform, api, sight))
        again = median(mine / theirs for mine, theirs in zip(replaced, single, strict=True))
        delete(platform, api)
    return [
        Figure(f"RC({TWENTY}) all Ready", median(ours), "s", detail=f"n={TURNS}"),
        Figure(f"raw docker, {TWENTY} pairs by {WORKERS} workers", median(raws), "s", detail=f"n={TURNS}"),
        Figure(f"RC({TWENTY}) / raw docker", together, "x", at_most=1.2),
        Figure("pod deleted -> replacement Ready, p50", median(replaced) * 1000, "ms", detail=f"n={REPLACED}"),
        Figure("replacement / raw docker", again, "x", at_most=1.5),
    ]


def raw_together(engine: docker.DockerClient, pause: Any) -> float:
    """Seconds until the last of twenty pairs runs; their removal is not counted."""
    began, ends = time.monotonic(), []
    with ThreadPoolExecutor(WORKERS) as pool:
        for made in pool.map(lambda _: pair(engine, pause), range(TWENTY)):
            ends.append(made)
        took = max(end for end, _ in ends) - began
        list(pool.map(lambda made: [each.remove(force=True) for each in made[1]], ends))
    return took


def pair(engine: docker.DockerClient, pause: Any) -> tuple[float, list[Any]]:
    sandbox = engine.containers.create(pause, ipc_mode="shareable")
    sandbox.start()
    where = f"container:{sandbox.id}"
    app = engine.containers.create(IMAGE, COMMAND, network_mode=where, ipc_mode=where)
    app.start()
    return time.monotonic(), [app, sandbox]


class Sight:
    """Follows pods as any client would: when there were exactly so many, all Ready."""

    def __init__(self, platform: Platform) -> None:
        self.pods: dict[str, bool] = {}
        self._moved: Queue[tuple[float, dict[str, bool]]] = Queue()
        self._connection = platform.connection(timeout=600)
        path = f"{NAMESPACE}/pods?watch=1&labelSelector=bench%3Dmany"
        self._connection.request("GET", path, headers=platform.headers())
        Thread(target=self._read, args=(self._connection.getresponse(),), daemon=True).start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            at, event = time.monotonic(), json.loads(line)
            meta = event["object"]["metadata"]
            if event["type"] == "DELETED" or "deletionTimestamp" in meta:
                self.pods.pop(meta["uid"], None)
            else:
                self.pods[meta["uid"]] = is_ready(event["object"])
            self._moved.put((at, dict(self.pods)))

    def when(self, done: Callable[[dict[str, bool]], bool]) -> float:
        """The moment of the event after which it was so."""
        at, pods = time.monotonic(), dict(self.pods)
        while not done(pods):
            at, pods = self._moved.get(timeout=120)
        return at


def scale(platform: Platform, api: HTTPConnection, sight: Sight, replicas: int) -> float:
    began = time.monotonic()
    if not send(api, platform, "PATCH", "/replicationcontrollers/many", {"spec": {"replicas": replicas}}):
        send(api, platform, "POST", "/replicationcontrollers", controller(replicas))
    took = sight.when(lambda pods: len(pods) == replicas and all(pods.values())) - began
    if not replicas:
        eventually(lambda: not platform.objects("pods", "-l", "bench=many"), within=60, what="an empty node")
    return took


def replacement(platform: Platform, api: HTTPConnection, sight: Sight) -> float:
    old = set(sight.pods)
    name = platform.objects("pods", "-l", "bench=many")[0]["metadata"]["name"]
    began = time.monotonic()
    send(api, platform, "DELETE", f"/pods/{name}", {"gracePeriodSeconds": 0})
    return sight.when(lambda pods: len(pods) == 1 and not old & pods.keys() and all(pods.values())) - began


def delete(platform: Platform, api: HTTPConnection) -> None:
    send(api, platform, "DELETE", "/replicationcontrollers/many", {"propagationPolicy": "Background"})
    eventually(lambda: not platform.objects("pods", "-l", "bench=many"), within=60, what="an empty node")


def send(api: HTTPConnection, platform: Platform, method: str, path: str, body: object) -> bool:
    headers = platform.headers()
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    api.request(method, NAMESPACE + path, json.dumps(body), headers)
    answer = api.getresponse()
    answer.read()
    return answer.status < 300


def controller(replicas: int) -> dict[str, object]:
    container = {"name": "app", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": COMMAND}
    spec = {
        "terminationGracePeriodSeconds": 0, "containers": [container],
    }  # fmt: skip
    labels = {"bench": "many"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {"metadata": {"name": "many"}, "spec": {"replicas": replicas, "selector": labels, "template": template}}
