"""How a server ends: at once, with nothing in its log, and every client told what it can be told."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from websockets import ConnectionClosed
from websockets.asyncio.client import connect

from apps.serving import Receive, Requests, Scope, Send, Server, Sockets
from tests.calm import PATIENCE

HOUR = 3600
UPGRADE = (
    b"GET /socket HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
)


class Application:
    """``/endless`` writes one line and waits, ``/broken`` stops after it, ``/late`` begins once it is let, ``/whole``
    is done once it is let, ``/socket`` listens, ``/flood`` sends more than anybody reads."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.began = asyncio.Event()
        self.closed: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            self.began.set()
            while scope["path"] == "/flood":
                await send({"type": "websocket.send", "bytes": bytes(2**16)})
            while (told := await receive())["type"] != "websocket.disconnect":
                pass
            self.closed.append(told["code"])
            return
        if scope["path"] in {"/late", "/whole"}:
            self.began.set()
            await self.let.wait()
        whole = scope["path"] == "/whole"
        length = [(b"content-length", b"5")] if whole else []
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"line\n", "more_body": not whole})
        self.began.set()
        while scope["path"] in {"/endless", "/late"} and (await receive())["type"] != "http.disconnect":
            pass


@dataclass
class Site:
    """A server that runs, and what it logs."""

    server: Server
    application: Application
    port: int
    task: asyncio.Task[None]
    log: pytest.LogCaptureFixture

    async def asked(self, path: str) -> asyncio.Task[bytes]:
        """All that a client reads of an answer that has begun."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        await self.application.began.wait()

        async def read() -> bytes:
            try:
                return await reader.read()
            finally:
                writer.close()
                await writer.wait_closed()

        return asyncio.create_task(read())

    async def sends_away(self) -> None:
        """It listens no more, and has turned to each connection once."""
        self.server.end()
        while any(listener.is_serving() for listener in self.server.servers):
            await asyncio.sleep(0)

    async def ends(self) -> None:
        self.server.end()
        async with asyncio.timeout(PATIENCE):
            await self.task
        assert [record.getMessage() for record in self.log.records] == []


@pytest.fixture
async def site(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Site]:
    async with _serving(caplog) as found:
        yield found


@asynccontextmanager
async def _serving(log: pytest.LogCaptureFixture, grace: int = HOUR) -> AsyncIterator[Site]:
    log.set_level(logging.WARNING, "uvicorn.error")
    application = Application()
    config = uvicorn.Config(
        application, http=Requests, ws=Sockets, lifespan="off", interface="asgi3", log_config=None,
        timeout_graceful_shutdown=grace,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        yield Site(server, application, listener.getsockname()[1], task, log)
        server.end(force=True)
        await asyncio.wait({task})


async def test_an_open_socket_is_closed_as_by_who_goes_away(site: Site) -> None:
    async with connect(f"ws://127.0.0.1:{site.port}/socket") as client:
        await site.application.began.wait()
        await site.ends()
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001
    assert site.application.closed == [1001]


async def test_a_socket_that_its_client_is_closing_just_then_disturbs_nothing(site: Site) -> None:
    """It stays among the connections until what was sent before is read, which nobody does here."""
    with socket.create_connection(("127.0.0.1", site.port)) as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, UPGRADE.replace(b"/socket", b"/flood"))
        await site.application.began.wait()
        (connection,) = [one for one in site.server.server_state.connections if isinstance(one, Sockets)]
        while connection.writable.is_set():
            await asyncio.sleep(0)
        await loop.sock_sendall(client, b"\x88\x82" + bytes(4) + struct.pack("!H", 1000))
        while connection.conn.state.name != "CLOSED":
            await asyncio.sleep(0)
        await site.sends_away()
    await site.ends()


async def test_an_answer_without_an_end_stops_short_and_a_whole_one_is_awaited(site: Site) -> None:
    endless = await site.asked("/endless")
    site.application.began.clear()
    whole = await site.asked("/whole")
    site.server.end()
    told = await endless
    assert told.endswith(b"line\n\r\n"), "without the empty chunk that would say that all of it was told"
    site.application.let.set()
    assert (await whole).endswith(b"\r\n\r\nline\n")
    await site.ends()


async def test_an_answer_without_an_end_that_begins_only_then_stops_short_as_well(site: Site) -> None:
    late = await site.asked("/late")
    await site.sends_away()
    site.application.let.set()
    await site.ends()
    assert b"line" not in await late


async def test_a_stream_that_breaks_is_told_by_its_missing_end_and_not_in_the_log(site: Site) -> None:
    broken = await site.asked("/broken")
    assert (await broken).endswith(b"line\n\r\n")
    await site.ends()


async def test_what_does_not_end_in_time_is_ended_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async with _serving(caplog, grace=0) as site:
        hanging = await site.asked("/whole")
        site.server.end()
        await site.task
        assert await hanging == b""
    (told,) = caplog.records
    assert told.exc_info is None and told.getMessage().startswith("Cancel 1 running task")
