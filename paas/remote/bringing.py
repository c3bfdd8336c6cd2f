"""What ``up-nodes`` does: every machine of a file becomes a node, all at once, and again without harm.

Runs as whoever called, whose ssh keys are used; what needs the database is asked of ``manage.py``, which reads it as
its owner.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from django.conf import settings

from apps.accounts import addresses
from apps.cluster import ranges
from paas.remote.nodes_file import BOTH, NODE, Entry, NodesFile
from paas.remote.ssh import FAILED, Remote
from paas.state import Refused

AT_ONCE = 8
TTL = "1h"
ARRIVE_SECONDS = "30"
ANSWER_SECONDS = 2.0
READY = "Ready"
PROGRAM = ("python3", "-")
JOIN = "join: "

Say = Callable[[str, str], None]
"""Machine and words."""


@dataclass
class Bringing:
    """One run over one file."""

    file: NodesFile
    accept_new: bool
    say: Say
    failed: dict[str, str] = field(default_factory=dict)

    async def run(self) -> bool:
        """Whether every machine is a node now. Raises Refused before anything is touched."""
        check(self.file)
        there = await self._nodes()
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._guarded(gate, entry, there) for entry in self.file.nodes))
        wanted = [entry.name for entry in self.file.nodes if entry.role in (NODE, BOTH)]
        told = await _manage("node", "list", "--wait", ARRIVE_SECONDS if not self.failed else "0", *wanted)
        self.say("", told.rstrip())
        known = await self._nodes()
        return not self.failed and all(_is_ready(known.get(name)) for name in wanted)

    async def _guarded(self, gate: asyncio.Semaphore, entry: Entry, there: dict[str, dict[str, str]]) -> None:
        async with gate:
            try:
                await self._bring(entry, there.get(entry.name))
            except Refused as refusal:
                self.failed[entry.name] = str(refusal)
                self.say(entry.name, f"FAILED: {refusal}")

    async def _bring(self, entry: Entry, known: dict[str, str] | None) -> None:
        if entry.role not in (NODE, BOTH):
            self.say(entry.name, "the control plane runs here")
            return
        if known is not None and _is_ready(known) and known["address"] == entry.address:
            self.say(entry.name, "has joined already")
        elif entry.role == BOTH:
            raise Refused("this machine runs the control plane, but no node: start it with `make up`")
        else:
            await self._join(entry)
        words = [*_marks(entry), *(["--images", ",".join(self.file.images)] if self.file.images else [])]
        if words:
            await _manage("node", "set", entry.name, *words)
        if self.file.images:
            self.say(entry.name, f"pulls {len(self.file.images)} images ahead")

    async def _join(self, entry: Entry) -> None:
        line = await _manage("join-command", "--ttl", TTL, "--name", entry.name, *_marks(entry))
        access = self.file.access(entry)
        known = self.file.ssh.known_hosts
        remote = Remote(entry.address, access.user, access.port, access.key, known, self.accept_new)
        last = [""]
        self.say(entry.name, f"connecting to {entry.address}")

        def heard(text: str) -> None:
            last[0] = text
            self.say(entry.name, text.removeprefix(JOIN))

        root = access.user in ("", "root")
        code = await remote.run(
            PROGRAM if root else ("sudo", "-n", *PROGRAM), script(line, entry.name), heard
        )
        if code == FAILED:
            raise Refused(f"ssh did not get there: {last[0]}{_advice(last[0])}")
        if code:
            raise Refused(last[0].removeprefix(JOIN) or f"joining ended with code {code}")

    async def _nodes(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads(await _manage("node", "list", "--json"))
        return found


def check(file: NodesFile) -> None:
    """What can be told before anything is touched. Raises Refused."""
    for what, ours, wished, variable in (
        ("pods", ranges.POD_CIDR, file.cidrs.pods, "POD_CIDR"),
        ("services", ranges.SERVICE_CIDR, file.cidrs.services, "SERVICE_CIDR"),
    ):
        if wished and wished != str(ours):
            raise Refused(
                f"cidrs.{what} is {wished}, but the cluster runs with {ours}: start it with {variable}={wished}."
            )
    for entry in file.nodes:
        if entry.role != NODE and not _is_here(entry.address):
            raise Refused(
                f"{entry.name} is to be the control plane, but {entry.address} is not this machine: run `make up` and "
                "up-nodes there. A control plane is not yet started over ssh."
            )
    if shutil.which("ssh") is None:
        raise Refused("there is no ssh here: install openssh-client first.")
    try:
        socket.create_connection(("127.0.0.1", settings.PORT), timeout=ANSWER_SECONDS).close()
    except OSError:
        raise Refused(f"No server answers here at port {settings.PORT}: start one with `make up` first.") from None


def script(line: str, node: str) -> bytes:
    """What the machine's Python is given to read: the line's own program. Nothing secret is in any command line."""
    _, _, program, *words = shlex.split(line)
    return f"import sys\nsys.argv = {['-', *words, '--name', node]!r}\n{program}\n".encode()


def _marks(entry: Entry) -> list[str]:
    labels = ",".join(f"{key}={value}" for key, value in entry.labels.items())
    taints = ",".join(
        f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"
        for taint in entry.taints
    )
    return [*(["--labels", labels] if labels else []), *(["--taints", taints] if taints else [])]


def _is_ready(known: dict[str, str] | None) -> bool:
    return known is not None and known["state"].startswith(READY)


def _is_here(address: str) -> bool:
    try:
        loopback = ip_address(address).is_loopback
    except ValueError:
        loopback = address == "localhost"
    return loopback or address in addresses.of_this_machine()


def _advice(said: str) -> str:
    if "Host key verification failed" in said:
        return ": connect once by hand, or give --accept-new-host-keys where the way there is trusted"
    if "Permission denied" in said:
        return ": give the machine's account and key in the file (user, key)"
    return ""


async def _manage(*words: str) -> str:
    """A command of ``manage.py`` in a process of its own. Raises Refused with what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(settings.BASE / "manage.py"), *words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    told, refused = await process.communicate()
    if process.returncode:
        raise Refused(refused.decode("utf-8", "replace").strip().removeprefix("CommandError: "))
    return told.decode()
