"""One forwarded connection: what the client sends waits in an inbox, bounded, and goes on to the node."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress

from apps.cluster.errors import ApiError, Unavailable
from apps.cluster.types import streams as frames
from apps.nodes.streams import Lost, Stream

PIECES_WAITING = 16
Dial = Callable[[int], AbstractAsyncContextManager[Stream]]
"""Connects to a port of the pod; raises ApiError."""
Deliver = Callable[[bytes], Awaitable[None]]
"""Hands the client a piece of what the port says; an empty one asks whether the client is still there."""


class Inbox:
    """Pieces in order. ``put`` waits while it is full, which holds up whoever reads the client's websocket."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(PIECES_WAITING)
        self._closed = False

    async def put(self, piece: bytes | None) -> None:
        """None: the client says no more. What comes once it is closed is dropped."""
        if not self._closed:
            await self._pieces.put(piece)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        while (piece := await self._pieces.get()) is not None:
            yield piece

    def close(self) -> None:
        self._closed = True
        while not self._pieces.empty():  # lets a waiting put through
            self._pieces.get_nowait()


async def carry(dial: Dial, port: int, inbox: Inbox, deliver: Deliver) -> str:
    """The whole of a connection; returns once the port has said everything, with what went wrong in words."""
    try:
        async with dial(port) as stream:
            up = asyncio.create_task(_up(stream, inbox))
            try:
                await _down(stream, deliver)
            finally:
                up.cancel()
                with suppress(asyncio.CancelledError):
                    await up
    except ApiError as refused:
        return refused.message
    finally:
        inbox.close()
    return ""


async def _up(stream: Stream, inbox: Inbox) -> None:
    with suppress(Lost):
        async for piece in inbox.pieces():
            await stream.send(frames.frame(frames.INPUT, piece))
        await stream.send(frames.END_OF_INPUT)


async def _down(stream: Stream, deliver: Deliver) -> None:
    try:
        async for frame in stream.frames():
            if frame == frames.END_OF_OUTPUT:
                return
            if frame[:1] == frames.NOTHING:
                await deliver(frame[1:])
    except Lost:
        raise Unavailable("the connection to the node was lost") from None
