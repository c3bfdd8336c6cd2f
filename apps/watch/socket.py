"""A stream of the API over a websocket: each event is one text message.

It speaks no sub-protocol of its own; where a client offers one that carries plain JSON it is accepted by name.
What talks both ways (exec, attach, port-forward) carries its websocket itself. Who asks, and from which page, was
settled by whoever opened it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POLICY, NORMAL = 1008, 1000
SUBPROTOCOLS = ("json.drover.dev",)
NO_STREAM = (
    b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":400,"reason":"BadRequest",'
    b'"message":"only streams are served over websockets: add watch=1"}'
)


Opener = Callable[[Scope], Awaitable[Any]]
"""Gives what the API answers: a stream, which has ``open() -> chunks of whole lines``, or a whole answer."""


async def serve(scope: Scope, receive: Receive, send: Send, opener: Opener) -> None:
    """One websocket at an address of the API. What cannot be streamed closes it, refused, before it opens."""
    if (await receive())["type"] != "websocket.connect":
        return
    found = await opener(scope)
    talk: Callable[[list[str], Receive, Send], Awaitable[Any]] | None = getattr(found, "talk", None)
    if talk is not None:
        refused = await talk(scope.get("subprotocols") or [], receive, send)
        if refused is not None:
            await _refuse(refused, scope, send)
        return
    stream: Callable[[], AsyncIterator[bytes]] | None = getattr(found, "open", None)
    if stream is None:
        await _refuse(found, scope, send)
        return
    offered = scope.get("subprotocols") or []
    await send(
        {"type": "websocket.accept", "subprotocol": next((o for o in offered if o in SUBPROTOCOLS), None)}
    )
    sending = asyncio.ensure_future(_pump(stream(), send))
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, OSError, RuntimeError):
                await task


async def _pump(chunks: AsyncIterator[bytes], send: Send) -> None:
    try:
        async for chunk in chunks:
            for line in chunk.splitlines():
                await send({"type": "websocket.send", "text": line.decode(errors="replace")})
        await send({"type": "websocket.close", "code": NORMAL})
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


async def _refuse(answer: Any, scope: Scope, send: Send) -> None:
    """With the answer itself where the server can send one instead of the handshake, else by closing."""
    code, body = getattr(answer, "code", 400), getattr(answer, "body", b"")
    if code < 400:
        code, body = 400, NO_STREAM
    if "websocket.http.response" in scope.get("extensions", {}):
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "websocket.http.response.start", "status": code, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": POLICY})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass
