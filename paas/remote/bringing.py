"""What ``up-nodes`` does: every machine of a file becomes what the file says, all at once, and again without harm.

Runs as whoever called, whose ssh keys are used. What needs the database is asked of ``manage.py``: of this machine's,
which reads it as its owner, or, where no server runs here, of the first control plane's of the file, over ssh.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from django.conf import settings

from apps.accounts import addresses
from apps.cluster import ranges
from apps.nodes import program
from apps.nodes.servers import place
from paas.remote import landed, parcel, shared
from paas.remote.nodes_file import BOTH, CONTROL_PLANE, NODE, Entry, NodesFile
from paas.remote.ssh import FAILED, Remote
from paas.state import Refused

AT_ONCE = 8
TTL = "1h"
ARRIVE_SECONDS = "30"
ANSWER_SECONDS = 2.0
READY = "Ready"
PROGRAM = ("python3", "-")
RECEIVER = ("python3", "-c", "import sys; i = sys.stdin.buffer; exec(i.read(int(i.readline()))); land(i)")
"""Reads its own program first, by its length; the rest of the input is the program's."""
FIRST_STEPS = Path("node_agent") / "joining" / "start.py"
JOIN = "join: "

Say = Callable[[str, str], None]
"""Machine and words."""
Manage = Callable[..., Awaitable[str]]
"""A command of ``manage.py`` by its words: what it answers. Raises Refused with what it said."""


