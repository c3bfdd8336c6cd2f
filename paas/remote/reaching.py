"""The machines of a file as ssh reaches them: programs sent to them, and the commands of the control planes there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from django.conf import settings

from apps.accounts import addresses
from apps.nodes import program
from apps.nodes.servers import place
from paas.remote import landed, parcel
from paas.remote.nodes_file import Entry, NodesFile
from paas.remote.ssh import FAILED, Remote
from paas.state import Refused

AT_ONCE = 8
JOIN = "join: "
IS_THERE = "import os, sys; print(os.path.exists(sys.argv[1]))"
RECEIVER = ("python3", "-c", "import sys; i = sys.stdin.buffer; exec(i.read(int(i.readline()))); land(i)")
"""Reads its own program first, by its length; the rest of the input is the program's."""
FIRST_STEPS = Path("node_agent") / "joining" / "start.py"
LAUNCHER = str(landed.FOLDER / landed.LAUNCHER)

Say = Callable[[str, str], None]
"""Machine and words."""


@dataclass
class Machines:
    """Those of one run; what failed on which of them is remembered."""

    file: NodesFile
    accept_new: bool
    say: Say
    failed: dict[str, str] = field(default_factory=dict)

    async def each(self, entries: Iterable[Entry], work: Callable[[Entry], Awaitable[None]]) -> None:
        """Some at the same time; one that fails is named, and does not hold up the others."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def guarded(entry: Entry) -> None:
            async with gate:
                try:
                    await work(entry)
                except Refused as refusal:
                    self.failed[entry.name] = str(refusal)
                    self.say(entry.name, f"FAILED: {refusal}")

        await asyncio.gather(*map(guarded, entries))

    async def run(self, entry: Entry, words: tuple[str, ...], given: Iterable[bytes], what: str) -> None:
        """A program on the machine, as root; its words are told as they come, and its last are why it failed."""
        remote = self._remote(entry)
        last = [""]

        def heard(text: str) -> None:
            last[0] = text.removeprefix(JOIN)
            self.say(entry.name, last[0])

        code = await remote.run(remote.as_root(words), given, heard)
        if code == FAILED:
            raise Refused(unreached(last[0]))
        if code:
            raise Refused(last[0] or f"{what} ended with code {code}")

    async def manage(self, entry: Entry, *words: str, sent: bool = False) -> str:
        """What a command of the control plane there answers; with ``sent`` of the one that was only sent so far."""
        return await self._ask(entry, LAUNCHER + (landed.SENT if sent else ""), *words)

    async def has_plane(self, entry: Entry) -> bool:
        """Whether a control plane was sent there once. Raises Refused where ssh, or sudo, does not get there."""
        return (await self._ask(entry, "python3", "-c", IS_THERE, LAUNCHER)).strip() == str(True)

    async def _ask(self, entry: Entry, *words: str) -> str:
        remote = self._remote(entry)
        code, answered, said = await remote.ask(remote.as_root(words))
        if code == FAILED:
            raise Refused(unreached(said.strip()))
        if code:
            told = said.strip() or answered.strip() or f"{words[0]} ended with code {code}"
            raise Refused(told.removeprefix("CommandError: "))
        return answered

    def _remote(self, entry: Entry) -> Remote:
        access = self.file.access(entry)
        known = self.file.ssh.known_hosts
        return Remote(entry.address, access.user, access.port, access.key, known, self.accept_new)


def landing(wished: dict[str, str] | None) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """What receives a control plane on its machine, and what that is given: its own program, what it is told, and the
    platform. Without settings those there stay, and who sends it says what comes next."""
    return RECEIVER, _given(wished)


def _given(wished: dict[str, str] | None) -> Iterator[bytes]:
    first = (settings.BASE / FIRST_STEPS).read_bytes()
    told = {
        "needs": program.needs(),
        "folder": str(landed.FOLDER),
        "packages": parcel.PACKAGES,
        "sent": landed.SENT,
        "settings": wished,
    }
    yield b"%d\n%b%b\n" % (len(first), first, json.dumps(told).encode())
    yield from program.chunks(parcel.contents)


def place_of(entry: Entry) -> str:
    """Where its control plane is reached."""
    return place(entry.address, settings.TLS_PORT)


def is_here(address: str) -> bool:
    loopback = ip_address(address).is_loopback if is_address(address) else address == "localhost"
    return loopback or address in addresses.of_this_machine()


def serves_here(server: str) -> bool:
    """``server``: host:port."""
    return is_here(server.rpartition(":")[0].strip("[]"))


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def unreached(said: str) -> str:
    """What ssh said when it did not get there, and what to do."""
    advice = ""
    if "Host key verification failed" in said:
        advice = ": connect once by hand, or give --accept-new-host-keys where the way there is trusted"
    elif "Permission denied" in said:
        advice = ": give the machine's account and key in the file (user, key)"
    return f"ssh did not get there: {said}{advice}"
