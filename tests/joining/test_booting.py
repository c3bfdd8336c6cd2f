"""A machine that is being switched on: what is seen in it is not yet its own."""

import os
import subprocess

import pytest

from paas.machines.machine import Machine
from paas.state import StateDirectory
from tests.joining import hesitant
from tests.joining.machines import lan_of
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.net]


class Hesitant(Machine):
    first = hesitant.__name__


def test_this_machines_engine_is_never_taken_for_the_others(platform: Platform) -> None:
    state, lan = StateDirectory(platform.state), lan_of(platform)
    name = "node-150"
    machine = Hesitant(name, lan.address(150), state.machines / name, state.log / f"dockerd-{name}.log", lan)
    machine.folder.mkdir(parents=True)
    os.mkfifo(machine.folder / hesitant.TOLD)
    try:
        machine.switch_on()
        eventually(lambda: machine.pid, what="it has a process 1")
        subprocess.run(machine.enter(["docker", "version"]), check=True, capture_output=True)
        assert not machine.has_engine
        (machine.folder / hesitant.TOLD).write_bytes(b"")
        eventually(lambda: machine.has_engine, what="its own engine is there")
        asked = machine.enter(["docker", "info", "--format", "{{.DockerRootDir}}"])
        assert subprocess.check_output(asked, text=True).strip() == str(machine.folder / "docker")
    finally:
        machine.remove()
