"""`up-nodes`: the machines of a file become nodes over a real ssh, all at once; again without harm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.joining.machines import Newcomer, manage
from tests.joining.planes import nodes_file
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.net, pytest.mark.kubectl]

FILE = """
ssh: {{user: root, key: {key}, knownHosts: {key}.hosts}}
cidrs: {{pods: 10.64.0.0/10, services: 10.254.0.0/16}}
images: ["127.0.0.1:1/ahead"]
nodes:
- {{name: here, address: 127.0.0.1, role: control-plane}}
- name: web-1
  address: {third}
  labels: {{disk: ssd}}
- name: web-2
  address: {fourth}
  taints: [{{key: gpu, value: "yes", effect: NoSchedule}}]
"""


@pytest.fixture(scope="module")
def third(platform: Platform) -> Newcomer:
    return Newcomer(platform, 3)


@pytest.fixture(scope="module")
def fourth(platform: Platform) -> Newcomer:
    return Newcomer(platform, 4)


@pytest.fixture(scope="module")
def file(third: Newcomer, fourth: Newcomer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nodes_file(tmp_path_factory.mktemp("up-nodes"), FILE, third=third, fourth=fourth)


def up_nodes(platform: Platform, file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return manage(platform, "up-nodes", str(file), *more, check=False)


def test_a_host_that_ssh_never_saw_is_not_believed_unasked(platform: Platform, file: Path) -> None:
    done = up_nodes(platform, file)
    assert done.returncode == 1
    assert "FAILED: ssh did not get there" in done.stdout
    assert "--accept-new-host-keys" in done.stdout


def test_the_machines_of_a_file_become_nodes(platform: Platform, file: Path) -> None:
    done = up_nodes(platform, file, "--accept-new-host-keys")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the control plane runs here" in done.stdout
    assert "node web-1 has joined the cluster" in done.stdout
    lines = [line.partition("| ")[2].split() for line in done.stdout.splitlines()]
    for name in ("web-1", "web-2"):
        assert [name, "Ready"] in [line[:2] for line in lines]
    assert "Found " in done.stdout
    web_1, web_2 = platform.objects("node", "web-1")[0], platform.objects("node", "web-2")[0]
    assert web_1["metadata"]["labels"]["disk"] == "ssd"
    assert web_2["spec"]["taints"][0]["key"] == "gpu"


def test_images_are_pulled_ahead(platform: Platform, third: Newcomer) -> None:
    def told() -> str:
        return platform.kubectl("get", "events", "--field-selector", "involvedObject.name=web-1")

    eventually(lambda: 'Pulling image "127.0.0.1:1/ahead"' in told(), what="its agent pulls")


def test_what_has_joined_stays_as_it_is(platform: Platform, file: Path, third: Newcomer) -> None:
    token = (third.state / "token").read_text()
    done = up_nodes(platform, file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("has joined already") == 2
    assert (third.state / "token").read_text() == token
