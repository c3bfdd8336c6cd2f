"""Deployments with the real kubectl on real Docker: made, updated, held, taken back, and what is said meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from urllib.request import urlopen

import pytest

from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(600)]

STATUS = ("rollout", "status", "deploy/front", "--timeout=90s")


@pytest.fixture(scope="module")
def rolled_out(platform: Platform) -> Iterator[Platform]:
    """A deployment of two web servers, through its first rollout."""
    platform.kubectl("create", "deployment", "front", "--image=nginx", "--replicas=2", "--port=80")
    platform.kubectl(*STATUS, within=100)
    yield platform
    platform.kubectl("delete", "deployment", "front", "--ignore-not-found")
    eventually(lambda: not platform.objects("pods", "-l", "app=front"), within=60, what="its pods are gone")


def history(platform: Platform) -> list[str]:
    """The revisions, oldest first, as kubectl numbers them."""
    _, _, *rows = platform.kubectl("rollout", "history", "deploy/front").strip().splitlines()
    return [row.split()[0] for row in rows]


def test_a_deployment_is_listed_and_described_as_kubernetes_does(rolled_out: Platform) -> None:
    header, row = rolled_out.kubectl("get", "deploy", "front").splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:4] == ["front", "2/2", "2", "2"]
    told = rolled_out.kubectl("describe", "deploy", "front")
    assert "2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in told
    assert "NewReplicaSet:   front-" in told
    everything = rolled_out.kubectl("get", "all", "-l", "app=front")
    assert all(f"{kind}/front" in everything for kind in ("deployment.apps", "replicaset.apps", "pod"))
    (replica_set,) = rolled_out.objects("rs", "-l", "app=front")
    assert "Controlled By:  Deployment/front" in rolled_out.kubectl("describe", "rs", replica_set["metadata"]["name"])


def test_an_update_is_followed_recorded_and_taken_back(rolled_out: Platform) -> None:
    rolled_out.kubectl("set", "image", "deploy/front", "nginx=nginx:latest")
    rolled_out.kubectl("annotate", "deploy/front", "kubernetes.io/change-cause=the newest server")
    assert "successfully rolled out" in rolled_out.kubectl(*STATUS, within=100)
    assert history(rolled_out) == ["1", "2"]
    assert "the newest server" in rolled_out.kubectl("rollout", "history", "deploy/front")
    assert "nginx:latest" in rolled_out.kubectl("rollout", "history", "deploy/front", "--revision=2")
    assert "rolled back" in rolled_out.kubectl("rollout", "undo", "deploy/front")
    rolled_out.kubectl(*STATUS, within=100)
    assert history(rolled_out) == ["2", "3"]
    (deployment,) = rolled_out.objects("deploy", "front")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx"


def test_a_paused_deployment_waits_until_it_is_resumed(rolled_out: Platform) -> None:
    rolled_out.kubectl("rollout", "pause", "deploy/front")
    before = history(rolled_out)
    rolled_out.kubectl("set", "env", "deploy/front", "COLOUR=blue")
    rolled_out.kubectl("scale", "deploy/front", "--replicas=3")
    eventually(lambda: len(rolled_out.pods("app=front", ready=3)) == 3, within=60, what="scaled while paused")
    assert history(rolled_out) == before
    rolled_out.kubectl("rollout", "resume", "deploy/front")
    rolled_out.kubectl(*STATUS, within=100)
    assert history(rolled_out) != before


def test_a_restart_replaces_every_pod(rolled_out: Platform) -> None:
    before = {pod["metadata"]["uid"] for pod in rolled_out.pods("app=front")}
    rolled_out.kubectl("rollout", "restart", "deploy/front")
    rolled_out.kubectl(*STATUS, within=100)
    pods = rolled_out.pods("app=front", ready=3)
    assert not before & {pod["metadata"]["uid"] for pod in pods}


def test_a_bad_image_stops_the_update_and_the_deadline_tells(rolled_out: Platform) -> None:
    patch = '{"spec":{"progressDeadlineSeconds":2}}'
    rolled_out.kubectl("patch", "deploy/front", "-p", patch)
    rolled_out.kubectl("set", "image", "deploy/front", "nginx=drover.test/nobody/has:this")
    with pytest.raises(AssertionError, match="exceeded its progress deadline"):
        rolled_out.kubectl(*STATUS, within=100)
    (deployment,) = rolled_out.objects("deploy", "front")
    reasons = {each["type"]: each["reason"] for each in deployment["status"]["conditions"]}
    assert reasons["Progressing"] == "ProgressDeadlineExceeded"
    assert reasons["Available"] == "MinimumReplicasAvailable", "the old pods serve on"
    rolled_out.kubectl("rollout", "undo", "deploy/front")
    assert "successfully rolled out" in rolled_out.kubectl(*STATUS, within=100)


FRONT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy}
spec:
  replicas: 3
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      containers:
      - name: nginx
        image: nginx
        imagePullPolicy: IfNotPresent
        ports: [{containerPort: 80}]
        readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: busy}
spec: {type: NodePort, selector: {app: busy}, ports: [{port: 80, nodePort: 30070}]}
"""
PAGE, EVERY = "http://127.0.0.1:30070/", 0.02


def asked() -> int:
    with urlopen(PAGE, timeout=10) as answer:
        answer.read()
        status: int = answer.status
        return status


@contextmanager
def under_load() -> Iterator[list[Future[int]]]:
    """Fifty requests a second, each over a connection of its own; the answers once they are all in."""
    over, answers = threading.Event(), list[Future[int]]()
    with ThreadPoolExecutor(max_workers=32) as pool:

        def load() -> None:
            while not over.wait(EVERY):
                answers.append(pool.submit(asked))

        asking = threading.Thread(target=load)
        asking.start()
        try:
            yield answers
        finally:
            over.set()
            asking.join()


def test_no_request_is_lost_through_an_update_and_an_undo(platform: Platform) -> None:
    platform.kubectl("apply", "-f", "-", input=FRONT)
    status = ("rollout", "status", "deploy/busy", "--timeout=90s")
    platform.kubectl(*status, within=100)
    eventually(lambda: asked() == 200, what="the page")
    with under_load() as answers:
        platform.kubectl("set", "image", "deploy/busy", "nginx=nginx:latest")
        platform.kubectl(*status, within=100)
        platform.kubectl("rollout", "undo", "deploy/busy")
        platform.kubectl(*status, within=100)
    failed = [error for each in answers if (error := each.exception()) is not None]
    assert not failed, f"{len(failed)} of {len(answers)}: {failed[:3]}"
    assert len(answers) > 100
    platform.kubectl("delete", "-f", "-", input=FRONT)
