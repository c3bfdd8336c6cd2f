"""`up-nodes` from a machine where no platform runs, to one that systemd runs: the file's control plane first, then its
nodes. Both are services there, which end, return and are exchanged without a container noticing.

The tests build on each other, in this order: machines are dear.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.nodes import program
from paas.remote import landed
from paas.remote.reaching import FIRST_STEPS, RECEIVER
from paas.state import StateDirectory
from tests.joining import planes, sshd, versions
from tests.joining.machines import Newcomer
from tests.joining.planes import MANAGE, asked
from tests.platform import BASE, Platform, eventually, is_ready
from tests.systemd.machines import Server

pytestmark = [pytest.mark.systemd, pytest.mark.docker, pytest.mark.net, pytest.mark.timeout(400)]

FILE = """
ssh: {{user: root, key: {key}, knownHosts: {key}.hosts}}
nodes:
- {{name: control, address: {control}, role: both}}
- {{name: web-1, address: {web}, labels: {{disk: ssd}}}}
"""
IMAGE = "busybox:latest"
POD = {
    "metadata": {"name": "hello"},
    "spec": {
        "nodeName": "control",
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {"name": "app", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "3600"]},
        ],
    },
}
PLANE, AGENT = "drover.service", "drover-agent.service"
OURS = re.compile("drover: web|celery|redis-server|node_agent")
ODD = ("a 5% b", "50%", '"q"', "$HOME", "\\n", "it's")
ODD_SERVICE = """
from pathlib import Path
from apps.service import Service
Service(what="odd words", unit="odd.service", folder=Path("/tmp"), log=Path("/tmp/log"), needs=Path("/"), final=0,
        command=("/bin/sh", "-c", 'printf "<%s>" "$ODD" "$@"', "sh", *{words!r}), environment={{"ODD": {words[0]!r}}},
        ).install(print)
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
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sshd.key(tmp_path_factory.mktemp("first-plane") / "key")


@pytest.fixture(scope="module")
def control(operator: Platform, key: Path) -> Server:
    try:
        return Server(operator, 1, key)
    except AssertionError as problem:
        pytest.skip(f"no machine that systemd runs comes up within this one: {problem}")


@pytest.fixture(scope="module")
def file(operator: Platform, control: Server, key: Path) -> Path:
    web = Newcomer(operator, 2)
    sshd.serve(web, key)
    path = key.with_name("nodes.yaml")
    path.write_text(FILE.format(key=key, control=control.address, web=web.address))
    return path


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return versions.with_migration(versions.newer(tmp_path_factory.mktemp("newer")))


def up_nodes(operator: Platform, file: Path, code: Path = BASE) -> str:
    done = planes.up_nodes(operator, file, code=code)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def nodes(operator: Platform, control: Server) -> dict[str, str]:
    """Name and uid of each."""
    found = asked(operator, control, "/api/v1/nodes")["items"]
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}


def container(operator: Platform, control: Server) -> str:
    """The one of our pod, which the server knows to run, and which runs."""
    pod = asked(operator, control, "/api/v1/namespaces/default/pods/hello")
    assert is_ready(pod), pod["status"]
    ran: str = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://")
    assert ran in control.run("docker", "ps", "--quiet", "--no-trunc")
    return ran


def returned(operator: Platform, control: Server) -> None:
    """Server and agent have found each other again."""
    eventually(lambda: "connected to" in control.said(AGENT), within=60, what="the agent has found the server")
    eventually(lambda: is_ready(asked(operator, control, "/api/v1/nodes/control")), what="the node is Ready")


def test_the_control_plane_comes_first_and_the_nodes_join_it(
    operator: Platform, control: Server, file: Path
) -> None:
    said = up_nodes(operator, file)
    assert f"Found 1 server:\nnodes  |   {control.address}:{operator.port + 443}  Drover " in said
    assert nodes(operator, control).keys() == {"control", "web-1"}
    assert "db.sqlite3" in control.run("ls", "/var/lib/drover/server/state"), "alone it needs no other database"
    for unit in (PLANE, AGENT):
        assert control.shown(unit, "ActiveState") == "active"
        assert control.shown(unit, "UnitFileState") == "enabled"


def test_again_without_harm(operator: Platform, control: Server, file: Path) -> None:
    before = nodes(operator, control)
    said = up_nodes(operator, file)
    assert "the control plane runs already" in said
    assert said.count("has joined already") == 2
    assert nodes(operator, control) == before


