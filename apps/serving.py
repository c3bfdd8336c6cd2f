"""uvicorn's server as web and the agents' doors run it: it sleeps while nothing happens, and ends without a word.
No Django here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection

TICK = 1.0
"""Seconds between two looks at the clock: answers tell the date."""
GOING_AWAY = 1001
"""With which sockets are closed. Every client knows it; uvicorn's own 1012 is an error in itself to some."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Server(uvicorn.Server):
    """uvicorn's own looks ten times a second whether it shall end; this one is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._told.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.end(force=self.force_exit)

    def end(self, *, force: bool = False) -> None:
        """Let nobody in any more; with ``force`` those who are inside are sent away. From any thread."""
        self.should_exit = True
        self.force_exit = force
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._told.set)


class Requests(H11Protocol):
    """One connection that asks and is answered.

    A server that ends waits for its answers, but not for those whose length nobody said, such as a watch or a log that
    is followed: they stop short, as they do when what they are fed from breaks, and clients take them up again.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._application: Any = self.app
        self.app = self._answer
        self._endless = self._ending = False

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._endless = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
                if self._endless and self._ending:
                    self._stop_short()
            await send(message)

        try:
            await self._application(scope, receive, noted)
        except asyncio.CancelledError:  # by the server, which has waited long enough
            self._stop_short()
        else:
            if self._endless:
                self._stop_short()
        self._endless = False

    def shutdown(self) -> None:
        self._ending = True
        if self._endless:
            self._stop_short()
        super().shutdown()

    def _stop_short(self) -> None:
        """Of an answer that is complete nothing is left to stop."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            self.transport.close()


class Sockets(WSProtocol):
    """One websocket. A server that ends closes it, unless it is being closed already."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._application: Any = self.app
        self.app = self._talk  # type: ignore[assignment]

    async def _talk(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._application(scope, receive, send)
        except asyncio.CancelledError:  # by the server, which has waited long enough
            raise ClientDisconnected from None

    def shutdown(self) -> None:
        self.stop_keepalive()
        if self.conn.state is ConnectionState.OPEN:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
            self.transport.write(self.conn.send(CloseConnection(code=GOING_AWAY)))
        self.transport.close()
