"""STATE, the directory of one installation: its layout, its lock, its format number. Knows no Django."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apps.locks import taken

FORMAT = 1
SOCKET_PATH_LIMIT = 107  # sun_path holds 108 bytes, the last one zero
LONGEST_SOCKET = "redis.sock"
ROOTS = ("lock", "format", "engine.json", "run", "pids", "log", "agent", "machines")
OURS = (*ROOTS, "key", "kubeconfig", "ca.crt", "tls", "handover", "static", "beat", "write.lock", "snapshots")


class Refused(Exception):
    """One sentence for the person at the terminal: what is wrong and what to do."""


def default_path() -> Path:
    """STATE as the environment names it, else var/ beside the code."""
    return Path(os.environ.get("STATE") or Path(__file__).resolve().parent.parent / "var").absolute()


def runtime_directory(state: Path) -> Path:
    """Where sockets and pid files live: STATE/run, or under /run where a socket's path would be too long."""
    here = state.absolute() / "run"
    if len(os.fsencode(here / LONGEST_SOCKET)) <= SOCKET_PATH_LIMIT:
        return here
    return Path("/run") / f"drover-{short_hash(state)}"


def short_hash(state: Path) -> str:
    """Eight characters that tell this STATE's things on the machine from another's."""
    return hashlib.sha256(os.fsencode(state.absolute())).hexdigest()[:8]


@dataclass(frozen=True)
class ProcessMark:
    """A process that outlives its starter, told from a later one that was given the same number."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        return cls(pid, _start_of(pid))

    def alive(self) -> bool:
        return self.started != "" and _start_of(self.pid) == self.started


def _start_of(pid: int) -> str:
    """Boot and clock tick at which ``pid`` started; empty when it is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot}/{fields[19]}"


class StateDirectory:
    """One installation's directory. Whoever holds it is the only ``up`` on it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.run = runtime_directory(self.path)
        self.pids = self.run / "pids"
        self.log = self.path / "log"
        self.agents = self.path / "agent"
        self.machines = self.path / "machines"
        self.handover = self.path / "handover"

    def check_format(self) -> None:
        """Refuse a directory that a newer version wrote; nothing is touched."""
        try:
            written = (self.path / "format").read_text().strip()
        except FileNotFoundError:
            return
        if not written.isdigit() or int(written) > FORMAT:
            raise Refused(
                f"{self.path} was written by a newer Drover (format {written}; this one reads {FORMAT}): "
                "run that version, or choose another directory with STATE=."
            )

    def prepare(self, uid: int, gid: int) -> None:
        """Make the layout for the account that serves. What is root's stays so in a sticky directory."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for directory in (self.path, self.run):
            directory.mkdir(mode=0o700, exist_ok=True)
            os.chown(directory, -1, gid)
            directory.chmod(0o1770 if uid else 0o700)
        for directory in (self.log, self.agents, self.machines, self.pids):
            directory.mkdir(mode=0o700, exist_ok=True)
            os.chown(directory, 0, 0)
        self.handover.mkdir(mode=0o700, exist_ok=True)
        for entry in (*self.path.iterdir(), *self.run.iterdir()):
            ours = entry.parent == self.run or _is_known(entry.name)
            if ours and entry.name not in ROOTS:
                for path in (entry, *(entry.rglob("*") if entry.is_dir() else ())):
                    os.chown(path, uid, gid, follow_symlinks=False)
        (self.path / "format").write_text(f"{FORMAT}\n")

    @contextmanager
    def held(self, port: int) -> Iterator[None]:
        """Be the only ``up`` on this directory; the lock ends with this process, however it ends."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.path / "lock", "a+", encoding="utf-8") as lock:
            if not taken(lock):
                holder = self.holder()
                who = f"process {holder.pid}" if holder else "another process"
                raise Refused(
                    f"Drover already runs on {self.path} ({who}): stop it with Ctrl-C there, "
                    "or give this one its own STATE= and PORT=."
                )
            mark = ProcessMark.of(os.getpid())
            lock.truncate(0)
            lock.write(json.dumps({"pid": mark.pid, "started": mark.started, "port": port}))
            lock.flush()
            try:
                yield
            finally:
                lock.truncate(0)

    def holder(self) -> ProcessMark | None:
        """The living ``up`` of this directory."""
        mark = read_mark(self.path / "lock")
        return mark if mark is not None and mark.alive() else None

    def is_ours(self) -> bool:
        """Whether an ``up`` has been here, or nothing but what merely asking leaves behind."""
        return (self.path / "format").is_file() or {entry.name for entry in self.path.iterdir()} <= {
            "key",
            "lock",
        }

    def remove(self) -> list[str]:
        """Remove what Drover keeps here; returns the names it left in place because they are not ours."""
        if self.run.parent != self.path:
            shutil.rmtree(self.run, ignore_errors=True)
        if not self.is_ours():
            return []
        for entry in list(self.path.iterdir()):
            if _is_known(entry.name):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        left = sorted(entry.name for entry in self.path.iterdir())
        if not left:
            self.path.rmdir()
        return left


def _is_known(name: str) -> bool:
    return name in OURS or name.startswith("db.sqlite3")


def read_mark(path: Path) -> ProcessMark | None:
    """The process recorded in a JSON file, whether it lives or not."""
    try:
        kept = json.loads(path.read_text())
        return ProcessMark(int(kept["pid"]), str(kept["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def wait_gone(mark: ProcessMark, seconds: float) -> bool:
    """Wait for a process that is not our child."""
    deadline = time.monotonic() + seconds
    while mark.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
