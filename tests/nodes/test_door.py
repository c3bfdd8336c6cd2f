"""The way to a node's door: mutual TLS, streams as they come, and words when it does not work."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from apps.accounts import certificates
from apps.cluster import store, types
from apps.cluster.actors import system
from apps.cluster.errors import BadRequest, NotFound, Unavailable
from apps.cluster.kinds import NODE
from apps.cluster.work import in_db
from apps.nodes import door
from tests.builders import build

pytestmark = pytest.mark.usefixtures("cluster")
Open = Callable[..., Any]


@pytest.fixture
async def at_door(tmp_path: Path) -> AsyncIterator[Open]:
    """``await at_door(answer, name="n1")`` opens a node's door that says ``answer`` to everything."""
    servers: list[asyncio.Server] = []
    asked: list[str] = []

    async def open_door(answer: bytes, name: str = "n1", proven: str = "") -> list[str]:
        await in_db(certificates.ensure, Path(settings.STATE))
        folder = tmp_path / name
        await in_db(certificates.ensure_for_node, folder, proven or name, ("127.0.0.1",))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "agent.crt", folder / "agent.key")
        context.load_verify_locations(folder / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head.split(b"\r\n")[0].decode())
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        servers.append(server)
        await in_db(register, name, server.sockets[0].getsockname()[1])
        return asked

    yield open_door
    for server in servers:
        server.close()


def register(name: str, port: int) -> None:
    def write(tx: Any) -> None:
        node = tx.create(NODE, build(NODE, name=name))
        node.status.addresses = [types.NodeAddress(type="InternalIP", address="127.0.0.1")]
        endpoint = types.DaemonEndpoint(port=port)
        node.status.daemon_endpoints = types.NodeDaemonEndpoints(kubelet_endpoint=endpoint)
        tx.update(NODE, node, part="status")

    store.write(system("test"), write)


def http(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (
        status.encode(),
        len(body),
        body,
    )


async def read(node: str = "n1", **params: str) -> bytes:
    async with aclosing(door.logs(node, "default", "web", "app", params)) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_log_comes_as_it_is_with_known_parameters_only(at_door: Open) -> None:
    asked = await at_door(http("200 OK", b"one\ntwo\n"))
    assert await read(tailLines="2", follow="true", container="x", token="secret") == b"one\ntwo\n"
    assert asked == ["GET /logs/default/web/app?tailLines=2&follow=true HTTP/1.1"]


async def test_a_log_streams_while_it_is_written(at_door: Open) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    await at_door(head + b"4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n")
    assert await read() == b"one\ntwo\n"


async def test_a_log_that_breaks_off_is_no_whole_one(at_door: Open) -> None:
    await at_door(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\none\n\r\n")
    async with aclosing(door.logs("n1", "default", "web", "app", {})) as chunks:
        assert await anext(chunks) == b"one\n"
        with pytest.raises(Unavailable, match="the log broke off"):
            await anext(chunks)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("404 Not Found", NotFound),
        ("400 Bad Request", BadRequest),
        ("500 Internal Server Error", Unavailable),
    ],
)
async def test_a_refusal_keeps_its_words(at_door: Open, status: str, error: type[Exception]) -> None:
    await at_door(http(status, b"container app has not started"))
    with pytest.raises(error, match="container app has not started"):
        await read()


async def test_a_node_that_is_away_is_named(at_door: Open) -> None:
    await at_door(http("200 OK", b""))
    await in_db(register, "n2", 1)
    with pytest.raises(Unavailable, match=r"node n2 cannot be reached at 127.0.0.1:1: "):
        await read("n2")
    with pytest.raises(Unavailable, match="node n3 is not known"):
        await read("n3")


async def test_who_answers_at_a_nodes_address_must_be_that_node(at_door: Open) -> None:
    await at_door(http("200 OK", b"stolen"), proven="n2")
    with pytest.raises(Unavailable, match="not one of this cluster's for this node"):
        await read()
