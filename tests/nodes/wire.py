"""A websocket without a network: drives an ASGI application as a server would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.calm import PATIENCE

Message = dict[str, Any]
Application = Callable[[Message, Any, Any], Awaitable[None]]


class Wire:
    """One connection's server side: what it sends in, what came out."""

    def __init__(self, application: Application, scope: Message) -> None:
        self.scope = scope
        self._application = application
        self._in: asyncio.Queue[Message] = asyncio.Queue()
        self._out: asyncio.Queue[Message] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None

    async def put(self, message: Message) -> None:
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        await self._in.put(message)

    async def get(self) -> Message:
        """The next thing the application sent; what broke it is raised here."""
        async with asyncio.timeout(PATIENCE):
            next_one = asyncio.create_task(self._out.get())
            assert self._running is not None
            try:
                await asyncio.wait({next_one, self._running}, return_when=asyncio.FIRST_COMPLETED)
                if not next_one.done():
                    self._running.result()
                return await next_one
            finally:
                next_one.cancel()  # who stops waiting takes no later message with them

    async def connect(self) -> Message:
        """The answer to asking in: accept, close, or an HTTP response."""
        await self.put({"type": "websocket.connect"})
        return await self.get()

    async def say(self, text: str) -> None:
        await self.put({"type": "websocket.receive", "text": text})

    async def hear(self) -> str:
        answer = await self.get()
        assert answer["type"] == "websocket.send", answer
        text: str = answer["text"]
        return text

    async def closed(self) -> int:
        """The code with which the application ended it; what it said before is passed over."""
        while True:
            answer = await self.get()
            if answer["type"] == "websocket.close":
                code: int = answer["code"]
                return code

    async def leave(self) -> None:
        await self.put({"type": "websocket.disconnect", "code": 1000})
        assert self._running is not None
        async with asyncio.timeout(PATIENCE):
            await self._running

    async def _run(self) -> None:
        await self._application(self.scope, self._in.get, self._out.put)
