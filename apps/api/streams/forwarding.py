"""Port-forward: each connection of a client becomes one connection to the pod's port, through the node's door.

kubectl sends SPDY (``tunnel``). Other clients name their ports beforehand and get two channels for each, data and
errors, whose first message is the port's number; they have no half-close, so the end of all ports closes the websocket.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from apps.api.calls import Call
from apps.api.messages import Answer, Receive, Send, Talk, refusal
from apps.api.streams import targets, tunnel
from apps.api.streams.connections import Dial, Inbox, carry
from apps.api.streams.processes import NORMAL, PROTOCOLS, chosen, content
from apps.cluster.errors import ApiError, BadRequest
from apps.cluster.types import streams as frames
from apps.nodes import streams

MOST_PORTS = 100


def answer(call: Call) -> Talk:
    target = targets.ports(call)
    texts = [text for value in call.query.all("ports") for text in value.split(",")]

    def dial(port: int) -> AbstractAsyncContextManager[streams.Stream]:
        return streams.opened(target.node, target.path, [("port", str(port))])

    async def talk(offered: Sequence[str], receive: Receive, send: Send) -> Answer | None:
        try:
            protocol = chosen((tunnel.PROTOCOL, *PROTOCOLS), offered)
            ports = [] if protocol == tunnel.PROTOCOL else numbers(texts)
            await streams.ask(target.node, target.path)
        except ApiError as refused:
            return refusal(refused)
        await send({"type": "websocket.accept", "subprotocol": protocol})
        if protocol == tunnel.PROTOCOL:
            await tunnel.Tunnel(dial, send).run(receive)
        else:
            await Channels(dial, send, ports).run(receive)
        return None

    return Talk("text/plain", target.refusal, peek=True, talk=talk)


def numbers(texts: Sequence[str]) -> list[int]:
    """The ports a query names. Raises BadRequest. Pure."""
    ports = [int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0 for text in texts]
    if not ports:
        raise BadRequest("ports: Required value: query parameter")
    wrong = next((text for text, port in zip(texts, ports, strict=True) if not 0 < port < 65536), None)
    if wrong is not None:
        raise BadRequest(f'ports: Invalid value: "{wrong[:20]}": must be a number from 1 to 65535')
    if len(set(ports)) < len(ports) or len(ports) > MOST_PORTS:
        raise BadRequest(f"ports: Invalid value: each once, and {MOST_PORTS} at most")
    return ports


class Channels:
    """Channel 2i carries the data of the i-th port, channel 2i+1 what went wrong with it."""

    def __init__(self, dial: Dial, send: Send, ports: Sequence[int]) -> None:
        self._dial, self._send, self._ports = dial, send, ports
        self._inboxes = [Inbox() for _ in ports]

    async def run(self, receive: Receive) -> None:
        """Until all ports have said everything, or the client leaves."""
        for index, port in enumerate(self._ports):
            for channel in (2 * index, 2 * index + 1):
                await self._tell(frames.frame(channel, port.to_bytes(2, "little")))
        carrying = asyncio.create_task(self._carry_all())
        listening = asyncio.create_task(self._listen(receive))
        try:
            await asyncio.wait({carrying, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                await self._send({"type": "websocket.close", "code": NORMAL})
        finally:
            carrying.cancel()
            listening.cancel()
            await asyncio.gather(carrying, listening, return_exceptions=True)

    async def _carry_all(self) -> None:
        await asyncio.gather(*(self._carry(index) for index in range(len(self._ports))))

    async def _carry(self, index: int) -> None:
        async def deliver(piece: bytes) -> None:
            await self._tell(frames.frame(2 * index, piece))

        words = await carry(self._dial, self._ports[index], self._inboxes[index], deliver)
        if words:
            await self._tell(frames.frame(2 * index + 1, words.encode()))

    async def _listen(self, receive: Receive) -> None:
        while (message := await receive())["type"] != "websocket.disconnect":
            frame = content(message)
            if not frame:
                continue
            if frame[0] == frames.CLOSE:
                await self._put(frame[1] if len(frame) == 2 else 1, None)
            elif len(frame) > 1:
                await self._put(frame[0], frame[1:])

    async def _put(self, channel: int, piece: bytes | None) -> None:
        index, of_errors = divmod(channel, 2)
        if not of_errors and index < len(self._inboxes):
            await self._inboxes[index].put(piece)

    async def _tell(self, frame: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": frame})
