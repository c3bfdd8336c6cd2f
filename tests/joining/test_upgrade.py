"""`up-nodes --upgrade`: two control planes and a node, over a real ssh, brought from one version to the next.

The tests build on each other, in this order: machines are dear.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

import pytest

from paas.state import StateDirectory
from tests.joining import versions
from tests.joining.machines import Newcomer
from tests.joining.planes import MANAGE, asked, nodes_file, stores, up_nodes
from tests.platform import Platform, eventually, is_ready

pytestmark = [pytest.mark.docker, pytest.mark.net, pytest.mark.kubectl, pytest.mark.timeout(400)]

FILE = """
ssh: {{user: root, key: {key}, knownHosts: {key}.hosts}}
nodes:
- {{name: plane-1, address: {one}, role: both}}
- {{name: plane-2, address: {two}, role: control-plane}}
"""
IMAGE = "busybox:latest"
CONTAINER = {"name": "app", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "3600"]}
POD = {"metadata": {"name": "hello"}, "spec": {"nodeName": "plane-1", "containers": [CONTAINER]}}
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def operator() -> Iterator[Platform]:
    """His commands, and the PostgreSQL and Redis that both control planes use; only at the end a platform runs here."""
    platform = Platform()
    StateDirectory(platform.state).prepare(os.geteuid(), os.getegid())
    platform.settings = stores(platform)
    try:
        yield platform
    finally:
        platform.stop()
        platform.down()


@pytest.fixture(scope="module")
def one(operator: Platform) -> Newcomer:
    return Newcomer(operator, 1)


@pytest.fixture(scope="module")
def two(operator: Platform) -> Newcomer:
    return Newcomer(operator, 2)


@pytest.fixture(scope="module")
def file(one: Newcomer, two: Newcomer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nodes_file(tmp_path_factory.mktemp("upgrade"), FILE, one=one, two=two)


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return versions.newer(tmp_path_factory.mktemp("newer"))


def serving(machine: Newcomer) -> dict[str, str]:
    """The version of each server that lives."""
    found: dict[str, str] = json.loads(machine.run(MANAGE, "server", "list", "--json"))
    return found


def agents(operator: Platform, machine: Newcomer) -> str:
    """The version of the node's agent."""
    found: str = asked(operator, machine, "/api/v1/nodes/plane-1")["status"]["nodeInfo"]["kubeletVersion"]
    return found


def container(operator: Platform, machine: Newcomer) -> str:
    """The one of our pod, which the server knows to run."""
    pod = asked(operator, machine, f"{PODS}/hello")
    assert is_ready(pod), pod["status"]
    ran: str = pod["status"]["containerStatuses"][0]["containerID"]
    return ran


def pid(machine: Newcomer) -> int:
    return int((machine.root / "server" / "state" / "run" / "pids" / "web.pid").read_text())


def answers(operator: Platform, machine: Newcomer) -> bool:
    connection = HTTPSConnection(
        machine.address,
        operator.port + 443,
        timeout=10,
        context=ssl._create_unverified_context(),  # noqa: S323
    )
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def never_away(operator: Platform, *machines: Newcomer) -> Iterator[None]:
    """At every moment one of them answers."""
    away, over = list[str](), threading.Event()

    def look() -> None:
        while not over.is_set():
            if not any(answers(operator, machine) for machine in machines):
                away.append("nobody answered")

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
    assert not away


def test_where_everything_runs_this_version_nothing_is_touched(
    operator: Platform, one: Newcomer, two: Newcomer, file: Path
) -> None:
    done = up_nodes(operator, file)
    assert done.returncode == 0, done.stdout + done.stderr
    one.load(IMAGE)
    asked(operator, one, PODS, POD)
    eventually(lambda: container(operator, one), within=60, what="the pod runs")
    before = pid(one), pid(two), container(operator, one)
    done = up_nodes(operator, file, "--upgrade")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is to be done: all of them run Drover" in done.stdout
    assert (pid(one), pid(two), container(operator, one)) == before


