"""A control plane whose processes an operator starts one by one, as docs/operations.md has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from tests.platform import BASE, Platform, eventually

PROCESSES = ("web", "worker", "beat")


class ByHand(Platform):
    """What was killed stays so until it is started again; ``up`` has no part in it."""

    def __init__(self, settings: dict[str, str]) -> None:
        super().__init__(settings=settings)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self) -> None:
        """All of them; returns when the server answers."""
        self.said("set-up")
        for name in PROCESSES:
            self.launch(name)
        eventually(self.answers, within=60, what=f"a server (see {self.words('web')})")

    def launch(self, name: str) -> None:
        with self.words(name).open("ab") as words:
            self._running[name] = subprocess.Popen(
                [sys.executable, "manage.py", name], cwd=BASE, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=words, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """kill -9, and start it again as a service manager would."""
        self._running[name].kill()
        self._running[name].wait()
        self.launch(name)

    def said(self, *arguments: str) -> str:
        """What a command said; it must succeed."""
        done = self.manage(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def down(self) -> None:
        """It made nothing on this machine but its files."""
        for process in self._running.values():
            process.kill()
            process.wait()
        self.forget()

    def answers(self) -> bool:
        with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)

    def words(self, name: str) -> Path:
        return self.state / f"{name}.out"
