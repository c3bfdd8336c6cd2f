"""Short talks with a pod through its node's door: a command's outcome, a page. Raises what the door refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import h11
import orjson

from apps.cluster import types
from apps.cluster.errors import BadRequest, Unavailable
from apps.cluster.types import streams as frames
from apps.nodes import streams

MOST_BYTES = 2**20
SECONDS = 30.0
"""How long one talk may take."""


async def run(pod: types.Pod, container: str, command: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command in a container, and all it said."""
    query = [("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
    said = bytearray()
    async with _opened(pod, "exec", (container,), query) as stream:
        async for frame in stream.frames():
            if frame[0] in {frames.OUTPUT, frames.ERRORS}:
                said += frame[1 : 1 + MOST_BYTES - len(said)]
            elif frame[0] == frames.STATUS:
                return _exit_code(frame[1:]), said.decode(errors="replace")
    raise Unavailable(f"pod {pod.metadata.name} did not say how the command ended")


async def fetch(pod: types.Pod, port: int, host: str, path: str) -> tuple[int, str]:
    """The status and the text of a page that the pod serves; redirects are not followed."""
    client = h11.Connection(h11.CLIENT)
    status, said = 0, bytearray()
    try:
        headers = [("Host", host), ("User-Agent", "drover"), ("Connection", "close")]
        asked = client.send(h11.Request(method="GET", target=path, headers=headers)) or b""
    except h11.LocalProtocolError as error:
        raise BadRequest(f"{path!r} is no path of a page: {error}") from None
    asked += client.send(h11.EndOfMessage()) or b""
    try:
        async with _opened(pod, "portforward", (), [("port", str(port))]) as stream:
            await stream.send(frames.frame(frames.INPUT, asked))
            async for event in _events(client, stream):
                if isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    said += event.data
                    if len(said) >= MOST_BYTES:
                        break
    except h11.RemoteProtocolError as error:
        raise Unavailable(f"port {port} of pod {pod.metadata.name} does not speak HTTP: {error}") from None
    return status, said.decode(errors="replace")


async def _events(client: h11.Connection, stream: streams.Stream) -> AsyncIterator[object]:
    """What the answer consists of, to its end. Raises RemoteProtocolError for what is none, or is cut off."""
    frames_ = stream.frames()
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            frame = await anext(frames_, frames.END_OF_OUTPUT)
            if frame == frames.END_OF_OUTPUT:
                client.receive_data(b"")
            elif frame[0] == frames.OUTPUT and len(frame) > 1:
                client.receive_data(frame[1:])
            continue
        if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return
        yield event


@asynccontextmanager
async def _opened(
    pod: types.Pod, verb: str, more: Sequence[str], query: streams.Query
) -> AsyncIterator[streams.Stream]:
    path = streams.path_of(verb, pod.metadata.namespace, pod.metadata.name, *more)
    try:
        async with asyncio.timeout(SECONDS), streams.opened(pod.spec.node_name, path, query) as stream:
            yield stream
    except streams.Lost:
        raise Unavailable(f"the way to pod {pod.metadata.name} broke off") from None
    except TimeoutError:
        raise Unavailable(f"pod {pod.metadata.name} was not done within {SECONDS:.0f} s") from None


def _exit_code(status: bytes) -> int:
    said = orjson.loads(status)
    if said.get("status") == "Success":
        return 0
    causes = said.get("details", {}).get("causes", [])
    code = next((one["message"] for one in causes if one.get("reason") == "ExitCode"), "")
    if not code.isdecimal():
        raise Unavailable(said.get("message", "the command did not start"))
    return int(code)
