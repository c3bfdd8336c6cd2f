"""Processes that outlive who started them. They are found again by where they stand."""

from __future__ import annotations

import os
import pwd
import selectors
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from node_agent.edge.trouble import Unserved

USERS: Final = ("caddy", "nobody")
"""As whom they run: the first of these that the machine has."""
LOG: Final = "start.log"
"""What they say, where they stand."""


class Process:
    def __init__(self, pid: int) -> None:
        """Raises OSError when it has ended."""
        self._pid = pid
        self.handle = os.pidfd_open(pid)
        """Readable once it has ended."""

    def ended(self, within: float = 0.0) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self.handle, selectors.EVENT_READ)
            return bool(selector.select(within))

    def tell(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, number)

    def forget(self) -> None:
        """It has ended, or is about to."""
        os.close(self.handle)
        with suppress(ChildProcessError):  # it was another agent's
            os.waitpid(self._pid, 0)


def spawn(place: Path, program: str, *arguments: str, home: str, stdin: int = subprocess.DEVNULL) -> Process:
    """With no right but to open low ports. Stands in ``place``, as the way there is closed to all but root.

    Raises Unserved.
    """
    setpriv, path, runs_as = shutil.which("setpriv"), shutil.which(program), user()
    if setpriv is None or path is None:
        raise Unserved("EdgeFailed", f"this node lacks setpriv or {program}: install util-linux and coreutils")
    command = [setpriv, f"--reuid={runs_as.pw_uid}", f"--regid={runs_as.pw_gid}", "--clear-groups", "--no-new-privs"]
    command += [f"--{each}=-all,+net_bind_service" for each in ("inh-caps", "ambient-caps", "bounding-set")]
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": home, "XDG_DATA_HOME": home}
    with (place / LOG).open("ab") as output:
        started = subprocess.Popen(
            [*command, path, *arguments], cwd=place, env=environment, start_new_session=True,
            stdin=stdin, stdout=output, stderr=output,
        )  # fmt: skip
    started.returncode = 0  # this object's part is done
    return Process(started.pid)


def standing(places: Iterable[Path], program: str) -> Iterator[tuple[Path, int]]:
    """Who of that name stands in one of these directories: nobody else's does."""
    by_file = {}
    for place in places:
        with suppress(FileNotFoundError):
            by_file[_file(place)] = place
    for process in Path("/proc").glob("[0-9]*") if by_file else ():
        with suppress(OSError):
            name = (process / "cmdline").read_bytes().partition(b"\0")[0]
            if name.endswith(f"/{program}".encode()) and (stands := by_file.get(_file(process / "cwd"))) is not None:
                yield stands, int(process.name)


def _file(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def user() -> pwd.struct_passwd:
    for name in USERS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unserved("EdgeFailed", f"this node has no user to run Caddy as: add one called {USERS[0]}")
