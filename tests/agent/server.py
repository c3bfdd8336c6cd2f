"""The server's end of the agents' protocol, as far as a test needs it: says what it is told to say."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable

from websockets import ConnectionClosed, Subprotocol
from websockets.asyncio.server import ServerConnection, serve

from apps.cluster import types
from apps.cluster.types import agent as protocol
from tests.calm import PATIENCE


class FakeServer:
    """Listens on loopback from a thread of its own. Accepts every report and keeps it."""

    def __init__(self, objects: dict[str, list[types.Resource]] | None = None) -> None:
        self.objects: dict[str, list[types.Resource]] = objects or {}
        self.number = 1
        self.heard: list[protocol.FromAgent] = []
        self.tokens: list[str] = []
        self.silent_connections = 0  # so many of the first ones are never answered
        self.accepting = True
        self._sockets: set[ServerConnection] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _live(self) -> None:
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(protocol.SUBPROTOCOL)],
            ping_interval=None,
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._stop.wait()

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.tokens.append(socket.request.headers["Authorization"])
        self._sockets.add(socket)
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                await self._take(socket, protocol.from_agent(text))
        self._sockets.discard(socket)

    async def _take(self, socket: ServerConnection, frame: protocol.FromAgent) -> None:
        self.heard.append(frame)
        if len(self.tokens) <= self.silent_connections:
            return
        match frame:
            case protocol.Hello():
                for kind in ("nodes", "services", "endpointslices", "configmaps", "secrets", "pods"):
                    items = [protocol.raw(types.encode(each)) for each in self.objects.get(kind, [])]
                    await socket.send(protocol.frame(protocol.Objects(kind=kind, items=items)))
                await socket.send(protocol.frame(protocol.Synced(number=self.number)))
            case protocol.Ping():
                await socket.send(protocol.frame(protocol.Pong(seq=frame.seq)))
            case protocol.Waiting():
                await socket.send(protocol.frame(protocol.Everywhere(number=frame.number)))
            case protocol.Samples() | protocol.Renew():
                pass  # not answered: the next ones take their place
            case _ if self.accepting:
                await socket.send(protocol.frame(protocol.Accepted(seq=frame.seq)))

    def send(self, kind: str, changes: Iterable[tuple[str, types.Resource]]) -> None:
        """Changes as (type, object), followed by the number they lead to."""
        frames: list[protocol.Message] = []
        for change, found in changes:
            self.number += 1
            found.metadata.resource_version = str(self.number)
            raw = protocol.raw(types.encode(found))
            held = [each for each in self.objects.get(kind, []) if each.metadata.uid != found.metadata.uid]
            self.objects[kind] = held if change == "DELETED" else [*held, found]
            frames.append(protocol.Changed(number=self.number, type=change, kind=kind, object=raw))
        frames.append(protocol.Synced(number=self.number))

        async def work() -> None:
            for socket in list(self._sockets):
                for frame in frames:
                    await socket.send(protocol.frame(frame))

        asyncio.run_coroutine_threadsafe(work(), self._loop).result(5)

    def hang_up(self) -> None:
        """End every connection, as a restarted server does."""

        async def work() -> None:
            for socket in list(self._sockets):
                await socket.close()

        asyncio.run_coroutine_threadsafe(work(), self._loop).result(5)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def statuses(self, uid: str) -> list[protocol.PodReport]:
        """What was reported of a pod, oldest first."""
        return [
            item
            for frame in list(self.heard)
            if isinstance(frame, protocol.StatusBatch)
            for item in frame.items
            if item.uid == uid
        ]
