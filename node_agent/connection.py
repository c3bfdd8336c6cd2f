"""The one connection to the server: the websocket of ``apps.cluster.types.agent``, kept up for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from apps.cluster.types import agent
from node_agent.outbox import Outbox
from node_agent.renewal import Renewal
from node_agent.servers import Servers
from node_agent.view import Touched, View

log = logging.getLogger(__name__)

SILENCE_PINGS = 4.0  # without a word for so many pings the server is taken for dead
SILENCE_AMONG_SEVERAL = 2.5  # sooner where another one is there: the node is heard again before it counts as lost
OPEN_SECONDS, LONGEST_OPEN = 1.5, 5.0  # short at first: what was cut may be whole again any moment
CATCH_UP_PINGS, SETTLE_PINGS = 20.0, 5.0
SETTLE_LOOK_SECONDS = 0.02
FIRST_RETRY, LONGEST_RETRY = 0.2, 4.0
EVENTS_WAIT = 0.25  # events let statuses go first
FRAME_LIMIT = 256 * 1024 * 1024


class Left(Exception):
    """The node was taken out of the cluster: this agent has nothing to do any more."""


class _Renewed(Exception):
    """There is a new identity: the next connection is opened with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this agent is and whom it trusts."""

    node: str
    version: str
    boot_id: str
    token: Path  # read anew for every connection: tokens are rotated
    ca: Path
    alone: bool = False  # makes no ways to other nodes


class Connection:
    """Runs on one event loop. ``synced`` is called whenever the view has moved on; without a ``renewal`` the
    identity is somebody else's to renew. ``settled`` says whether the node is as the server wants it up to a number
    of the log: before that it says nothing.

    Where many connections share a process, ``turn`` lets few of them open at once.
    """

    def __init__(
        self,
        identity: Identity,
        servers: Servers,
        view: View,
        outbox: Outbox,
        synced: Callable[[Touched], None],
        *,
        renewal: Renewal | None = None,
        everywhere: Callable[[int], None] = lambda number: None,
        settled: Callable[[int], bool] = lambda number: True,
        turn: asyncio.Semaphore | None = None,
    ) -> None:
        self._identity, self._servers = identity, servers
        self._view, self._outbox, self._synced = view, outbox, synced
        self._everywhere, self._settled = everywhere, settled
        self._filled, self._known, self._caught_up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._first_synced = 0
        self._heard = 0.0
        self._every = agent.PING_SECONDS
        self._turn = turn or contextlib.nullcontext()
        self._renewal = renewal

    async def run(self) -> None:
        """Connect, serve, connect again, until cancelled. Raises Left once the node is no more."""
        loop = asyncio.get_running_loop()

        def filled() -> None:
            loop.call_soon_threadsafe(self._filled.set)

        self._outbox.on_filled(filled)
        retry = FIRST_RETRY
        while True:
            try:
                async with self._turn:
                    opened = await self._open(min(max(OPEN_SECONDS, 4 * retry), LONGEST_OPEN))
                async with opened as socket:
                    log.info("connected to %s", self._servers.current)
                    await self._serve(socket)
                    retry = FIRST_RETRY
            except _Renewed:
                log.info("this node has a new identity")
            except (OSError, TimeoutError, websockets.WebSocketException, msgspec.DecodeError) as error:
                _raise_left(error)
                log.warning("no connection to %s: %s", self._servers.current, _words(error))
                self._servers.next()
            finally:
                self._outbox.disconnected()
            if self._heard:
                retry, self._heard = FIRST_RETRY, 0.0
            await asyncio.sleep(retry * random.uniform(0.5, 1.5))
            retry = min(retry * 2, LONGEST_RETRY)

    def _open(self, within: float) -> connect:
        trusted = None
        url = self._servers.current.replace("http", "ws", 1) + agent.PATH
        if url.startswith("wss:"):
            trusted = _trust(self._identity.ca, self._identity.ca.stat().st_mtime_ns)
        token = self._identity.token.read_text().strip()
        return connect(
            url,
            ssl=trusted,
            additional_headers={"Authorization": f"Bearer {token}"},
            subprotocols=[websockets.Subprotocol(agent.SUBPROTOCOL)],
            open_timeout=within,
            ping_interval=None,  # the protocol has its own, which also proves that the server works
            close_timeout=0.2,
            compression=None,
            max_size=FRAME_LIMIT,
            proxy=None,
        )

    async def _serve(self, socket: ClientConnection) -> None:
        identity = self._identity
        hello = agent.Hello(
            node=identity.node,
            version=identity.version,
            boot_id=identity.boot_id,
            number=self._view.number,
            alone=identity.alone,
        )
        self._known.clear()
        self._caught_up.clear()
        self._first_synced = 0
        await socket.send(agent.frame(hello))
        self._heard = asyncio.get_running_loop().time()
        tasks = [
            asyncio.create_task(work)
            for work in (self._read(socket), self._write(socket), self._ping(socket))
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if socket.close_code == agent.REMOVED_CODE:
            raise Left(socket.close_reason)

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            self._heard = asyncio.get_running_loop().time()
            frame = agent.from_server(text)
            if isinstance(frame, agent.Pong) and frame.renew and self._renewal is not None:
                await socket.send(agent.frame(self._renewal.request()))
            elif isinstance(frame, agent.Renewed) and self._renewal is not None:
                self._renewal.take(frame.identity)
                raise _Renewed
            else:
                self._take(frame)
        raise ConnectionError("the server closed the connection")

    def _take(self, frame: agent.FromServer) -> None:
        match frame:
            case agent.Changed():
                self._view.changed(frame)
            case agent.Objects():
                self._view.objects(frame)
            case agent.Synced():
                self._synced(self._view.synced(frame.number))
                self._first_synced = self._first_synced or frame.number
                self._known.set()
            case agent.Accepted():
                self._outbox.accepted(frame.seq)
            case agent.Refused():
                log.error("the server refuses a report: %s", frame.message)
                self._outbox.refused(frame.seq)
            case agent.Everywhere():
                self._everywhere(frame.number)
            case agent.Pong():
                self._every = frame.every or agent.PING_SECONDS
                if frame.servers:
                    self._servers.told(frame.servers)

    async def _catch_up(self) -> None:
        """Nothing but hello is said before what is wanted is known, and this node is so: one that was cut off must not
        be ready again while it still leads to pods that were replaced."""
        async with asyncio.timeout(CATCH_UP_PINGS * self._every):
            await self._known.wait()
        with contextlib.suppress(TimeoutError):  # what cannot be brought about is no reason to be silent
            async with asyncio.timeout(SETTLE_PINGS * self._every):
                while not self._settled(self._first_synced):
                    await asyncio.sleep(SETTLE_LOOK_SECONDS)
        self._caught_up.set()

    async def _write(self, socket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        events_at: float | None = None
        await self._caught_up.wait()
        while True:
            self._filled.clear()
            due = events_at is not None and loop.time() >= events_at
            for frame in self._outbox.take(events=due):
                await socket.send(agent.frame(frame))
            if due or not self._outbox.has_events:
                events_at = None
            if self._outbox.has_events and events_at is None:
                events_at = loop.time() + EVENTS_WAIT
            wait = None if events_at is None else max(events_at - loop.time(), 0)
            try:
                async with asyncio.timeout(wait):
                    await self._filled.wait()
            except TimeoutError:
                continue

    async def _ping(self, socket: ClientConnection) -> None:
        loop, seq = asyncio.get_running_loop(), 0
        await self._catch_up()
        while True:
            seq += 1
            await socket.send(agent.frame(self._outbox.ping(seq)))
            await asyncio.sleep(self._every)
            silence = (SILENCE_AMONG_SEVERAL if self._servers.several else SILENCE_PINGS) * self._every
            if loop.time() - self._heard > silence:
                raise ConnectionError(f"the server has been silent for {silence:g} seconds")


def _raise_left(error: Exception) -> None:
    """What says that the node was taken out: a close code, or the refusal of a connection."""
    if isinstance(error, websockets.InvalidStatus) and error.response.status_code == agent.REMOVED_STATUS:
        raise Left(_words(error)) from None
    if isinstance(error, websockets.ConnectionClosed) and error.rcvd and error.rcvd.code == agent.REMOVED_CODE:
        raise Left(error.rcvd.reason) from None


def _words(error: Exception) -> str:
    if isinstance(error, websockets.InvalidStatus) and error.response.body:
        return error.response.body.decode("utf-8", "replace")
    return str(error) or type(error).__name__


@lru_cache(maxsize=4)
def _trust(ca: Path, written_at: int) -> ssl.SSLContext:  # noqa: ARG001  (a replaced file is read anew)
    """Whom to believe; one for all connections of the process."""
    return ssl.create_default_context(cafile=str(ca))
