"""All other names: asked of the machine's own servers, and remembered as long as these say."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Final

from node_agent.dns import PORT, RESOLV_CONF
from node_agent.dns.wire import NOERROR, NXDOMAIN, Bad, Passed, Question, passed

RESOLVED_UPSTREAMS: Final = Path("/run/systemd/resolve/resolv.conf")
LOOK_SECONDS: Final = 1.0
"""How old the list of servers may be before its file is looked at again."""
NEXT_SECONDS: Final = 0.6
"""A server that is quiet for so long is not waited for alone: the next is asked too."""
GIVE_UP_SECONDS: Final = 4.0
"""Less than a resolver waits (5 s), so that it hears why."""
KEEP_SECONDS: Final = 3600
KEPT_ANSWERS: Final = 4096
ASKED_AT_ONCE: Final = 512
ROUNDS: Final = 2


class NoAnswer(Exception):
    """No server of the machine's answers this."""


class Servers:
    """The addresses in the machine's resolv.conf, read again when the file changes. Ours is never among them."""

    def __init__(self, own: str, resolv_conf: Path = RESOLV_CONF) -> None:
        self._own = own
        self._files = (resolv_conf, RESOLVED_UPSTREAMS)
        self._looked = -LOOK_SECONDS
        self._stamp: tuple[tuple[int, int, int] | None, ...] = ()
        self._found: list[str] = []

    def now(self) -> list[str]:
        """In the order of preference: the one that answered last comes first."""
        if monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = monotonic()
            stamp = tuple(_stamp(file) for file in self._files)
            if stamp != self._stamp:
                self._stamp, self._found = stamp, self._read()
        return self._found

    def prefer(self, server: str) -> None:
        if server in self._found[1:]:
            self._found = [server, *(each for each in self._found if each != server)]

    def _read(self) -> list[str]:
        """Where a local resolver stands in front, those behind it come after it: a node's may not reach it."""
        found: dict[str, None] = {}
        for file in self._files:
            servers = [server for server in _nameservers(file) if server != self._own]
            if found and not all(server.startswith("127.") for server in found):
                break
            found |= dict.fromkeys(servers)
        return list(found)


class Upstream:
    """Asks the machine's servers. Equal questions under way are asked once."""

    def __init__(self, servers: Servers, port: int = PORT) -> None:
        self._servers = servers
        self._port = port
        self._kept: dict[bytes, tuple[float, Passed]] = {}
        self._under_way: dict[bytes, asyncio.Task[Passed]] = {}

    def known(self, asked: Question) -> tuple[Passed, int] | None:
        """A remembered answer and its age in seconds."""
        kept = self._kept.get(asked.key)
        if kept is None:
            return None
        age = int(monotonic() - kept[0])
        if age >= min(kept[1].seconds, KEEP_SECONDS):
            del self._kept[asked.key]
            return None
        return kept[1], age

    async def ask(self, asked: Question) -> Passed:
        """Raises ``NoAnswer`` within ``GIVE_UP_SECONDS``."""
        key = asked.key
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= ASKED_AT_ONCE:
                raise NoAnswer
            task = self._under_way[key] = asyncio.create_task(self._fetch(asked.packet))
            task.add_done_callback(lambda done: self._took(key, done))
        return await asyncio.shield(task)

    def _took(self, key: bytes, task: asyncio.Task[Passed]) -> None:
        del self._under_way[key]
        if task.cancelled() or task.exception() is not None or not task.result().seconds:
            return
        if len(self._kept) >= KEPT_ANSWERS:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = monotonic(), task.result()

    async def _fetch(self, packet: bytes) -> Passed:
        packet = os.urandom(2) + packet[2:]
        tries = iter(self._servers.now() * ROUNDS)
        under_way: dict[asyncio.Task[Passed], str] = {}
        refusal: Passed | None = None
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                while self._start_next(tries, packet, under_way) or under_way:
                    done, _ = await asyncio.wait(
                        under_way, timeout=NEXT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    for task in done:
                        server = under_way.pop(task)
                        if task.exception() is not None:
                            continue
                        if task.result().rcode in (NOERROR, NXDOMAIN):
                            self._servers.prefer(server)
                            return task.result()
                        refusal = task.result()
        except TimeoutError:
            pass
        finally:
            for task in under_way:
                task.cancel()
        if refusal is None:
            raise NoAnswer
        return refusal

    def _start_next(
        self, tries: Iterator[str], packet: bytes, under_way: dict[asyncio.Task[Passed], str]
    ) -> bool:
        server = next(tries, None)
        if server is not None:
            under_way[asyncio.create_task(self._ask_one(server, packet))] = server
        return server is not None

    async def _ask_one(self, server: str, packet: bytes) -> Passed:
        """By UDP, and where that does not hold the whole answer by TCP. Raises OSError, Bad, EOFError."""
        found = await _by_udp(server, self._port, packet)
        return await _by_tcp(server, self._port, packet) if found.truncated else found


class _Asking(asyncio.DatagramProtocol):
    """One question to one server, from a port of its own."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self.answer: asyncio.Future[Passed] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        with suppress(
            Bad, asyncio.InvalidStateError
        ):  # who guesses is not listened to; nor is a second answer
            self.answer.set_result(passed(data, self._packet))

    def error_received(self, exc: Exception) -> None:
        with suppress(asyncio.InvalidStateError):
            self.answer.set_exception(exc)


async def _by_udp(server: str, port: int, packet: bytes) -> Passed:
    loop = asyncio.get_running_loop()
    transport, asking = await loop.create_datagram_endpoint(
        lambda: _Asking(packet), remote_addr=(server, port)
    )
    try:
        transport.sendto(packet)
        return await asking.answer
    finally:
        transport.close()


async def _by_tcp(server: str, port: int, packet: bytes) -> Passed:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        writer.write(len(packet).to_bytes(2, "big") + packet)
        length = int.from_bytes(await reader.readexactly(2), "big")
        return passed(await reader.readexactly(length), packet)
    finally:
        writer.close()


def _nameservers(file: Path) -> list[str]:
    try:
        lines = [line.split() for line in file.read_text().splitlines()]
    except (OSError, UnicodeDecodeError):
        return []
    named = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return [server for server in named if _is_address(server)]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
