"""The agent as a service: systemd's where it runs; else a script that keeps it running, and words about booting."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from apps.cluster.types.agent import LEFT_EXIT
from node_agent import disk
from node_agent.joining.equipment import SYSTEMD

DEFAULT_ROOT = Path("/var/lib/drover")
UNITS = Path("/etc/systemd/system")

UNIT = """\
[Unit]
Description=Drover node agent
Wants=network-online.target docker.service
After=network-online.target docker.service
# However often it ends at once: what keeps it from running may be mended any time.
StartLimitIntervalSec=0

[Service]
Environment=PYTHONPATH={program}
Environment=MALLOC_ARENA_MAX=1
ExecStart={python} -m node_agent run @{arguments}
Restart=always
RestartSec=1
RestartPreventExitStatus={left}
# Names and the edge go on while the agent is started again; it ends what is to end by itself.
KillMode=process

[Install]
WantedBy=multi-user.target
"""

SCRIPT = """\
#!/bin/sh
# Starts this node's agent and keeps it running. Where no service manager runs, call it at boot.
cd / || exit 1
exec >>{log} 2>&1 9>>{lock}
flock -n 9 || exit 0
echo $$ >{lock}
export PYTHONPATH={program} MALLOC_ARENA_MAX=1
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
[ -S /var/run/docker.sock ] || setsid dockerd >>{engine_log} 2>&1 9>&- &
while :; do
    {python} -m node_agent run @{arguments} 9>&-
    [ $? = {left} ] && exit
    sleep 1
done
"""


@dataclass(frozen=True)
class Layout:
    """Where things are on a joined machine."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "agent"

    @property
    def arguments(self) -> Path:
        """What the agent is started with, one word a line."""
        return self.state / "arguments"

    @property
    def script(self) -> Path:
        return self.state / "start"

    @property
    def lock(self) -> Path:
        """Held, with its process id inside, by the script while it runs."""
        return self.state / "start.lock"

    @property
    def log(self) -> Path:
        return self.root / "agent.log"

    @property
    def engine_log(self) -> Path:
        return self.root / "dockerd.log"

    @property
    def unit(self) -> str:
        name = str(self.root).strip("/").replace("/", "-")
        return "drover-agent.service" if self.root == DEFAULT_ROOT else f"drover-agent-{name}.service"

    @property
    def program(self) -> Path:
        """What runs now: the archive that this very process was unpacked from."""
        return Path(__file__).resolve().parent.parent.parent


def install(layout: Layout, arguments: list[str], say: Callable[[str], None]) -> None:
    """Run the agent from now on, after a reboot too. One that runs already is started anew, its pods stay."""
    disk.write(layout.arguments, "".join(f"{word}\n" for word in arguments).encode())
    places = {
        "program": layout.program,
        "python": sys.executable,
        "arguments": layout.arguments,
        "log": layout.log,
        "engine_log": layout.engine_log,
        "lock": layout.lock,
    }
    if SYSTEMD.is_dir():
        disk.write(UNITS / layout.unit, UNIT.format(**places, left=LEFT_EXIT).encode(), 0o644)
        for command in (["daemon-reload"], ["enable", layout.unit], ["restart", layout.unit]):
            subprocess.run(["systemctl", *command], check=True, capture_output=True, text=True)
        say(f"the agent runs as the systemd service {layout.unit}: journalctl -u {layout.unit} shows its words")
    else:
        quoted = {name: shlex.quote(str(place)) for name, place in places.items()}
        disk.write(layout.script, SCRIPT.format(**quoted, left=LEFT_EXIT).encode(), 0o700)
        stop(layout)
        subprocess.Popen([str(layout.script)], stdin=subprocess.DEVNULL, start_new_session=True)
        say(
            f"no service manager runs here: the agent was started in the background, its words are in {layout.log}. "
            f"To have it after a reboot, start {layout.script} at boot"
        )
    _clear(layout)


def stop(layout: Layout) -> None:
    """End the script and the agent that it keeps, which are a process group of their own."""
    try:
        with layout.lock.open() as lock:
            while not _held(lock):
                os.killpg(int(lock.readline() or 0), signal.SIGTERM)
                lock.seek(0)
                time.sleep(0.05)
    except (OSError, ValueError):
        return  # nothing runs


def _held(lock: IO[str]) -> bool:
    """Whether the lock is ours now, so that nobody else's script runs."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clear(layout: Layout) -> None:
    """Older programs: nothing runs from them any more."""
    for other in (layout.root / "program").glob("*"):
        if other != layout.program:
            shutil.rmtree(other, ignore_errors=True)
