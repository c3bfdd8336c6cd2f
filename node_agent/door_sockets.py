"""A stream of a pod over a websocket of the door: both directions at once, until either side has had enough."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from apps.cluster.types import streams as frames
from node_agent.streams import Talk

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
NORMAL = 1000
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def serve(talk: Talk, receive: Receive, send: Send) -> None:
    """Open the websocket and carry the talk; when either ends, both do."""
    telling = listening = None
    try:
        await send({"type": "websocket.accept", "subprotocol": frames.SUBPROTOCOL})
        telling = asyncio.create_task(_tell(talk, send))
        listening = asyncio.create_task(_listen(talk, receive, send))
        await asyncio.wait({telling, listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (telling, listening):
            if task is not None:
                task.cancel()
                # OSError: the other end is gone; RuntimeError: the websocket was closed in the middle
                with suppress(asyncio.CancelledError, OSError, RuntimeError):
                    await task
        await asyncio.shield(talk.close())


async def refuse(send: Send, status: int, words: str) -> None:
    """Instead of opening."""
    body = words.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def _tell(talk: Talk, send: Send) -> None:
    async for frame in talk.tell():
        await send({"type": "websocket.send", "bytes": frame})
    await send({"type": "websocket.close", "code": NORMAL})


async def _listen(talk: Talk, receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        frame = message.get("bytes")
        if not frame:
            continue
        hearing = asyncio.create_task(talk.hear(frame))
        try:
            # While the container takes nothing, nothing is read and a caller's leaving goes unseen: ask whether
            # it is still there.
            while not (await asyncio.wait({hearing}, timeout=ASK_SECONDS))[0]:
                await send({"type": "websocket.send", "bytes": frames.NOTHING})
            hearing.result()
        finally:
            hearing.cancel()
