"""The articles' walk: the guestbook and nginx, created, looked at, scaled, hurt and removed with the real kubectl."""

import os
import re
import signal
import subprocess
from functools import partial
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import docker
import pytest

from tests.calm import Stopwatch
from tests.platform import EXAMPLES, Platform, containers, eventually, restarts

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(600)]

IN_ORDER = (
    "redis-master-controller", "redis-master-service", "redis-slave-controller",
    "redis-slave-service", "frontend-controller", "frontend-service",
)  # fmt: skip
PAGE = "http://127.0.0.1:30061/"


@pytest.fixture(scope="module")
def guestbook(platform: Platform) -> Platform:
    """The six files of the articles, created in their order, all pods Ready, the page on port 30061."""
    for name in IN_ORDER:
        platform.kubectl("create", "-f", str(EXAMPLES / f"guestbook/{name}.yaml"))
    platform.ready_pods("name=redis-master", 1)
    platform.ready_pods("name=redis-slave", 2)
    platform.ready_pods("name=frontend", 3)
    platform.kubectl("apply", "-f", str(EXAMPLES / "guestbook/frontend-service-nodeport.yaml"))
    return platform


@pytest.fixture(scope="module")
def engine() -> docker.DockerClient:
    return docker.from_env()


def page() -> str:
    with urlopen(PAGE, timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def answers(url: str, word: str) -> bool:
    with urlopen(url, timeout=3) as answer:
        return word in answer.read().decode().lower()


def sign(message: str) -> None:
    with urlopen(PAGE, data=urlencode({"message": message}).encode(), timeout=5) as answer:
        assert answer.status == 200


def table(text: str) -> tuple[list[str], list[list[str]]]:
    """kubectl's columns: header and rows."""
    header, *rows = [re.split(r"\s{2,}", line.strip()) for line in text.strip().splitlines()]
    return header, rows


def test_controllers_are_listed_as_in_the_articles(guestbook: Platform) -> None:
    header, rows = table(guestbook.kubectl("get", "rc", "-o", "wide"))
    assert header == ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    frontend = next(row for row in rows if row[0] == "frontend")
    assert frontend[1:4] == ["3", "3", "3"]
    assert frontend[5:] == ["php-redis", "kubernetes/example-guestbook-php-redis:v2", "name=frontend"]


def test_services_are_listed_with_the_kubernetes_row(guestbook: Platform) -> None:
    header, rows = table(guestbook.kubectl("get", "service"))
    assert header == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    ports = {row[0]: (row[1], row[4]) for row in rows}
    assert ports["kubernetes"] == ("ClusterIP", "443/TCP")
    assert ports["redis-master"] == ("ClusterIP", "6379/TCP")
    assert ports["frontend"] == ("NodePort", "80:30061/TCP")


def test_pods_are_listed_with_address_and_node(guestbook: Platform) -> None:
    header, rows = table(guestbook.kubectl("get", "pods", "-o", "wide", "-l", "name=frontend"))
    assert header[:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert len(rows) == 3
    assert {row[2] for row in rows} == {"Running"}
    assert all(row[5].startswith("10.") for row in rows)


def test_nodes_are_listed_ready(guestbook: Platform) -> None:
    header, rows = table(guestbook.kubectl("get", "nodes"))
    assert header == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert rows[0][1] == "Ready"


def test_a_pod_is_described_with_its_events(guestbook: Platform) -> None:
    pod = guestbook.pods("name=redis-master")[0]["metadata"]["name"]
    told = guestbook.kubectl("describe", "pod", pod)
    assert "Controlled By:  ReplicationController/redis-master" in told
    for reason in ("Scheduled", "Created", "Started"):
        assert reason in told


def test_logs_show_what_the_container_wrote(guestbook: Platform) -> None:
    pod = guestbook.pods("name=redis-master")[0]["metadata"]["name"]
    eventually(
        lambda: "Ready to accept connections" in guestbook.kubectl("logs", pod), what="redis' own words"
    )


def test_a_message_is_stored_in_the_master_and_read_through_a_slave(guestbook: Platform) -> None:
    eventually(lambda: "<form" in page(), what="the page on port 30061")
    sign("hello from the articles")
    eventually(lambda: "hello from the articles" in page(), what="the message, read through redis-slave")


def test_pods_see_the_service_variables(guestbook: Platform, engine: docker.DockerClient) -> None:
    container = app_container(engine, guestbook.pods("name=frontend")[0])
    address = guestbook.objects("service", "redis-master")[0]["spec"]["clusterIP"]
    environment = dict(line.split("=", 1) for line in container.attrs["Config"]["Env"])
    assert environment["REDIS_MASTER_SERVICE_HOST"] == address
    assert environment["REDIS_MASTER_SERVICE_PORT"] == "6379"
    assert environment["REDIS_MASTER_PORT_6379_TCP"] == f"tcp://{address}:6379"
    assert environment["REDIS_MASTER_PORT_6379_TCP_ADDR"] == address


def test_nginx_answers_on_its_cluster_address_and_its_node_port(guestbook: Platform) -> None:
    for name in ("nginx-rc", "nginx-service-clusterip", "nginx-service-nodeport"):
        guestbook.kubectl("create", "-f", str(EXAMPLES / f"nginx/{name}.yaml"))
    guestbook.ready_pods("name=nginx", 2)
    inside = guestbook.objects("service", "nginx-service-clusterip")[0]["spec"]["clusterIP"]
    outside = guestbook.objects("service", "nginx-service-nodeport")[0]["spec"]["ports"][0]["nodePort"]
    address = guestbook.objects("nodes")[0]["status"]["addresses"][0]["address"]
    for url in (f"http://{inside}:8001/", f"http://127.0.0.1:{outside}/", f"http://{address}:{outside}/"):
        eventually(partial(answers, url, "nginx"), what=url)
    guestbook.kubectl("delete", "-f", str(EXAMPLES / "nginx"))
    guestbook.ready_pods("name=nginx", 0)


def app_container(engine: docker.DockerClient, pod: dict[str, Any]) -> Any:
    return engine.containers.get(
        pod["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://")
    )


def test_a_removed_container_is_back_with_restart_count_one(
    guestbook: Platform, engine: docker.DockerClient
) -> None:
    pod = guestbook.pods("name=redis-slave")[0]
    name, before = pod["metadata"]["name"], restarts(pod)[0]
    app_container(engine, pod).remove(force=True)
    after = eventually(
        lambda: next(
            (p for p in guestbook.pods("name=redis-slave", ready=2)
             if p["metadata"]["name"] == name and restarts(p)[0] == before + 1), None,
        ),
        what="the container again",
    )  # fmt: skip
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]


def test_a_killed_pause_container_rebuilds_the_whole_pod(
    guestbook: Platform, engine: docker.DockerClient
) -> None:
    pod = guestbook.pods("name=frontend")[0]
    uid, old = pod["metadata"]["uid"], containers([pod])
    (pause,) = engine.containers.list(filters={"name": f"^k8s_POD_.*{uid}"}, ignore_removed=True)
    pause.kill()
    eventually(
        lambda: next(
            (p for p in guestbook.pods("name=frontend", ready=3)
             if p["metadata"]["uid"] == uid and not containers([p]) & old), None,
        ),
        what="a new container in the same pod",
    )  # fmt: skip


def test_a_deleted_pod_is_replaced(guestbook: Platform) -> None:
    gone = guestbook.pods("name=frontend")[0]["metadata"]
    guestbook.kubectl("delete", "pod", gone["name"])
    names = {pod["metadata"]["name"] for pod in guestbook.ready_pods("name=frontend", 3)}
    assert gone["name"] not in names


def test_scaling_adds_and_removes_exactly_what_was_asked(guestbook: Platform) -> None:
    before = {pod["metadata"]["name"] for pod in guestbook.pods("name=frontend")}
    guestbook.kubectl("scale", "rc", "frontend", "--replicas=5")
    grown = {pod["metadata"]["name"] for pod in guestbook.ready_pods("name=frontend", 5)}
    assert before < grown
    guestbook.kubectl("scale", "rc", "frontend", "--replicas=3")
    assert len(guestbook.ready_pods("name=frontend", 3)) == 3


@pytest.mark.parametrize("process", ["agent", "worker", "web", "beat", "redis"])
def test_a_killed_process_costs_nothing_that_runs(guestbook: Platform, process: str) -> None:
    """After kill -9: no container restarted, what was acknowledged is there, and a new wish is met in time."""
    before = containers(guestbook.pods(ready=6))
    guestbook.kubectl("create", "configmap", f"before-{process}", "--from-literal=a=1", "--dry-run=client")
    guestbook.kubectl("label", "rc", "frontend", f"killed={process}", "--overwrite")
    pid = guestbook.processes()[process]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: guestbook.processes()[process] != pid, within=15, what=f"a new {process}")
    eventually(lambda: guestbook.kubectl("scale", "rc", "redis-slave", "--replicas=3"), within=15)
    guestbook.ready_pods("name=redis-slave", 3, within=15)
    labels = guestbook.objects("rc", "frontend")[0]["metadata"]["labels"]
    assert labels["killed"] == process
    assert before <= containers(guestbook.pods()), "a running container was restarted"
    guestbook.kubectl("scale", "rc", "redis-slave", "--replicas=2")
    guestbook.ready_pods("name=redis-slave", 2)


def test_a_second_up_adopts_every_running_container(guestbook: Platform) -> None:
    before = containers(guestbook.pods(ready=6))
    ending = Stopwatch()
    guestbook.stop()
    assert ending.calm < 10
    engine_ids = subprocess.run(
        ["docker", "ps", "-q", "--no-trunc"], capture_output=True, text=True, check=True
    ).stdout
    assert all(one.removeprefix("docker://") in engine_ids for one in before), "Ctrl-C stopped a workload"
    guestbook.start(within=60)
    eventually(lambda: guestbook.pods(ready=6), what="the same pods, Ready")
    assert containers(guestbook.pods()) == before


def test_deleting_the_controllers_removes_their_pods(guestbook: Platform) -> None:
    guestbook.kubectl("delete", "rc,service", "-l", "name in (frontend,redis-master,redis-slave)")
    eventually(lambda: not guestbook.objects("pods"), what="no pod left")
    assert [service["metadata"]["name"] for service in guestbook.objects("services")] == ["kubernetes"]