def test_without_the_word_another_version_is_only_told(
    operator: Platform, one: Newcomer, two: Newcomer, file: Path, newer: Path
) -> None:
    before = pid(one), pid(two)
    done = up_nodes(operator, file, code=newer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("--upgrade brings it to Drover") == 2
    assert (pid(one), pid(two)) == before


def test_a_version_that_does_not_start_is_named_and_the_one_before_goes_on(
    operator: Platform, one: Newcomer, two: Newcomer, file: Path, tmp_path: Path
) -> None:
    before, agent, second = serving(one), agents(operator, one), pid(two)
    broken = versions.that_does_not_start(versions.newer(tmp_path))
    with never_away(operator, one, two):
        done = up_nodes(operator, file, "--upgrade", code=broken)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "plane-1| FAILED: the control plane was started and does not answer" in done.stdout
    assert "the version before was started again" in done.stdout
    assert "plane-2| left as it is" in done.stdout
    eventually(lambda: serving(one) == before, within=60, what="both serve as before")
    assert (agents(operator, one), pid(two)) == (agent, second)


def test_an_agent_that_does_not_start_is_named_and_the_one_before_goes_on(
    operator: Platform, one: Newcomer, file: Path, tmp_path: Path
) -> None:
    agent, ran = agents(operator, one), container(operator, one)
    broken = versions.whose_agent_does_not_start(versions.newer(tmp_path))
    done = up_nodes(operator, file, "--upgrade", code=broken)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "plane-1| FAILED: node plane-1 was let in, but its agent has not reached the server" in done.stdout
    assert "the agent before was started again" in done.stdout
    eventually(lambda: container(operator, one) == ran, what="its node is heard, and the pod runs on")
    assert agents(operator, one) == agent
    done = up_nodes(operator, file, code=broken)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "has joined already, with another version of the agent: --upgrade exchanges it" in done.stdout


def test_control_planes_are_exchanged_in_turn_and_agents_after_them_while_pods_run(
    operator: Platform, one: Newcomer, two: Newcomer, file: Path, newer: Path
) -> None:
    before, agent, ran = serving(one), agents(operator, one), container(operator, one)
    with never_away(operator, one, two):
        done = up_nodes(operator, file, "--upgrade", code=newer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert serving(one).keys() == before.keys()
    assert not {*serving(one).values()} & {*before.values()}
    eventually(lambda: agents(operator, one) != agent, what="the agent is another one")
    eventually(lambda: container(operator, one) == ran, what="the pod runs on")
    again = up_nodes(operator, file, "--upgrade", code=newer)
    assert "nothing is to be done" in again.stdout, again.stdout + again.stderr


def test_a_control_plane_of_this_machine_is_for_its_operator_to_end_before_the_database_changes(
    operator: Platform, one: Newcomer, two: Newcomer, file: Path, newer: Path
) -> None:
    operator.start(within=120, nodes=0)
    before = pid(one), pid(two)
    done = up_nodes(operator, file, "--upgrade", code=newer)
    assert done.returncode == 1
    assert "(this machine) runs Drover" in done.stdout
    assert (
        "is yours to restart: end it (Ctrl-C where `make up` runs), and start it with this code"
        in done.stdout
    )
    done = up_nodes(operator, file, "--upgrade", code=versions.with_migration(newer))
    assert done.returncode == 1
    assert "The database changes (nodes.9999_newer), and" in done.stderr
    assert "(this machine) would go on with it: end what runs there" in done.stderr
    assert (pid(one), pid(two)) == before
    operator.stop()


def test_all_of_them_end_before_the_database_changes_and_one_that_had_ended_comes_back_too(
    operator: Platform, one: Newcomer, two: Newcomer, file: Path, newer: Path
) -> None:
    before, ran = serving(one), container(operator, one)
    two.run(MANAGE, "service", "stop")
    done = up_nodes(operator, file, "--upgrade", code=newer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the database changes (nodes.9999_newer): all control planes end first" in done.stdout
    assert "plane-1| keeps the database as it was in /var/lib/drover/server/state/snapshots" in done.stdout
    assert [
        path.name for path in (one.root / "server/state/snapshots").glob("*-before-nodes.9999_newer.drover")
    ]
    assert serving(one).keys() == before.keys()
    assert not {*serving(one).values()} & {*before.values()}
    eventually(lambda: container(operator, one) == ran, what="the pod runs on")
