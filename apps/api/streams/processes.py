"""Exec and attach: a pipe between a client's websocket and the door of the pod's node."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from apps.api.calls import Call
from apps.api.messages import Answer, Receive, Send, Talk, refusal
from apps.api.streams import targets
from apps.cluster.errors import ApiError, BadRequest
from apps.cluster.types import streams as frames
from apps.nodes import streams

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""v4 is v5 without half-closes; a client that does not know them sends none."""
HEARD = frozenset({frames.INPUT, frames.RESIZE, frames.CLOSE})
NORMAL = 1000


def answer(call: Call) -> Talk:
    target = targets.process(call)

    async def talk(offered: Sequence[str], receive: Receive, send: Send) -> Answer | None:
        try:
            protocol = chosen(PROTOCOLS, offered)
            async with streams.opened(target.node, target.path, target.query) as stream:
                await send({"type": "websocket.accept", "subprotocol": protocol})
                await _pipe(stream, receive, send, target.node)
        except ApiError as refused:
            return refusal(refused)
        return None

    return Talk("text/plain", target.refusal, peek=True, talk=talk)


def chosen(spoken: Sequence[str], offered: Sequence[str]) -> str:
    """The best sub-protocol that both speak. Raises BadRequest. Pure."""
    found = next((name for name in spoken if name in offered), None)
    if found is None:
        raise BadRequest(
            f"unable to upgrade: none of the sub-protocols offered ({', '.join(offered)[:200] or 'none'}) "
            f"is served here: {', '.join(spoken)}"
        )
    return found


def content(message: dict[str, object]) -> bytes:
    """A websocket message's bytes: some clients send text."""
    raw, text = message.get("bytes"), message.get("text")
    return raw if isinstance(raw, bytes) else str(text or "").encode()


async def _pipe(stream: streams.Stream, receive: Receive, send: Send, node: str) -> None:
    """Until the node has told the end, or the client has left."""
    tasks = {asyncio.create_task(_up(stream, receive)), asyncio.create_task(_down(stream, send, node))}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, OSError, RuntimeError):
                await task


async def _up(stream: streams.Stream, receive: Receive) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        frame = content(message)
        if not frame or frame[0] not in HEARD:
            continue
        try:
            await stream.send(frame)
        except streams.Lost:
            # What the node still had to say is on its way down.
            await asyncio.Event().wait()


async def _down(stream: streams.Stream, send: Send, node: str) -> None:
    told = False
    with suppress(streams.Lost):
        async for frame in stream.frames():
            told = told or frame[0] == frames.STATUS
            await send({"type": "websocket.send", "bytes": frame})
    if not told:
        lost = frames.failure(f"the connection to node {node} was lost")
        await send({"type": "websocket.send", "bytes": lost})
    await send({"type": "websocket.close", "code": NORMAL})
