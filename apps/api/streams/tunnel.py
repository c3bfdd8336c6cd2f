"""kubectl's port-forward: SPDY in the messages of one websocket, two streams for each forwarded connection.

A connection begins with its error stream, on which only the server speaks, and its data stream. Both end when the
port has said everything; what went wrong is told on the first.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from apps.api.messages import Receive, Send
from apps.api.streams import spdy
from apps.api.streams.connections import Dial, Inbox, carry
from apps.api.streams.processes import content

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
MOST_CONNECTIONS = 512
NORMAL, BROKEN = 1000, 1002
PING = 2  # even: the server's


@dataclass
class _Forward:
    """One forwarded connection: its two streams, once both are there, and what waits for the port."""

    port: str
    streams: dict[str, int] = field(default_factory=dict)
    inbox: Inbox = field(default_factory=Inbox)
    task: asyncio.Task[None] | None = None


class Tunnel:
    def __init__(self, dial: Dial, send: Send) -> None:
        self._dial, self._send = dial, send
        self._reader, self._writer = spdy.Reader(), spdy.Writer()
        self._forwards: dict[str, _Forward] = {}  # by request
        self._of: dict[int, str] = {}  # a stream's request

    async def run(self, receive: Receive) -> None:
        """Until the client leaves."""
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                for event in self._reader.feed(content(message)):
                    await self._handle(event)
        except spdy.ProtocolError as error:
            await self._send({"type": "websocket.close", "code": BROKEN, "reason": str(error)})
        finally:
            tasks = [each.task for each in self._forwards.values() if each.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, event: spdy.Event) -> None:
        match event:
            case spdy.Opened():
                await self._opened(event)
            case spdy.Data():
                forward = self._forwards.get(self._of.get(event.stream, ""))
                if forward is not None and forward.streams.get("data") == event.stream:
                    if event.content:
                        await forward.inbox.put(event.content)
                    if event.ends:
                        await forward.inbox.put(None)
            case spdy.Reset():
                forward = self._forwards.get(self._of.get(event.stream, ""))
                if forward is not None and forward.task is not None:
                    forward.task.cancel()
            case spdy.Pinged(id=number):
                if number % 2:
                    await self._tell(spdy.ping(number))

    async def _opened(self, event: spdy.Opened) -> None:
        headers, stream = event.headers, event.stream
        request, kind = headers.get("requestid", ""), headers.get("streamtype", "")
        forward = self._forwards.get(request)
        if (
            kind not in {"data", "error"}
            or stream in self._of
            or (forward is None and len(self._forwards) >= MOST_CONNECTIONS)
            or (forward is not None and kind in forward.streams)
        ):
            await self._tell(spdy.reset(stream))
            return
        if forward is None:
            forward = self._forwards[request] = _Forward(headers.get("port", ""))
        self._of[stream], forward.streams[kind] = request, stream
        await self._tell(self._writer.reply(stream))
        if len(forward.streams) == 2:
            forward.task = asyncio.create_task(self._carry(request, forward))
            await asyncio.sleep(0)  # it has begun, so that cancelling it ends its streams

    async def _carry(self, request: str, forward: _Forward) -> None:
        words, data = "", forward.streams["data"]

        async def deliver(piece: bytes) -> None:
            await self._tell(spdy.data(data, piece) if piece else spdy.ping(PING))

        with suppress(OSError, RuntimeError):  # the client has left
            try:
                port = int(forward.port) if forward.port.isascii() and forward.port.isdigit() else 0
                words = await carry(self._dial, port, forward.inbox, deliver)
            finally:
                del self._forwards[request]
                for stream in forward.streams.values():
                    del self._of[stream]
                await self._tell(spdy.data(data, b"", ends=True))
                await self._tell(spdy.data(forward.streams["error"], words.encode(), ends=True))

    async def _tell(self, frame: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": frame})
