"""Machines that are not yet nodes: a network, processes, mounts and an engine each, and nothing of Drover."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from paas.machines.lan import Lan
from paas.machines.machine import Machine
from paas.state import StateDirectory
from tests.machines import Node
from tests.platform import BASE, Platform, eventually

FIRST = 100
JOIN_SECONDS = 60.0


class Newcomer(Node):
    """A machine on which somebody may paste a line."""

    kind: type[Machine] = Machine

    def __init__(self, platform: Platform, number: int) -> None:
        state = StateDirectory(platform.state)
        lan = lan_of(platform)
        name = f"node-{FIRST + number}"
        machine = self.kind(
            name, lan.address(FIRST + number), state.machines / name, state.log / f"dockerd-{name}.log", lan
        )
        super().__init__(machine)
        self.folder = machine.folder
        self.root = machine.folder / "drover"
        self.prepare()
        self.switch_on()

    def prepare(self) -> None:
        """Before it is switched on for the first time."""

    def switch_on(self) -> None:
        super().switch_on()
        eventually(self._is_up, what=f"{self.name} is on")

    def _is_up(self) -> bool:
        return self._machine.has_engine and "Server:" in self.run("docker", "version", check=False)

    def paste(self, line: str, *more: str) -> subprocess.CompletedProcess[str]:
        """What a person does, in a shell of the machine."""
        words = " ".join([line, f"--root {self.root}", *more])
        return subprocess.run(
            self.inside("sh", "-c", words), capture_output=True, text=True, timeout=JOIN_SECONDS, check=False
        )

    def join(self, line: str, *more: str) -> None:
        done = self.paste(line, *more)
        assert done.returncode == 0, done.stdout + done.stderr

    def load(self, *images: str) -> None:
        """Images that this machine's engine has, into the other's."""
        packed = subprocess.run(["docker", "save", *images], capture_output=True, check=True).stdout
        done = subprocess.run(self.inside("docker", "load"), input=packed, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    @property
    def log(self) -> str:
        return (self.root / "agent.log").read_text()

    @property
    def state(self) -> Path:
        return self.root / "agent"


def lan_of(platform: Platform, *ports: int) -> Lan:
    """The platform's network between machines, made where it is missing; the server and these ports are open."""
    state = StateDirectory(platform.state)
    lan = Lan.chosen(state)
    lan.keep(state)
    lan.ensure()
    lan.allow(platform.port + 443, *ports)
    return lan


def make_line(platform: Platform, *options: str) -> str:
    return manage(platform, "join-command", *options).stdout.strip()


def manage(platform: Platform, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=BASE, env=platform.environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 or not check, done.stderr
    return done
