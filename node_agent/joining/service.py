"""The agent as a service of the machine that joined."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from apps.cluster.types.agent import LEFT_EXIT
from apps.service import Service
from node_agent import disk, identity
from node_agent.joining.refusal import Refused

DEFAULT_ROOT = Path("/var/lib/drover")
SOCKET = "/var/run/docker.sock"
NAMELESS = re.compile(r"[^A-Za-z0-9:_.-]")
"""What the name of a unit cannot hold."""


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
    def log(self) -> Path:
        return self.root / "agent.log"

    @property
    def engine_log(self) -> Path:
        return self.root / "dockerd.log"

    @property
    def unit(self) -> str:
        name = NAMELESS.sub(_escaped, str(self.root).strip("/").replace("/", "-"))
        return "drover-agent.service" if self.root == DEFAULT_ROOT else f"drover-agent-{name}.service"

    @property
    def program(self) -> Path:
        """What runs now: the archive that this very process was unpacked from."""
        return Path(__file__).resolve().parent.parent.parent


def install(
    layout: Layout, arguments: list[str], say: Callable[[str], None], arrived: Callable[[], None]
) -> None:
    """Run the agent from now on, after a reboot too. One that runs already is started anew, its pods stay.

    Where another program did the same before, it does so again unless this one has ``arrived`` (raises Refused).
    """
    agent = service(layout)
    words = "".join(f"{word}\n" for word in arguments).encode()
    same = layout.arguments.exists() and layout.arguments.read_bytes() == words
    before = agent.installed() if same else ""
    disk.write(layout.arguments, words)
    agent.install(say)
    try:
        arrived()
    except Refused as refusal:
        if not before or before == agent.installed():
            raise
        agent.install(say, text=before)
        raise Refused(f"{refusal}; the agent before was started again") from None
    _clear(layout)


def service(layout: Layout) -> Service:
    return Service(
        what="node agent",
        unit=layout.unit,
        folder=layout.state,
        log=layout.log,
        command=(sys.executable, "-m", "node_agent", "run", f"@{layout.arguments}"),
        environment={"PYTHONPATH": str(layout.program), "MALLOC_ARENA_MAX": "1"},
        needs=layout.state / identity.FILES["token"],
        final=LEFT_EXIT,
        after=("network-online.target", "docker.service"),
        kill="process",  # names and the edge go on while it is started again; it ends what is to end by itself
        # By ``exec``: a shell that waited for it would hold the script's lock for as long.
        before=f"[ -S {SOCKET} ] || exec setsid dockerd >>{shlex.quote(str(layout.engine_log))} 2>&1 9>&- &",
        more_logs=(layout.engine_log,),
    )


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode())


def _clear(layout: Layout) -> None:
    """Older programs: nothing runs from them any more."""
    for other in (layout.root / "program").glob("*"):
        if other != layout.program:
            shutil.rmtree(other, ignore_errors=True)
