"""Port-forward over one websocket: kubectl's tunnel and the channels of other clients, with a pod that is played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from apps.api.streams import spdy
from apps.api.streams.forwarding import Channels, numbers
from apps.api.streams.processes import chosen
from apps.api.streams.tunnel import Tunnel
from apps.cluster.errors import BadRequest, Unavailable
from apps.cluster.types import streams as frames
from apps.nodes.streams import Stream
from tests.calm import PATIENCE


class Pod:
    """Answers each connection, by port: 1 refuses, 2 never reads and asks whether someone is there, 3 says so much and
    ends, others echo to the end."""

    def __init__(self) -> None:
        self.open = 0
        self.taken = 0

    @asynccontextmanager
    async def dial(self, port: int) -> AsyncIterator[Stream]:
        if port == 1:
            raise Unavailable("port 1 cannot be reached: Connection refused")
        self.open += 1
        try:
            yield cast(Stream, _Port(self, port))
        finally:
            self.open -= 1


class _Port:
    def __init__(self, pod: Pod, port: int) -> None:
        self._pod, self._port = pod, port
        self._said: asyncio.Queue[bytes] = asyncio.Queue()
        if port == 3:
            self._said.put_nowait(b"\x01" + b"much" * 1000)
            self._said.put_nowait(frames.END_OF_OUTPUT)

    async def send(self, frame: bytes) -> None:
        if self._port == 2:
            await asyncio.Event().wait()
        self._pod.taken += len(frame)
        if frame == frames.END_OF_INPUT:
            self._said.put_nowait(frames.END_OF_OUTPUT)
        elif self._port != 3:
            self._said.put_nowait(frames.frame(frames.OUTPUT, frame[1:]))

    async def frames(self) -> AsyncIterator[bytes]:
        while self._port == 2:
            await asyncio.sleep(0.05)
            yield frames.NOTHING
        while True:
            yield await self._said.get()


class Client:
    """A websocket as its server sees it, and the SPDY end of it."""

    def __init__(self) -> None:
        self.writer, self._reader = spdy.Writer(), spdy.Reader()
        self._typed: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)
        self.heard: list[bytes] = []
        self.events: list[spdy.Event] = []
        self.closed = 0
        self.gone = False

    async def receive(self) -> dict[str, Any]:
        return await self._typed.get()

    async def send(self, message: dict[str, Any]) -> None:
        if self.gone:
            raise OSError("the client has gone")
        if message["type"] == "websocket.close":
            self.closed = message["code"]
            return
        self.heard.append(message["bytes"])
        if message["bytes"][:1] >= b"\x80" or message["bytes"][:1] == b"\x00":
            self.events += list(self._reader.feed(message["bytes"]))

    async def say(self, content: bytes, patience: float = PATIENCE) -> None:
        await asyncio.wait_for(self._typed.put({"type": "websocket.receive", "bytes": content}), patience)

    async def leave(self) -> None:
        await self._typed.put({"type": "websocket.disconnect", "code": 1000})

    async def connect(self, number: int, port: int) -> tuple[int, int]:
        """The data and error streams of a new connection, as kubectl opens them."""
        error, data = 4 * number + 1, 4 * number + 3
        headers = {"port": str(port), "requestid": str(number)}
        await self.say(self.writer.open(error, headers | {"streamtype": "error"}))
        await self.say(spdy.data(error, b"", ends=True))
        await self.say(self.writer.open(data, headers | {"streamtype": "data"}))
        return data, error

    def on(self, stream: int) -> tuple[bytes, bool]:
        """What came on a stream, and whether it has ended."""
        found = [each for each in self.events if isinstance(each, spdy.Data) and each.stream == stream]
        return b"".join(each.content for each in found), any(each.ends for each in found)


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not check():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def tunnel(pod: Pod) -> AsyncIterator[Client]:
    client = Client()
    running = asyncio.create_task(Tunnel(pod.dial, client.send).run(client.receive))
    yield client
    await client.leave()
    await asyncio.wait_for(running, PATIENCE)
    assert pod.open == 0, "a connection to the pod was left open"


async def test_connections_of_a_tunnel_do_not_mix() -> None:
    async with tunnel(Pod()) as client:
        streams = [await client.connect(number, 80) for number in range(5)]
        for data, _ in streams:
            await client.say(spdy.data(data, b"first %d, " % data))
        for data, _ in reversed(streams):
            await client.say(spdy.data(data, b"then %d" % data, ends=True))
        for data, error in streams:
            await until(lambda error=error: client.on(error)[1])  # type: ignore[misc]
            assert client.on(data) == (b"first %d, then %d" % (data, data), True)
            assert client.on(error) == (b"", True)


async def test_a_port_that_refuses_is_told_on_the_error_stream() -> None:
    async with tunnel(Pod()) as client:
        data, error = await client.connect(1, 1)
        await until(lambda: client.on(error)[1])
        assert client.on(error)[0] == b"port 1 cannot be reached: Connection refused"
        assert client.on(data) == (b"", True)


async def test_what_a_port_says_last_arrives_before_its_end() -> None:
    async with tunnel(Pod()) as client:
        data, error = await client.connect(1, 3)
        await until(lambda: client.on(error)[1])
        assert client.on(data) == (b"much" * 1000, True)


async def test_a_reset_ends_a_connection_and_its_error_stream() -> None:
    pod = Pod()
    async with tunnel(pod) as client:
        data, error = await client.connect(1, 80)
        await until(lambda: pod.open == 1)
        await client.say(spdy.reset(data))
        await until(lambda: client.on(error)[1] and pod.open == 0)
        again, _ = await client.connect(2, 80)
        await client.say(spdy.data(again, b"still here", ends=True))
        await until(lambda: client.on(again) == (b"still here", True))


async def test_a_port_that_does_not_read_holds_up_its_client_until_that_has_gone() -> None:
    pod = Pod()
    async with tunnel(pod) as client:
        data, _ = await client.connect(1, 2)
        said = 0
        with pytest.raises(TimeoutError):
            while said < 1000:
                await client.say(spdy.data(data, bytes(1000)), patience=0.3)
                said += 1
        assert said < 30
        client.gone = True
        await until(lambda: pod.open == 0)


async def test_pings_are_answered_and_streams_of_no_kind_are_reset() -> None:
    async with tunnel(Pod()) as client:
        await client.say(spdy.ping(7))
        await client.say(client.writer.open(9, {"streamtype": "other", "requestid": "1"}))
        await until(lambda: len(client.events) == 2)
        assert client.events == [spdy.Pinged(7), spdy.Reset(9)]


async def test_what_is_no_spdy_closes_the_websocket() -> None:
    client = Client()
    running = asyncio.create_task(Tunnel(Pod().dial, client.send).run(client.receive))
    await client.say(b"\xff" * 20)
    await asyncio.wait_for(running, PATIENCE)
    assert client.closed == 1002


@asynccontextmanager
async def channels(*ports: int) -> AsyncIterator[Client]:
    client, pod = Client(), Pod()
    running = asyncio.create_task(Channels(pod.dial, client.send, ports).run(client.receive))
    yield client
    if not running.done():
        await client.leave()
    await asyncio.wait_for(running, PATIENCE)
    assert pod.open == 0


async def test_channels_begin_with_their_port_and_carry_its_data() -> None:
    async with channels(80, 443) as client:
        await until(lambda: len(client.heard) == 4)
        assert client.heard == [b"\0P\0", b"\1P\0", b"\2\xbb\1", b"\3\xbb\1"]
        await client.say(b"\2over tls")
        await client.say(b"\0plain")
        await until(lambda: {b"\0plain", b"\2over tls"} <= set(client.heard))
        await client.say(b"\xff\0")
        await client.say(b"\xff\2")
        await until(lambda: client.closed == 1000)


async def test_a_port_that_refuses_is_told_on_its_second_channel() -> None:
    async with channels(1) as client:
        await until(lambda: client.closed == 1000)
        assert client.heard[2:] == [b"\1port 1 cannot be reached: Connection refused"]


@pytest.mark.parametrize("texts", [[], ["0"], ["65536"], ["80", "80"], ["x"], ["-1"], ["٣"], ["1" * 9]])
def test_ports_must_be_numbers(texts: list[str]) -> None:
    with pytest.raises(BadRequest, match="ports: "):
        numbers(texts)


def test_the_best_protocol_that_both_speak_is_chosen() -> None:
    assert chosen(("v5", "v4"), ["v4", "v3", "v5"]) == "v5"
    with pytest.raises(BadRequest, match="v3"):
        chosen(("v5", "v4"), ["v3"])
