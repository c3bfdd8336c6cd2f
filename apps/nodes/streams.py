"""The server's end of two-way streams at a node's door: see ``apps.cluster.types.streams`` for their frames."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote, urlencode

from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidHandshake, InvalidStatus

from apps.accounts import certificates
from apps.cluster.errors import Unavailable
from apps.cluster.types import streams as frames
from apps.nodes import door

Query = Sequence[tuple[str, str]]
MESSAGES_WAITING = 8
CLOSE_SECONDS = 1.0


class Lost(Exception):
    """The stream broke off: the node, its agent or the way to it is gone."""


class Stream:
    """One open stream, in the frames of ``types.streams``."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        """Waits while the node takes no more."""
        try:
            await self._socket.send(frame)
        except ConnectionClosed:
            raise Lost from None

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """What the node says, until it closes the stream. Raises Lost when it breaks off."""
        try:
            async for frame in self._socket:
                if isinstance(frame, bytes) and frame:
                    yield frame
        except ConnectionClosedError:
            raise Lost from None


def path_of(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)


@asynccontextmanager
async def opened(node: str, path: str, query: Query) -> AsyncIterator[Stream]:
    """A stream at the node's door. Raises NotFound, BadRequest or Unavailable, in the node's words, before it opens."""
    where = await door.door_of(node)
    try:
        socket = await _connect(where, path, query)
    except InvalidStatus as error:
        answer = error.response
        raise door.refusal(
            node, answer.status_code, (answer.body or b"").decode("utf-8", "replace")
        ) from None
    except (OSError, TimeoutError, EOFError) as error:
        raise door.unreachable(where, error) from None
    except InvalidHandshake as error:
        raise Unavailable(f"node {node} does not speak as this server does: {error}") from None
    for option in frames.KEEP_ALIVE:
        socket.transport.get_extra_info("socket").setsockopt(*option)
    try:
        yield Stream(socket)
    finally:
        # A farewell could wait for ever behind what a container does not take; the end of the connection says it all.
        socket.transport.abort()
        await socket.wait_closed()


async def ask(node: str, path: str) -> None:
    """Return when a stream would open; raises as ``opened`` does. Nothing is started."""
    await door.ask(node, path)


async def _connect(where: door.Door, path: str, query: Query) -> ClientConnection:
    name = certificates.node_server_name(where.node)
    return await connect(
        f"wss://{name}{path}?{urlencode(query)}",
        host=where.address,
        port=where.port,
        ssl=door.tls(),
        server_hostname=name,
        subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
        open_timeout=door.CONNECT_SECONDS,
        # The node stops reading while a container takes no input; it cannot answer a ping then.
        ping_interval=None,
        close_timeout=CLOSE_SECONDS,
        compression=None,
        max_size=frames.MOST_BYTES,
        max_queue=MESSAGES_WAITING,
        proxy=None,
    )
