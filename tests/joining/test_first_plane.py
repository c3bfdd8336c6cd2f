"""`up-nodes` from a machine where no platform runs: the file's control plane is brought up first, then its nodes."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from paas.state import StateDirectory
from tests.joining import sshd
from tests.joining.machines import Newcomer
from tests.platform import Platform

pytestmark = [pytest.mark.docker, pytest.mark.net, pytest.mark.timeout(400)]

FILE = """
ssh: {{user: root, key: {key}, knownHosts: {key}.hosts}}
nodes:
- {{name: control, address: {control}, role: both}}
- {{name: web-1, address: {web}, labels: {{disk: ssd}}}}
"""


@pytest.fixture(scope="module")
def operator() -> Iterator[Platform]:
    """Only its commands are used: no platform is ever started here."""
    platform = Platform()
    StateDirectory(platform.state).prepare(os.geteuid(), os.getegid())
    try:
        yield platform
    finally:
        platform.down()


@pytest.fixture(scope="module")
def control(operator: Platform) -> Newcomer:
    return Newcomer(operator, 1)


@pytest.fixture(scope="module")
def file(operator: Platform, control: Newcomer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first-plane")
    own, web = sshd.key(folder / "key"), Newcomer(operator, 2)
    for machine in (control, web):
        sshd.serve(machine, own)
    path = folder / "nodes.yaml"
    path.write_text(FILE.format(key=own, control=control.address, web=web.address))
    return path


def up_nodes(operator: Platform, file: Path) -> subprocess.CompletedProcess[str]:
    done = operator.manage("up-nodes", str(file), "--accept-new-host-keys")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def nodes(operator: Platform, control: Newcomer) -> list[dict[str, Any]]:
    """As the server of that machine tells them, to whoever has its kubeconfig."""
    state = control.root / "server" / "state"
    token = yaml.safe_load((state / "kubeconfig").read_text())["users"][0]["user"]["token"]
    trusted = ssl.create_default_context(cafile=str(state / "ca.crt"))
    connection = HTTPSConnection(control.address, operator.port + 443, timeout=30, context=trusted)
    try:
        connection.request("GET", "/api/v1/nodes", headers={"Authorization": f"Bearer {token}"})
        found: list[dict[str, Any]] = json.loads(connection.getresponse().read())["items"]
    finally:
        connection.close()
    return found


def test_the_control_plane_comes_first_and_the_nodes_join_it(
    operator: Platform, control: Newcomer, file: Path
) -> None:
    done = up_nodes(operator, file)
    assert f"Found 1 server:\nnodes  |   {control.address}:{operator.port + 443}\n" in done.stdout
    assert {each["metadata"]["name"] for each in nodes(operator, control)} == {"control", "web-1"}
    assert "db.sqlite3" in control.run("ls", "/var/lib/drover/server/state"), "alone it needs no other database"


def test_again_without_harm(operator: Platform, control: Newcomer, file: Path) -> None:
    before = {each["metadata"]["uid"] for each in nodes(operator, control)}
    done = up_nodes(operator, file)
    assert "the control plane runs already" in done.stdout
    assert done.stdout.count("has joined already") == 2
    assert {each["metadata"]["uid"] for each in nodes(operator, control)} == before