@dataclass
class Bringing:
    """One run over one file."""

    file: NodesFile
    accept_new: bool
    say: Say
    failed: dict[str, str] = field(default_factory=dict)
    manage: Manage = field(init=False)
    first: Entry | None = None
    """The control plane that the others join, where none runs here."""
    servers: list[str] = field(default_factory=list)
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Those there were before."""

    async def run(self) -> bool:
        """Whether every machine is what it should be now. Raises Refused before anything is touched."""
        first = self.first = check(self.file, os.environ, runs_here=_answers_here())
        self.manage = _here if first is None else self._at(self._remote(first))
        with_plane = [entry for entry in self.file.nodes if entry.role != NODE and not _is_here(entry.address)]
        self.servers = await self._living() if with_plane else []
        if any(_place(entry) not in self.servers for entry in with_plane):
            self.say("", "packing the platform")
            await asyncio.to_thread(program.archive, parcel.contents)
        gate = asyncio.Semaphore(AT_ONCE)
        if first is not None:
            await self._guarded(gate, first, self._serve)
            if self.failed:
                return False
            self.servers = await self._living()
        self.nodes = await self._present()
        await asyncio.gather(*(self._guarded(gate, entry, self._bring) for entry in self.file.nodes))
        return await self._report([_place(entry) for entry in with_plane])

    async def _report(self, places: list[str]) -> bool:
        """Tell of all nodes and servers; whether those of the file are among them."""
        wanted = [entry.name for entry in self.file.nodes if entry.role in (NODE, BOTH)]
        seconds = ARRIVE_SECONDS if not self.failed else "0"
        self.say("", (await self.manage("node", "list", "--wait", seconds, *wanted)).rstrip())
        self.say("", (await self.manage("server", "list", "--wait", seconds, *places)).rstrip())
        known, living = await self._present(), await self._living()
        return (
            not self.failed
            and all(_is_ready(known.get(name)) for name in wanted)
            and all(each in living for each in places)
        )

    async def _guarded(
        self, gate: asyncio.Semaphore, entry: Entry, work: Callable[[Entry], Awaitable[None]]
    ) -> None:
        async with gate:
            try:
                await work(entry)
            except Refused as refusal:
                self.failed[entry.name] = str(refusal)
                self.say(entry.name, f"FAILED: {refusal}")

    async def _bring(self, entry: Entry) -> None:
        if entry.role != NODE and entry is not self.first:
            await self._serve(entry)
        if entry.role == CONTROL_PLANE:
            return
        known = self.nodes.get(entry.name)
        if known is not None and _is_ready(known) and known["address"] == entry.address:
            self.say(entry.name, "has joined already")
        elif entry.role == BOTH and _is_here(entry.address):
            raise Refused("this machine runs the control plane, but no node: start it with `make up`")
        else:
            await self._join(entry)
        words = [*_marks(entry), *(["--images", ",".join(self.file.images)] if self.file.images else [])]
        if words:
            await self.manage("node", "set", entry.name, *words)
        if self.file.images:
            self.say(entry.name, f"pulls {len(self.file.images)} images ahead")

    async def _serve(self, entry: Entry) -> None:
        """Its control plane, unless that runs already."""
        if _is_here(entry.address):
            self.say(entry.name, "the control plane runs here")
        elif _place(entry) in self.servers:
            self.say(entry.name, "the control plane runs already")
        else:
            await self._run(entry, RECEIVER, plane(os.environ, entry.address), "starting the control plane")
            self.servers.append(_place(entry))

    async def _join(self, entry: Entry) -> None:
        line = await self.manage("join-command", "--ttl", TTL, "--name", entry.name, *_marks(entry))
        await self._run(entry, PROGRAM, [script(line.strip(), entry.name)], "joining")

    async def _run(self, entry: Entry, words: tuple[str, ...], given: Iterable[bytes], what: str) -> None:
        """A program on the machine, as root; its words are told as they come, and its last are why it failed."""
        remote = self._remote(entry)
        last = [""]
        self.say(entry.name, f"connecting to {entry.address}")

        def heard(text: str) -> None:
            last[0] = text.removeprefix(JOIN)
            self.say(entry.name, last[0])

        code = await remote.run(remote.as_root(words), given, heard)
        if code == FAILED:
            raise Refused(unreached(last[0]))
        if code:
            raise Refused(last[0] or f"{what} ended with code {code}")

    def _remote(self, entry: Entry) -> Remote:
        access = self.file.access(entry)
        known = self.file.ssh.known_hosts
        return Remote(entry.address, access.user, access.port, access.key, known, self.accept_new)

    @staticmethod
    def _at(remote: Remote) -> Manage:
        """The commands of the control plane there."""

        async def manage(*words: str) -> str:
            launcher = str(landed.FOLDER / landed.LAUNCHER)
            code, answered, said = await remote.ask(remote.as_root((launcher, *words)))
            if code == FAILED:
                raise Refused(unreached(said.strip()))
            if code:
                raise Refused(said.strip().removeprefix("CommandError: "))
            return answered

        return manage

    async def _living(self) -> list[str]:
        """None, too, while the first control plane is yet to come."""
        try:
            found: list[str] = json.loads(await self.manage("server", "list", "--json"))
        except Refused:
            return []
        return found

    async def _present(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads(await self.manage("node", "list", "--json"))
        return found


def check(file: NodesFile, environment: shared.Environment, *, runs_here: bool) -> Entry | None:
    """What can be told before anything is touched. The control plane that the others join, where none runs here.

    Raises Refused.
    """
    for what, ours, wished, variable in (
        ("pods", ranges.POD_CIDR, file.cidrs.pods, "POD_CIDR"),
        ("services", ranges.SERVICE_CIDR, file.cidrs.services, "SERVICE_CIDR"),
    ):
        if wished and wished != str(ours):
            raise Refused(
                f"cidrs.{what} is {wished}, but the cluster runs with {ours}: start it with {variable}={wished}."
            )
    if shutil.which("ssh") is None:
        raise Refused("there is no ssh here: install openssh-client first.")
    planes = [entry for entry in file.nodes if entry.role != NODE]
    elsewhere = [entry for entry in planes if not _is_here(entry.address)]
    for entry in elsewhere:
        if not _is_address(entry.address):
            raise Refused(f"{entry.name} is to serve, and nodes are told where: give its address, not {entry.address}.")
    if not runs_here and (not elsewhere or len(planes) > len(elsewhere)):
        raise Refused(
            f"No server answers here at port {settings.PORT}: start one with `make up` first, or give another machine "
            "the role control-plane."
        )
    if elsewhere and (runs_here or len(planes) > 1) and (lacks := [*shared.lacking(environment)]):
        names = ", ".join(entry.name for entry in elsewhere)
        raise Refused(f"{names} cannot serve beside another control plane:\n  " + "\n  ".join(lacks))
    return None if runs_here else elsewhere[0]


def plane(environment: shared.Environment, address: str) -> Iterator[bytes]:
    """What RECEIVER is given: its program, what the machine is told, and the platform."""
    first = (settings.BASE / FIRST_STEPS).read_bytes()
    told = {
        "needs": program.needs(),
        "folder": str(landed.FOLDER),
        "packages": parcel.PACKAGES,
        "sent": landed.SENT,
        "settings": shared.settings(environment, address, landed.state_of(landed.FOLDER)),
    }
    yield b"%d\n%b%b\n" % (len(first), first, json.dumps(told).encode())
    yield from program.chunks(parcel.contents)


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


def unreached(said: str) -> str:
    """What ssh said when it did not get there, and what to do."""
    advice = ""
    if "Host key verification failed" in said:
        advice = ": connect once by hand, or give --accept-new-host-keys where the way there is trusted"
    elif "Permission denied" in said:
        advice = ": give the machine's account and key in the file (user, key)"
    return f"ssh did not get there: {said}{advice}"


def _place(entry: Entry) -> str:
    return place(entry.address, settings.TLS_PORT)


def _is_here(address: str) -> bool:
    loopback = ip_address(address).is_loopback if _is_address(address) else address == "localhost"
    return loopback or address in addresses.of_this_machine()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _answers_here() -> bool:
    try:
        socket.create_connection(("127.0.0.1", settings.PORT), timeout=ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


async def _here(*words: str) -> str:
    """The commands of this machine's ``manage.py``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(settings.BASE / "manage.py"), *words, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    told, refused = await process.communicate()
    if process.returncode:
        raise Refused(refused.decode("utf-8", "replace").strip().removeprefix("CommandError: "))
    return told.decode()