def test_its_journal_tells_how_it_begins_and_lets_nobody_in(control: Server) -> None:
    said = control.journal(PLANE)
    assert "Drover is ready" in said
    assert "/setup/" not in said, "others than root read the journal"
    assert "/setup/" in control.run(MANAGE, "set-up")


def test_no_container_notices_when_services_are_killed_stopped_and_started(operator: Platform, control: Server) -> None:
    control.load(IMAGE)
    asked(operator, control, "/api/v1/namespaces/default/pods", POD)
    before = eventually(lambda: container(operator, control), within=60, what="the pod runs")
    for unit in (PLANE, AGENT):
        control.kill(unit)
    returned(operator, control)
    control.run("systemctl", "stop", PLANE, AGENT)
    assert [control.shown(unit, "Result") for unit in (PLANE, AGENT)] == ["success", "success"]
    eventually(lambda: not OURS.search(control.run("ps", "-ef")), what="nothing of both is left")
    assert before in control.run("docker", "ps", "--quiet", "--no-trunc")
    control.run("systemctl", "start", PLANE, AGENT)
    returned(operator, control)
    assert container(operator, control) == before


def test_a_version_that_cannot_run_there_leaves_the_one_that_does_as_it_was(control: Server) -> None:
    settings, launcher = (control.root / "server" / name for name in (landed.SETTINGS, landed.LAUNCHER))
    before = settings.read_text(), launcher.read_text()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        refusing = b"import sys\nsys.exit('something is missing here')\n"
        entry = tarfile.TarInfo("manage.py")
        entry.size = len(refusing)
        archive.addfile(entry, io.BytesIO(refusing))
    first = (BASE / FIRST_STEPS).read_bytes()
    told = {"needs": program.needs(), "folder": str(landed.FOLDER), "packages": "packages", "sent": landed.SENT}
    told["settings"] = {"PORT": "1"}
    sent = b"%d\n%b%b\n" % (len(first), first, json.dumps(told).encode()) + packed.getvalue()
    done = control.given(sent, *RECEIVER)
    assert (done.returncode, done.stderr) == (1, b"something is missing here\n")
    assert (settings.read_text(), launcher.read_text()) == before


def test_it_all_comes_back_after_a_reboot(operator: Platform, control: Server) -> None:
    ran = container(operator, control)
    control.reboot()
    eventually(lambda: container(operator, control) != ran, within=90, what="the pod runs again")


def test_a_newer_version_takes_its_place_with_a_snapshot_of_the_database(
    operator: Platform, control: Server, file: Path, newer: Path
) -> None:
    before, ran = nodes(operator, control), container(operator, control)
    old = [*(control.root / "server" / "program").iterdir()]
    control.run("systemctl", "stop", PLANE)
    said = up_nodes(operator, file, newer)
    assert "the control plane serves" in said
    assert said.count("has joined already") == 2
    assert "newer" in control.run("sh", "-c", "ls /var/lib/drover/server/state/snapshots")
    assert not [folder for folder in old if folder.exists()], "nothing runs from there any more"
    assert nodes(operator, control) == before
    assert container(operator, control) == ran
    assert "9999_newer" in control.run("sh", "-c", "ls /var/lib/drover/server/program/*/apps/nodes/migrations")


def test_words_reach_a_program_as_they_are(control: Server) -> None:
    (agent,) = (control.root / "program").iterdir()
    path = f"PYTHONPATH=/var/lib/drover/program/{agent.name}"
    control.run("env", path, "python3", "-c", ODD_SERVICE.format(words=ODD))
    wanted = "".join(f"<{word}>" for word in (ODD[0], *ODD))
    eventually(lambda: wanted in control.journal("odd.service"), what=f"{wanted} in the journal")


def test_what_is_removed_leaves_no_service_behind(control: Server) -> None:
    control.run(MANAGE, "node", "remove", "control")
    eventually(lambda: control.shown(AGENT, "ActiveState") == "inactive", what="its agent has ended")
    assert control.run("docker", "ps", "--all", "--quiet") == ""
    assert "has ended here" in control.run(MANAGE, "service", "remove")
    assert control.shown(PLANE, "LoadState") == "not-found"
    control.run("rm", "-rf", "/var/lib/drover")
    control.run("systemctl", "start", AGENT)  # as a boot does
    assert control.shown(AGENT, "ActiveState") == "inactive"
    assert control.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "drover*") == ""
