"""`up-nodes` and a second control plane: sent over a real ssh to a machine with nothing of Drover on it, one PostgreSQL
and one Redis under both; it serves, it is a node too, it is started again, and it is enough when the first one ends.
"""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from paas.state import StateDirectory
from tests.joining.machines import Newcomer
from tests.joining.planes import nodes_file, stores
from tests.platform import Platform, eventually, is_ready

pytestmark = [pytest.mark.docker, pytest.mark.net, pytest.mark.kubectl, pytest.mark.timeout(400)]

PLANE = "plane-2"
FILE = """
ssh: {{user: root, key: {key}, knownHosts: {key}.hosts}}
nodes:
- {{name: here, address: 127.0.0.1, role: control-plane}}
- {{name: plane-2, address: {plane}, role: both, labels: {{disk: ssd}}}}
"""
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """A control plane alone, on a PostgreSQL and a Redis that machines within this one reach."""
    platform = Platform()
    StateDirectory(platform.state).machines.mkdir()
    platform.settings = stores(platform)
    try:
        platform.start(within=120, nodes=0)
        yield platform
    finally:
        platform.stop()
        platform.down()


@pytest.fixture(scope="module")
def machine(platform: Platform) -> Newcomer:
    return Newcomer(platform, 1)


@pytest.fixture(scope="module")
def file(machine: Newcomer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nodes_file(tmp_path_factory.mktemp("up-planes"), FILE, plane=machine)


def up_nodes(platform: Platform, file: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    return platform.manage("up-nodes", str(file), "--accept-new-host-keys", **changed)


def asked(platform: Platform, address: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """The server at an address, which must prove itself by the cluster's authority."""
    trusted = ssl.create_default_context(cafile=str(platform.state / "ca.crt"))
    connection = HTTPSConnection(address, platform.port + 443, timeout=30, context=trusted)
    try:
        connection.request(method, path, json.dumps(body) if body else None, platform.headers())
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def written(platform: Platform, address: str, name: str) -> bool:
    status, told = asked(platform, address, "POST", CONFIG_MAPS, {"metadata": {"name": name}})
    assert status == 201, told
    return True


def endpoints(platform: Platform, address: str) -> set[str]:
    _, told = asked(platform, address, "GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    return {each["ip"] for subset in told["subsets"] for each in subset["addresses"]}


def pid(machine: Newcomer, name: str) -> int:
    """A process of the control plane there, as the machine itself numbers it."""
    return int((machine.root / "server" / "state" / "run" / "pids" / f"{name}.pid").read_text())


def test_a_database_or_redis_that_only_this_machine_reaches_is_refused_before_anything_is_touched(
    platform: Platform, machine: Newcomer, file: Path
) -> None:
    done = up_nodes(platform, file, REDIS_URL="", DROVER_KEY="")
    assert done.returncode == 1
    assert f"{PLANE} cannot serve beside another control plane" in done.stderr
    assert "set REDIS_URL" in done.stderr
    assert "set DROVER_KEY" in done.stderr
    assert not (machine.root / "server").exists()


def test_a_redis_that_cannot_be_used_from_there_is_named_before_anything_runs(
    platform: Platform, machine: Newcomer, file: Path
) -> None:
    done = up_nodes(platform, file, REDIS_URL=platform.settings["REDIS_URL"].replace("://:", "://:wrong"))
    assert done.returncode == 1, done.stdout
    assert "FAILED: Redis cannot be used from this machine" in done.stdout
    assert "drover: web" not in machine.run("ps", "-ef")


def test_a_machine_of_the_file_serves_and_is_a_node(platform: Platform, machine: Newcomer, file: Path) -> None:
    done = up_nodes(platform, file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"node {PLANE} has joined the cluster" in done.stdout
    assert "Found 2 servers:" in done.stdout
    assert f"{machine.address}:{platform.port + 443}" in done.stdout
    written(platform, machine.address, "through-the-new-one")
    assert platform.objects("configmap", "through-the-new-one")
    assert machine.address in endpoints(platform, "127.0.0.1")
    assert platform.objects("node", PLANE)[0]["metadata"]["labels"]["disk"] == "ssd"
    secret = [platform.settings["DROVER_KEY"], platform.settings["REDIS_URL"], platform.settings["DATABASE_URL"]]
    said = done.stdout + done.stderr + machine.run("ps", "-efww")
    said += "".join(path.read_text() for path in (machine.root / "server").rglob("*.log"))
    assert not [each for each in secret if each in said]
    for name in ("settings", "up.log"):
        assert (machine.root / "server" / name).stat().st_mode & 0o777 == 0o600, name


def test_what_runs_stays_as_it_is(platform: Platform, machine: Newcomer, file: Path) -> None:
    serving = pid(machine, "web")
    done = up_nodes(platform, file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the control plane runs already" in done.stdout
    assert "has joined already" in done.stdout
    assert pid(machine, "web") == serving


@pytest.mark.parametrize("victim", ["web", "up"])
def test_what_is_killed_there_is_started_again(platform: Platform, machine: Newcomer, victim: str) -> None:
    before = pid(machine, "web")
    lock = json.loads((machine.root / "server" / "state" / "lock").read_text())
    machine.run("kill", f"-{signal.SIGKILL.value}", str(before if victim == "web" else lock["pid"]))
    eventually(lambda: pid(machine, "web") != before, within=60, what="another web")
    eventually(lambda: written(platform, machine.address, f"after-{victim}"), within=60, what="it serves")


def test_when_the_first_control_plane_ends_the_second_is_enough(platform: Platform, machine: Newcomer) -> None:
    eventually(lambda: len(endpoints(platform, machine.address)) == 2, what="both servers")
    platform.stop()
    written(platform, machine.address, "alone")
    eventually(lambda: endpoints(platform, machine.address) == {machine.address}, what="the one server that is left")

    node = f"/api/v1/nodes/{PLANE}"
    eventually(lambda: is_ready(asked(platform, machine.address, "GET", node)[1]), what="its node is Ready")


def test_a_control_plane_is_taken_away_again(platform: Platform, machine: Newcomer) -> None:
    platform.start(nodes=0)
    told = machine.run("/var/lib/drover/server/manage", "service", "remove")
    assert "has ended here" in told
    eventually(lambda: machine.address not in endpoints(platform, "127.0.0.1"), what="it is no server any more")
    assert "drover: web" not in machine.run("ps", "-ef")
