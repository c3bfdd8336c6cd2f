"""``up-nodes --upgrade``: the control planes that run another version give way to this one. Agents follow later."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from apps.nodes import program
from paas.remote import landed, parcel
from paas.remote.nodes_file import NODE, Entry
from paas.remote.reaching import Machines, landing, place_of, serves_here
from paas.state import Refused

SENT_LAUNCHER = f"{landed.FOLDER / landed.LAUNCHER}{landed.SENT}"
BY_HAND = "end it (Ctrl-C where `make up` runs), and start it with this code"


@dataclass(frozen=True)
class Plan:
    """Places, as host:port."""

    exchanged: tuple[str, ...]
    """Of control planes that `up-nodes` sent, in the file's order: those that run another version, or not at all."""
    by_hand: tuple[str, ...]
    """Of those that live, run another version, and are not its own to exchange."""


def plan(sent: Collection[str], servers: Mapping[str, str], version: str) -> Plan:
    """``sent``: where the file has a control plane of ours; ``servers``: the version of each that lives. Pure."""
    return Plan(
        exchanged=tuple(place for place in sent if servers.get(place) != version),
        by_hand=tuple(place for place, runs in servers.items() if runs != version and place not in sent),
    )


@dataclass(frozen=True)
class Exchange:
    """One run over the control planes of a file."""

    machines: Machines
    version: str

    async def run(self, entries: list[Entry], servers: Mapping[str, str]) -> bool:
        """Whether all servers are of this version now. What fails is named, and goes on as it was where it can.

        Raises Refused before anything is touched.
        """
        planes = await self._planes(entries)
        if self.machines.failed:
            raise Refused("Nothing was touched: mend that, or take the machine out of the file.")
        todo = plan(planes, servers, self.version)
        if todo.exchanged:
            await self._exchange([planes[place] for place in todo.exchanged], todo.by_hand)
        for place in todo.by_hand:
            self.machines.say(
                "", f"{_named(place)} runs {told(servers[place])} and is yours to restart: {BY_HAND}"
            )
        if todo.by_hand:
            self.machines.say("", "agents follow the servers: run this again after that")
        return not self.machines.failed and not todo.by_hand

    async def _planes(self, entries: list[Entry]) -> dict[str, Entry]:
        """Those that `up-nodes` sent there once, by their place. A node that is not reached is named, no more."""
        sent = {}

        async def look(entry: Entry) -> None:
            try:
                if await self.machines.has_plane(entry) and entry.role != NODE:
                    sent[entry.name] = entry
            except Refused as refusal:
                if entry.role != NODE:
                    raise
                self.machines.say(entry.name, str(refusal))

        await self.machines.each(entries, look)
        return {place_of(entry): entry for entry in entries if entry.name in sent}

    async def _exchange(self, entries: list[Entry], by_hand: Collection[str]) -> None:
        await pack(self.machines)
        await self.machines.each(entries, self._send)
        changes: dict[str, list[str]] = {}

        async def ask(entry: Entry) -> None:
            changes[entry.name] = await self._ahead(entry)

        if not self.machines.failed:
            await self.machines.each(entries, ask)
        if self.machines.failed:
            raise Refused("Everything runs as before: this version was sent, and takes no place yet.")
        if ahead := next(filter(None, changes.values()), None):
            await self._together(entries, ahead, by_hand)
        else:
            await self._in_turn(entries)

    async def _in_turn(self, entries: list[Entry]) -> None:
        """One is away at a time."""
        for number, entry in enumerate(entries, 1):
            await self.machines.each([entry], self._install)
            if self.machines.failed:
                for other in entries[number:]:
                    self.machines.say(other.name, "left as it is")
                return

    async def _together(self, entries: list[Entry], ahead: list[str], by_hand: Collection[str]) -> None:
        """No server of another version lives while the database changes."""
        if by_hand:
            raise Refused(
                f"The database changes ({', '.join(ahead)}), and {', '.join(map(_named, by_hand))} would go on with "
                "it: end what runs there (Ctrl-C where `make up` runs), run this again, and start it with this code "
                "after that. Everything runs as before."
            )
        self.machines.say("", f"the database changes ({', '.join(ahead)}): all control planes end first")
        first, *others = entries
        await self.machines.each(entries, self._stop)
        if not self.machines.failed:
            await self.machines.each([first], self._install)
        if self.machines.failed:
            await self.machines.each(
                [each for each in entries if each.name not in self.machines.failed], self._go_on
            )
            return
        snapshots = landed.state_of(landed.FOLDER) / "snapshots"
        self.machines.say(first.name, f"keeps the database as it was in {snapshots}")
        await self.machines.each(others, self._install)

    async def _send(self, entry: Entry) -> None:
        """The program only: its settings stay as they are there."""
        await self.machines.run(entry, *landing(None), "sending the platform")

    async def _ahead(self, entry: Entry) -> list[str]:
        """The migrations that this version brings, once the machine found no fault with it."""
        found: list[str] = json.loads((await self._service(entry, "check")).splitlines()[-1])
        return found

    async def _stop(self, entry: Entry) -> None:
        self.machines.say(entry.name, await self._service(entry, "stop"))

    async def _install(self, entry: Entry) -> None:
        await self.machines.run(
            entry, (SENT_LAUNCHER, "service", "install", "--sent"), (), "starting this version"
        )

    async def _go_on(self, entry: Entry) -> None:
        """After another one failed: as it was, where the database is, too."""
        if await self._ahead(entry):
            self.machines.say(entry.name, await self._service(entry, "start"))
        else:
            await self._install(entry)

    async def _service(self, entry: Entry, verb: str) -> str:
        """What this version, which was only sent so far, answers there."""
        return (await self.machines.manage(entry, "service", verb, sent=True)).strip()


async def pack(machines: Machines) -> None:
    machines.say("", "packing the platform")
    await asyncio.to_thread(program.archive, parcel.contents)


def _named(place: str) -> str:
    return f"{place} (this machine)" if serves_here(place) else place


def told(version: str) -> str:
    """In words."""
    return f"Drover {version}" if version else "an older Drover"
