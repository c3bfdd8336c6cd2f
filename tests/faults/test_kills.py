"""Processes killed, Redis emptied and the whole platform restarted under a write load: nothing acknowledged is lost.

A short run is part of `make test`; `make faults` (DROVER_FAULTS=long) kills a hundred times.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from paas import engine
from paas.state import StateDirectory, wait_gone
from tests.faults.checker import check
from tests.faults.load import Client, Load, answered, under_load
from tests.platform import BASE, Platform, containers, eventually, restarts, running

LONG = os.environ.get("DROVER_FAULTS") == "long"
TIMES = 100 if LONG else 10
SEED = int(os.environ.get("DROVER_FAULTS_SEED") or 20)
PROCESSES = ("web", "worker", "beat", "redis", "agent")
CONTROLLERS = "/api/v1/namespaces/default/replicationcontrollers"
MOST = 4
REVIVE = """
import pathlib, sys
from paas import engine, state
engine.revive(state.StateDirectory(pathlib.Path(sys.argv[1])))
"""

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(3600 if LONG else 600)]


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running() as platform:
        for name, replicas in (("steady", 2), ("scaled", 1)):
            platform.kubectl("create", "-f", "-", input=controller(name, replicas))
        platform.ready_pods("app=steady", 2)
        platform.ready_pods("app=scaled", 1)
        yield platform


def controller(name: str, replicas: int) -> str:
    pod = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [
            {"name": "app", "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"]}
        ],
    }
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return json.dumps(
        {
            "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": labels, "template": template},
        }  # fmt: skip
    )


def kill(platform: Platform, name: str) -> None:
    """kill -9; returns when another process has taken its place."""
    pid = platform.processes()[name]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: platform.processes().get(name, pid) != pid, within=30, what=f"a new {name}")


def empty_redis(url: str) -> None:
    with redis.Redis.from_url(url) as server:
        server.flushall()


def scale(platform: Platform, replicas: int) -> None:
    patch = {"spec": {"replicas": replicas}}
    with closing(Client(platform)) as client:
        answered(lambda: client.ask("PATCH", f"{CONTROLLERS}/scaled", patch))


def uids(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def judge(platform: Platform, load: Load, wanted: int, untouched: set[str]) -> None:
    """Everything the issue asks for, with the figures in the test's output."""
    present = load.settle()
    verdict = check(load.attempts, [watcher.history for watcher in load.watchers], present)
    trouble = [note for writer in load.writers for note in writer.trouble]
    relisted = sum(watcher.history.listed - 1 for watcher in load.watchers)
    pods = platform.ready_pods("app=scaled", wanted, within=60)
    steady = platform.ready_pods("app=steady", 2)
    print(
        f"{load.acknowledged} writes acknowledged, {len(load.attempts)} attempted; "
        f"{sum(len(watcher.history.events) for watcher in load.watchers)} events seen, {relisted} lists again; "
        f"lost {len(verdict.lost)}, out of order {len(verdict.out_of_order)}, gaps {len(verdict.gaps)}; "
        f"replicas {len(pods)} of {wanted}"
    )
    assert verdict.clean, verdict
    assert not trouble
    assert containers(steady) == untouched, "a container that nothing happened to was restarted"
    assert all(restarts(pod) == [0] for pod in (*steady, *pods))
    pods = platform.objects("pods", "-l", "app=scaled")
    assert len(pods) == wanted, "a replica too many"


def test_processes_killed_at_random_under_load_lose_nothing(platform: Platform) -> None:
    dice = random.Random(SEED)
    untouched = containers(platform.ready_pods("app=steady", 2))
    wanted = 1
    with under_load(platform, seed=SEED) as load:
        for turn in range(TIMES):
            wanted = dice.randint(0, MOST)
            scale(platform, wanted)
            kill(platform, dice.choice(PROCESSES) if turn >= len(PROCESSES) else PROCESSES[turn])
            load.goes_on(dice.randint(1, 20))
        judge(platform, load, wanted, untouched)


def test_redis_emptied_under_load_loses_nothing(platform: Platform) -> None:
    untouched = containers(platform.ready_pods("app=steady", 2))
    with under_load(platform, seed=SEED + 100) as load:
        for wanted in (3, 0, 2) * (5 if LONG else 1):
            scale(platform, wanted)
            empty_redis(f"unix://{platform.runtime}/redis.sock")
            load.goes_on(20)
        judge(platform, load, 2, untouched)


def test_the_whole_platform_restarted_under_load_loses_nothing(platform: Platform) -> None:
    untouched = containers(platform.ready_pods("app=steady", 2))
    with under_load(platform, seed=SEED + 200) as load:
        for wanted in (3, 1) * (3 if LONG else 1):
            scale(platform, wanted)
            platform.stop()
            platform.start()
            load.goes_on(20)
        judge(platform, load, 1, untouched)


def test_docker_restarted_under_load_brings_every_pod_back(platform: Platform) -> None:
    """As after a crash of the engine: its containers end, and each pod has its one container again."""
    state = StateDirectory(Path(os.environ.get("DROVER_TEST_ENGINE") or platform.state))
    mark = engine.started_by_us(state)
    if mark is None:
        pytest.skip("this machine's Docker engine was started by nobody of ours: others may live on it")
    steady = platform.ready_pods("app=steady", 2)
    with under_load(platform, seed=SEED + 300) as load:
        os.kill(mark.pid, signal.SIGKILL)
        assert wait_gone(mark, 10)
        subprocess.run([sys.executable, "-c", REVIVE, state.path], check=True, cwd=BASE)
        load.goes_on(20)
        present = load.settle()
        assert check(load.attempts, (), present).clean

    def again() -> bool:
        pods = platform.pods("app=steady", ready=2)
        return all(restarts(pod) == [1] for pod in pods) and uids(pods) == uids(steady)

    eventually(again, within=60, what="the same pods, each restarted once")
    platform.ready_pods("app=scaled", 1, within=60)
    assert engine.busy() == 2 * 3, "a sandbox and a container for each pod, and nothing twice"
