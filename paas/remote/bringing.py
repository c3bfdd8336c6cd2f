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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from django.conf import settings

from apps.cluster import ranges
from paas import roll_call
from paas.remote import landed, parcel, shared
from paas.remote.exchanging import BY_HAND, Exchange, pack, told
from paas.remote.nodes_file import BOTH, CONTROL_PLANE, NODE, Entry, NodesFile
from paas.remote.reaching import Machines, is_address, is_here, landing, place_of, serves_here
from paas.state import Refused

TTL = "1h"
ARRIVE_SECONDS = "30"
ANSWER_SECONDS = 2.0
READY = "Ready"
PROGRAM = ("python3", "-")

Manage = Callable[..., Awaitable[str]]
"""A command of ``manage.py`` by its words: what it answers. Raises Refused with what it said."""


@dataclass
class Bringing:
    """One run over one file."""

    machines: Machines
    upgrade: bool = False
    """Exchange what runs another version, too."""
    manage: Manage = field(init=False)
    first: Entry | None = None
    """The control plane that the others join, where none runs here."""
    version: str = field(default_factory=parcel.version)
    servers: dict[str, str] = field(default_factory=dict)
    """Where those that live are reached, and the version of each."""
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Those there were before."""

    async def run(self) -> bool:
        """Whether every machine is what it should be now. Raises Refused before anything is touched."""
        file = self.machines.file
        first = self.first = check(file, os.environ, runs_here=_answers_here(), upgrade=self.upgrade)
        self.manage = _here if first is None else partial(self.machines.manage, first)
        elsewhere = [entry for entry in file.nodes if not is_here(entry.address)]
        places = [place_of(entry) for entry in elsewhere if entry.role != NODE]
        self.servers = await self._living()
        same = {*places} <= {*self.servers} and {*self.servers.values()} <= {self.version}
        if self.upgrade and not same:
            if not await Exchange(self.machines, self.version).run(elsewhere, self.servers):
                return False
            self.servers = await self._living("--wait", ARRIVE_SECONDS, *places)
        if not {*places} <= {*self.servers}:
            await pack(self.machines)
        if first is not None:
            await self.machines.each([first], self._serve)
            if self.machines.failed:
                return False
            self.servers = await self._living()
        self.nodes = await self._present()
        due = [entry for entry in file.nodes if entry.role != CONTROL_PLANE and self._is_due(entry)]
        if self.upgrade and same and not due:
            self.machines.say("", f"nothing is to be done: all of them run Drover {self.version}")
            return True
        await self.machines.each(file.nodes, self._bring)
        return await self._report(places)

    async def _report(self, places: list[str]) -> bool:
        """Tell of all nodes and servers; whether those of the file are among them."""
        failed, say = self.machines.failed, self.machines.say
        wanted = [entry.name for entry in self.machines.file.nodes if entry.role in (NODE, BOTH)]
        seconds = ARRIVE_SECONDS if not failed else "0"
        say("", (await self.manage("node", "list", "--wait", seconds, *wanted)).rstrip())
        say("", (await self.manage("server", "list", "--wait", seconds, *places)).rstrip())
        known, living = await self._present(), await self._living()
        return (
            not failed and all(_is_ready(known.get(name)) for name in wanted) and all(each in living for each in places)
        )

    async def _bring(self, entry: Entry) -> None:
        if entry.role != NODE and entry is not self.first:
            await self._serve(entry)
        if entry.role == CONTROL_PLANE:
            return
        images = self.machines.file.images
        if not self._is_due(entry):
            other = not self._is_here_too(entry) and self._runs_another_agent(entry)
            hint = ", with another version of the agent: --upgrade exchanges it" if other else ""
            self.machines.say(entry.name, f"has joined already{hint}")
        elif self._is_here_too(entry):
            raise Refused("this machine runs the control plane, but no node: start it with `make up`")
        else:
            await self._join(entry)
        words = [*_marks(entry), *(["--images", ",".join(images)] if images else [])]
        if words:
            await self.manage("node", "set", entry.name, *words)
        if images:
            self.machines.say(entry.name, f"pulls {len(images)} images ahead")

    def _is_due(self, entry: Entry) -> bool:
        """Whether its agent is to come, or to be exchanged; that of `make up` is not ours to exchange."""
        known = self.nodes.get(entry.name)
        if known is None or not _is_ready(known) or known["address"] != entry.address:
            return True
        return self.upgrade and not self._is_here_too(entry) and self._runs_another_agent(entry)

    def _runs_another_agent(self, entry: Entry) -> bool:
        return self.nodes[entry.name].get("agent") != roll_call.SAME

    @staticmethod
    def _is_here_too(entry: Entry) -> bool:
        return entry.role == BOTH and is_here(entry.address)

    async def _serve(self, entry: Entry) -> None:
        """Its control plane, unless that runs already."""
        say = partial(self.machines.say, entry.name)
        if is_here(entry.address):
            ran = {version for server, version in self.servers.items() if serves_here(server)}
            if self.first is not None:
                say("no control plane runs here: start it with `make up`")
            elif ran <= {self.version}:
                say("the control plane runs here")
            else:
                say(f"the control plane runs here, as {told(min(ran))}. For {told(self.version)} {BY_HAND}")
        elif place_of(entry) not in self.servers:
            there = shared.settings(os.environ, entry.address, landed.state_of(landed.FOLDER))
            await self.machines.run(entry, *landing(there), "starting the control plane")
            self.servers[place_of(entry)] = self.version
        elif (runs := self.servers[place_of(entry)]) == self.version:
            say("the control plane runs already")
        else:
            say(f"the control plane runs already, as {told(runs)}: --upgrade brings it to {told(self.version)}")

    async def _join(self, entry: Entry) -> None:
        line = await self.manage("join-command", "--ttl", TTL, "--name", entry.name, *_marks(entry))
        await self.machines.run(entry, PROGRAM, [script(line.strip(), entry.name)], "joining")

    async def _living(self, *words: str) -> dict[str, str]:
        """None, too, while the first control plane is yet to come."""
        try:
            found = json.loads(await self.manage("server", "list", "--json", *words))
        except Refused:
            return {}
        return found if isinstance(found, dict) else dict.fromkeys(found, "")  # as older ones told it

    async def _present(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads(await self.manage("node", "list", "--json"))
        return found


def check(
    file: NodesFile, environment: shared.Environment, *, runs_here: bool, upgrade: bool = False
) -> Entry | None:
    """What can be told before anything is touched. The control plane that the others join, where none runs here.

    For an upgrade the one of this machine may have ended. Raises Refused.
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
    elsewhere = [entry for entry in planes if not is_here(entry.address)]
    for entry in elsewhere:
        if not is_address(entry.address):
            raise Refused(f"{entry.name} is to serve, and nodes are told where: give its address, not {entry.address}.")
    if not runs_here and (not elsewhere or (len(planes) > len(elsewhere) and not upgrade)):
        raise Refused(
            f"No server answers here at port {settings.PORT}: start one with `make up` first, or give another machine "
            "the role control-plane."
        )
    if elsewhere and (runs_here or len(planes) > 1) and (lacks := [*shared.lacking(environment)]):
        names = ", ".join(entry.name for entry in elsewhere)
        raise Refused(f"{names} cannot serve beside another control plane:\n  " + "\n  ".join(lacks))
    return None if runs_here else elsewhere[0]


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
