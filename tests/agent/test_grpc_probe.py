"""The standard question of health, asked of a real gRPC server; and what other servers' answers come to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import grpc.aio
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from apps.cluster import types
from node_agent.probes.asking import Answer
from node_agent.probes.grpc import check, question
from node_agent.probes.prober import Prober
from node_agent.probes.tally import Question, Tally, Target
from node_agent.runtime.docker_streams import DockerStreams
from tests.agent.machine import ENGINE
from tests.calm import PATIENCE

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LONG = "long." * 60


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that is well as a whole, as one of its services is; the other one is not."""
    server, servicer = grpc.aio.server(), health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for service, state in (("", SERVING), ("well", SERVING), (LONG, SERVING), ("ill", NOT_SERVING)):
        await servicer.set(service, state)
    number = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield number
    await server.stop(None)


@pytest.mark.parametrize(
    ("service", "answer"),
    [
        ("", Answer(True)),
        ("well", Answer(True)),
        (LONG, Answer(True)),
        ("ill", Answer(False, 'service unhealthy (responded with "NOT_SERVING")')),
        ("nobody", Answer(False, "error: health rpc probe failed: rpc error: code = NotFound desc = ")),
    ],
    ids=lambda value: value[:8] if isinstance(value, str) else "",
)
async def test_a_server_is_asked_for_a_service(port: int, service: str, answer: Answer) -> None:
    assert await check("127.0.0.1", port, service, 5) == answer


async def test_a_probe_of_this_kind_is_asked_and_told(port: int) -> None:
    heard: asyncio.Queue[tuple[bool, Answer]] = asyncio.Queue()
    loop, prober = asyncio.get_running_loop(), Prober(DockerStreams(ENGINE))
    target = Target(
        id="c1", name="app", question=Question.READINESS, probe=types.Probe(grpc=types.GRPCAction(port=port)),
        ports=(), address="127.0.0.1", started_at=None, verdict=False,
    )  # fmt: skip

    def told(_: Target, tally: Tally, answer: Answer) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, (tally.verdict, answer))

    prober.watch("u1", {target.key: target}, told)
    async with asyncio.timeout(PATIENCE):
        assert await heard.get() == (True, Answer(True))
    await asyncio.to_thread(prober.stop)


async def test_a_server_without_the_protocol_is_told_so() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    found = await check("127.0.0.1", port, "", 5)
    await server.stop(None)
    assert not found.good
    assert found.words.startswith("error: this server does not implement the grpc health protocol")


async def test_who_is_silent_closed_or_speaks_otherwise_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silence:  # the kernel lets in, nobody speaks
        port = silence.getsockname()[1]
        found = await check("127.0.0.1", port, "", 0.2)
        assert found == Answer(False, "timeout: health rpc did not complete within 0.2s")
    closed = await check("127.0.0.1", port, "", 1)
    assert not closed.good and closed.words.startswith(f'error: failed to connect service "127.0.0.1:{port}"')

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 200)
        await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    found = await check("127.0.0.1", server.sockets[0].getsockname()[1], "", 1)
    server.close()
    await server.wait_closed()
    assert not found.good and found.words.startswith("error: health rpc probe failed")


@pytest.mark.parametrize("service", ["", "well", "x" * 127, "x" * 128, "ü" * 9000])
def test_the_question_is_protobufs(service: str) -> None:
    message = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    assert question(service) == b"\0" + len(message).to_bytes(4, "big") + message
