"""Takes questions from sockets and gives answers: what is known at once, everything else when it is known."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from math import inf
from time import monotonic
from typing import Any, Final

from node_agent.dns.upstream import NoAnswer, Upstream
from node_agent.dns.wire import (
    NOERROR,
    NXDOMAIN,
    SERVFAIL,
    TCP_ROOM,
    Bad,
    Question,
    Silence,
    answers_of,
    ask_for,
    pass_on,
    question,
    reply,
)
from node_agent.dns.zone import Found, Record, Zone

PACKET: Final = 4096
AT_ONCE: Final = 64
"""Datagrams taken before other work has its turn."""
READY_ANSWERS: Final = 8192
FRESH_SECONDS: Final = 1.0
"""How long another server's answer is given out before its times to live are counted down again."""
ORDERS: Final = 8
"""Of several addresses each comes first in turn; in so many orders at most."""
CONNECTIONS: Final = 128
IDLE_SECONDS: Final = 10.0
LAST_SECONDS: Final = 0.3
"""What is under way may take so long when the process is to end."""


class Answers:
    """Questions to answers, as packets without their ids where they are kept ready."""

    def __init__(self, zone: Zone, upstream: Upstream) -> None:
        self._zone = zone
        self._upstream = upstream
        self._ready: dict[bytes, tuple[float, Iterator[bytes]]] = {}

    def changed(self) -> None:
        """The zone has changed."""
        self._ready.clear()

    def ready(self, packet: bytes) -> bytes | None:
        """The answer by UDP to a packet whose like was answered just before."""
        kept = self._ready.get(packet[2:])
        if kept is None or kept[0] < monotonic():
            return None
        return packet[:2] + next(kept[1])

    def at_once(self, asked: Question, room: int = 0) -> bytes | None:
        """The answer that needs nobody else. ``room`` is 0 for what fits the asker's datagrams."""
        if asked.refusal is not None:
            return reply(asked, room or asked.room, rcode=asked.refusal)
        found = self._zone.find(asked.labels, asked.kind)
        if found is not None:
            return None if found.onward else self._own(asked, found, room)
        known = self._upstream.known(asked)
        if known is None:
            return None
        made = pass_on(known[0], asked, room or asked.room, known[1])
        if not room:
            self._keep(asked, monotonic() + FRESH_SECONDS, [made])
        return made

    async def in_time(self, asked: Question, room: int = 0) -> bytes:
        """The answer that others must be asked for."""
        room = room or asked.room
        found = self._zone.find(asked.labels, asked.kind)
        try:
            if found is None:
                return pass_on(await self._upstream.ask(asked), asked, room, 0)
            onward = question(ask_for(found.onward, asked.kind))
            known = self._upstream.known(onward)
            behind = known[0] if known else await self._upstream.ask(onward)
            rcode = NXDOMAIN if behind.rcode == NXDOMAIN else NOERROR
            return reply(asked, room, found.answers, rcode=rcode, zone=found.zone, foreign=answers_of(behind))
        except (NoAnswer, Bad):
            return reply(asked, room, rcode=SERVFAIL)

    def _own(self, asked: Question, found: Found, room: int) -> bytes:
        rcode, size = NOERROR if found.exists else NXDOMAIN, room or asked.room
        made = [
            reply(asked, size, answers, rcode=rcode, zone=found.zone, extra=found.extra)
            for answers in _turns(found.answers, 1 if room else ORDERS)
        ]
        if not room:
            self._keep(asked, inf, made)
        return made[0]

    def _keep(self, asked: Question, until: float, turns: list[bytes]) -> None:
        if len(self._ready) >= READY_ANSWERS:
            self._ready.clear()
        self._ready[asked.packet[2:]] = until, cycle([made[2:] for made in turns])


def _turns(answers: tuple[Record, ...], orders: int) -> Iterator[tuple[Record, ...]]:
    """The same answers, each time beginning with others; aliases stay in front."""
    first = sum(record.type == "CNAME" for record in answers)
    head, rest = answers[:first], answers[first:]
    for at in range(0, max(1, len(rest)), max(1, -(-len(rest) // orders))):
        yield (*head, *rest[at:], *rest[:at])


class Listener:
    """Serves one UDP and one TCP socket."""

    def __init__(self, answers: Answers, udp: socket.socket, tcp: socket.socket) -> None:
        self._answers = answers
        self._udp = udp
        self._tcp = tcp
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[asyncio.Server] | None = None
        self._connections = 0

    def start(self) -> None:
        """From here on what is asked is answered; what waits comes first."""
        if self._starting is None:
            self._udp.setblocking(False)
            asyncio.get_running_loop().add_reader(self._udp, self.take)
            self._starting = asyncio.create_task(asyncio.start_server(self._converse, sock=self._tcp))

    async def stop(self) -> None:
        """Answers what waits, and no more."""
        if self._starting is not None:
            self.take()
            (await self._starting).close()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=LAST_SECONDS)

    def take(self, most: int = AT_ONCE) -> None:
        """Answers the datagrams that wait."""
        for _ in range(most):
            try:
                packet, peer = self._udp.recvfrom(PACKET)
            except OSError:  # none is left, or one that was sent could not be delivered
                return
            made = self._answers.ready(packet)
            if made is None:
                made = self._answer(packet, peer)
            if made is not None:
                self._send(made, peer)

    def _answer(self, packet: bytes, peer: object) -> bytes | None:
        """None when there is nothing to say, or not yet."""
        try:
            asked = question(packet)
        except Silence:
            return None
        made = self._answers.at_once(asked)
        if made is None:
            task = asyncio.create_task(self._answer_later(asked, peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return made

    async def _answer_later(self, asked: Question, peer: object) -> None:
        self._send(await self._answers.in_time(asked), peer)

    def _send(self, made: bytes, peer: Any) -> None:
        with suppress(OSError):  # who asked is gone, or the wire is full: it asks again
            self._udp.sendto(made, peer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: as many questions as it likes, one after the other."""
        self._connections += 1
        try:
            while self._connections <= CONNECTIONS:
                async with asyncio.timeout(IDLE_SECONDS):
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    asked = question(await reader.readexactly(length))
                made = self._answers.at_once(asked, TCP_ROOM) or await self._answers.in_time(asked, TCP_ROOM)
                writer.write(len(made).to_bytes(2, "big") + made)
                async with asyncio.timeout(IDLE_SECONDS):
                    await writer.drain()
        except (OSError, EOFError, TimeoutError, Silence):
            pass
        finally:
            self._connections -= 1
            writer.close()
