"""One machine within this machine: switched on and off, cut from its network, and entered."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from paas import registry
from paas.machines.lan import Lan
from paas.state import ProcessMark, Refused, read_mark, wait_gone

BASE = Path(__file__).resolve().parent.parent.parent
SHUTDOWN_SECONDS = 4.0
END_SECONDS = 5.0
CGROUPS = Path("/sys/fs/cgroup")
RUN = Path("/run")
TOLD = ("PATH", "HOME", "LANG")


@dataclass(frozen=True)
class Machine:
    """A network namespace, and in it processes with mounts, process numbers and an engine of their own."""

    name: str
    address: str
    folder: Path
    log: Path
    lan: Lan
    first: ClassVar[str] = "paas.machines.boot"
    """The module that is its process 1, with its name and its engine's configuration."""

    @property
    def pid(self) -> int:
        """Its first process, as seen from outside; 0 while it is off."""
        launcher = self._launcher()
        if launcher is None or not launcher.alive():
            return 0
        try:
            children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        except OSError:
            return 0
        return int(children[0]) if children else 0

    @property
    def is_on(self) -> bool:
        launcher = self._launcher()
        return launcher is not None and launcher.alive()

    @property
    def has_engine(self) -> bool:
        """Whether its engine's socket is there. Until process 1 has covered /run, this machine's own is seen in it."""
        run = Path(f"/proc/{self.pid}/root/run")
        try:
            return run.stat().st_dev != RUN.stat().st_dev and (run / "docker.sock").exists()
        except OSError:
            return False

    @property
    def stays_off(self) -> bool:
        """Whether somebody switched it off; the supervisor then leaves it so."""
        return (self.folder / "off").exists()

    @property
    def started_at(self) -> float:
        """When it was last switched on; 0 for never."""
        try:
            return self._record.stat().st_mtime
        except OSError:
            return 0.0

    def switch_on(self) -> None:
        """Boot it; does not wait for its engine."""
        with self._turn():
            if not self.is_on:
                self._boot()
            (self.folder / "off").unlink(missing_ok=True)

    def revive(self) -> bool:
        """Boot it if it ended by itself; whether it had."""
        with self._turn():
            ended = not self.is_on and not self.stays_off
            if ended:
                self._boot()
            return ended

    def cut_power(self) -> None:
        """End everything in it at once; nobody outside hears a word of it. Its disk stays."""
        with self._turn():
            if self.name in self.lan.spaces():
                self.lan.cut(self.name)
            self._end()
            self.lan.unplug(self.name)

    def switch_off(self) -> None:
        """A power cut that lasts until somebody switches it on again."""
        with self._turn():
            (self.folder / "off").touch()
        self.cut_power()

    def remove(self) -> None:
        """Its containers get a moment to end, then it goes with its disk."""
        pid = self.pid
        if pid:
            mark = ProcessMark.of(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            wait_gone(mark, SHUTDOWN_SECONDS)
        self.cut_power()
        for folder in (CGROUPS / self._cgroup, *CGROUPS.glob(f"*/{self._cgroup}")):
            _remove_group(folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def enter(self, command: list[str]) -> list[str]:
        """The command line that runs ``command`` in it; it ends with whoever runs that. Raises Refused while off."""
        pid = self.pid
        if not pid:
            raise Refused(f"{self.name} is off.")
        return ["nsenter", f"--target={pid}", "--mount", "--pid", "--net", "--uts", *command]

    def become(self, command: list[str]) -> None:
        """Turn this process into ``command`` inside the machine, once it is on."""
        while not self.has_engine:
            time.sleep(0.05)
        # Between this process and the command stands nsenter, so the command is told itself to end with it.
        inside = self.enter(["setpriv", "--pdeathsig", "TERM", *command])
        os.execvp(inside[0], inside)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One at a time: the supervisor starts whatever has ended, also while somebody is still ending it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _boot(self) -> None:
        self._reap()
        self._configuration.write_text(json.dumps(self._engine(), indent=1))
        self.lan.plug(self.name, self.address)
        command = ["nsenter", f"--net=/run/netns/{self.lan.space(self.name)}"]
        command += ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
        command += ["--propagation", "private"]
        command += [sys.executable, "-m", self.first, self.name, str(self._configuration)]
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        redirected = [(os.POSIX_SPAWN_DUP2, output, number) for number in (1, 2)]
        nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        # Nothing of the platform's settings, some of which are secret, is an engine's business.
        told = {
            name: value
            for name, value in os.environ.items()
            if name in TOLD or name.lower().endswith("_proxy")
        }
        environment = {**told, "PYTHONPATH": str(BASE)}
        launcher = os.posix_spawnp(
            command[0], command, environment, file_actions=[nothing, *redirected], setsid=True
        )  # it outlives this process, so nobody waits for it here
        os.close(output)
        mark = ProcessMark.of(launcher)
        self._record.write_text(json.dumps({"pid": mark.pid, "started": mark.started}))

    def _end(self) -> None:
        """Process 1 takes everything along; then whoever else lives in its network: the record may have been lost."""
        if self.pid:
            _kill(self.pid)
        space = self.lan.space(self.name)
        listed = subprocess.run(["ip", "netns", "pids", space], check=False, capture_output=True, text=True)
        for pid in listed.stdout.split():
            _kill(int(pid))
        self._reap()
        self._record.unlink(missing_ok=True)

    def _reap(self) -> None:
        """Where this process started the machine, its end is for this process to take note of."""
        launcher = self._launcher()
        if launcher is not None:
            with suppress(ChildProcessError):
                os.waitpid(launcher.pid, os.WNOHANG)

    def _engine(self) -> dict[str, object]:
        """The engine's configuration; nothing of this machine's own is read."""
        return {
            "data-root": str(self.folder / "docker"),
            "hosts": ["unix:///var/run/docker.sock"],
            "bridge": "none",
            "userland-proxy": False,
            "cgroup-parent": f"/{self._cgroup}",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "insecure-registries": [str(self.lan.network), registry.ADDRESS],
            "shutdown-timeout": int(SHUTDOWN_SECONDS) // 2,
            "log-level": "warn",
        }

    def _launcher(self) -> ProcessMark | None:
        return read_mark(self._record)

    @property
    def _record(self) -> Path:
        return self.folder / "process.json"

    @property
    def _configuration(self) -> Path:
        return self.folder / "daemon.json"

    @property
    def _cgroup(self) -> str:
        return self.lan.space(self.name)


def _remove_group(folder: Path) -> None:
    """A control group is empty some moments after its last process."""
    deadline = time.monotonic() + END_SECONDS
    while folder.exists():
        try:
            for path, _, _ in os.walk(folder, topdown=False):
                os.rmdir(path)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _kill(pid: int) -> None:
    mark = ProcessMark.of(pid)
    with suppress(ProcessLookupError):  # it may have ended by itself
        os.kill(pid, signal.SIGKILL)
    wait_gone(mark, END_SECONDS)
