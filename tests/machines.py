"""Nodes of a test's platform as the machines they are: power, cable, agent, and commands inside.

    platform.node("node-2").cut_power()     everything in it ends at once, and nobody hears a word (no FIN)
    platform.node("node-2").switch_on()     it boots with the disk it had; the platform's agent starts in it by itself
    platform.node("node-2").reboot()        the two above
    platform.node("node-2").cut()           the cable is dead in both directions, everything in it goes on
    platform.node("node-2").heal()
    platform.node("node-2").kill_agent()    kill -9; the supervisor starts it again
    platform.node("node-2").end_engine()    kill -9, or as asked; the machine starts it again
    platform.node("node-2").run("ip", "route")            a command of this machine, in the node's namespaces
    platform.node("node-2").in_pod(pod, "ip", "address")  the same in the network of one of its pods

`manage.py machine` does the same for people. A machine whose power was cut stays off until it is switched on; one that
only crashed is started again by the supervisor. ``running`` removes everything, also what a killed run left.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from paas.machines.machine import Machine

COMMAND_SECONDS = 30


class Node:
    """One node that is a machine within this one."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.name = machine.name
        self.address = machine.address
        """Its InternalIP; this machine reaches it, and it reaches ``gateway``."""
        self.gateway = machine.lan.gateway

    @property
    def pid(self) -> int:
        """Its process 1, as this machine sees it; 0 while it is off."""
        return self._machine.pid

    def cut_power(self) -> None:
        self._machine.switch_off()

    def switch_on(self) -> None:
        self._machine.switch_on()

    def reboot(self) -> None:
        self.cut_power()
        self.switch_on()

    def crash(self) -> None:
        """As ``cut_power``, but nothing tells the supervisor to leave it off."""
        self._machine.cut_power()

    def cut(self) -> None:
        self._machine.lan.cut(self.name)

    def heal(self) -> None:
        self._machine.lan.heal(self.name)

    def agent(self) -> int:
        """The agent's process, as this machine sees it."""
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and _runs_agent_of(process, self.name):
                return int(process.name)
        raise AssertionError(f"no agent runs in {self.name}")

    def kill_agent(self) -> None:
        os.kill(self.agent(), signal.SIGKILL)

    def end_engine(self, how: signal.Signals = signal.SIGKILL) -> None:
        self.run("sh", "-c", f"kill -{how.value} $(cat /run/docker.pid)")

    def run(self, *command: str, check: bool = True, within: float = COMMAND_SECONDS) -> str:
        """What a command prints that runs in the node's network, processes and mounts."""
        return _output(self.inside(*command), check, within)

    def inside(self, *command: str) -> list[str]:
        """The command line that runs ``command`` there."""
        return self._machine.enter([*command])

    def in_pod(
        self, pod: dict[str, Any], *command: str, check: bool = True, within: float = COMMAND_SECONDS
    ) -> str:
        """What a command of this machine prints that runs in the network of one of the node's pods."""
        first = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://")
        process = self.run("docker", "inspect", "--format", "{{.State.Pid}}", first).strip()
        inside = ["nsenter", f"--target={process}", "--net", *command]
        return self.run(*inside, check=check, within=within)


def _runs_agent_of(process: Path, node: str) -> bool:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return words[1:4] == ["-m", "node_agent", "run"] and node in words


def _output(command: list[str], check: bool, within: float) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=within, check=False)
    if check and done.returncode:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout + ("" if check else done.stderr)
