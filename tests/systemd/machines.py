"""A machine within this one that systemd runs: a root of its own over this one's files, its services, its journal."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from paas.machines.machine import Machine
from tests.joining.machines import Newcomer
from tests.platform import Platform, eventually
from tests.systemd import first

COMMAND_SECONDS = 120
"""Whole programs start in them, on a machine that may be busy."""


class Living(Machine):
    first = first.__name__


class Server(Newcomer):
    """As a provider hands it out: Docker and sshd run, and root logs in with a key."""

    kind = Living

    def __init__(self, platform: Platform, number: int, key: Path) -> None:
        self._key = key.with_suffix(".pub")
        super().__init__(platform, number)
        self.root = self.folder / "written" / "var/lib/drover"

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True)
        shutil.copy(self._key, self.folder / first.PUBLIC_KEY)

    def _is_up(self) -> bool:
        return super()._is_up() and self.shown("ssh.service", "ActiveState") == "active"

    def run(self, *command: str, check: bool = True, within: float = COMMAND_SECONDS) -> str:
        return super().run(*command, check=check, within=within)

    def reboot(self) -> None:
        """As an operator does it: everything is asked to end first."""
        self.run("systemctl", "poweroff", check=False)
        eventually(lambda: not self.pid, what=f"{self.name} is off")
        super().reboot()

    def kill(self, unit: str) -> None:
        """kill -9 of its main process; returns once another one runs."""
        before = self.shown(unit, "MainPID")
        self.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", unit)
        eventually(lambda: self.shown(unit, "MainPID") not in {before, "0"}, what=f"{unit} runs again")

    def shown(self, unit: str, what: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={what}", unit).strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    def said(self, unit: str) -> str:
        """Of the run that lasts, or was the last one."""
        run = self.shown(unit, "InvocationID")
        return self.run("journalctl", "--no-pager", "--output=cat", f"_SYSTEMD_INVOCATION_ID={run}")

    def given(self, text: bytes, *command: str) -> subprocess.CompletedProcess[bytes]:
        """A command in it with an input."""
        return subprocess.run(self.inside(*command), input=text, capture_output=True, timeout=60, check=False)
