"""The standard question of health over gRPC: one call of ``grpc.health.v1.Health/Check``, over HTTP/2 without TLS.

The question is a string field, the answer a number: a library for all of protobuf and gRPC would weigh more than the
agent around it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error

from apps.cluster.quantities import number_in
from node_agent.probes.asking import AGENT, Answer

PATH = "/grpc.health.v1.Health/Check"
CHUNK = 64 * 1024
MOST_MESSAGE = 4096
LENGTH_BYTES = 5  # before each message: whether it is compressed, and its length
STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
SERVING = 1
STATUS_FIELD = 0x08  # number 1, a number
SERVICE_FIELD = 0x0A  # number 1, a string
OK, UNIMPLEMENTED = 0, 12
CODES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
    "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
    "Internal", "Unavailable", "DataLoss", "Unauthenticated",
)  # fmt: skip


@dataclass(slots=True)
class Reply:
    """What has come so far."""

    headers: dict[str, str] = field(default_factory=dict)  # and trailers
    message: bytes = b""
    over: bool = False

    def take(self, event: Event) -> None:
        """Raises ConnectionError when nothing more will come."""
        match event:
            case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
                self.headers |= {_text(name): _text(value) for name, value in headers or ()}
            case DataReceived(data=data):
                self.message = (self.message + (data or b""))[:MOST_MESSAGE]
            case StreamEnded():
                self.over = True
            case StreamReset() | ConnectionTerminated():
                raise ConnectionError("the server ended the call without an answer")


async def check(host: str, port: int, service: str, seconds: float) -> Answer:
    """Good when the service says that it serves; ``service`` may be "" for the server as a whole."""
    place, connected = f"{host}:{port}", False
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            connected = True
            return verdict(await _call(reader, writer, place, service))
    except TimeoutError:
        words = "health rpc did not complete" if connected else f'failed to connect service "{place}"'
        return Answer(False, f"timeout: {words} within {seconds:g}s")
    except (OSError, EOFError, H2Error) as error:
        words = "health rpc probe failed" if connected else f'failed to connect service "{place}"'
        return Answer(False, f"error: {words}: {error}")
    finally:
        if writer is not None:
            writer.transport.abort()


async def _call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: str, service: str
) -> Reply:
    http = H2Connection(H2Configuration(client_side=True))
    http.initiate_connection()
    headers = {
        ":method": "POST", ":scheme": "http", ":path": PATH, ":authority": place, "te": "trailers",
        "content-type": "application/grpc", "user-agent": AGENT,
    }  # fmt: skip
    stream = http.get_next_available_stream_id()
    http.send_headers(stream, list(headers.items()))
    http.send_data(stream, question(service), end_stream=True)
    reply = Reply()
    while not reply.over:
        writer.write(http.data_to_send())
        await writer.drain()
        data = await reader.read(CHUNK)
        if not data:
            raise EOFError("the server closed the connection")
        for event in http.receive_data(data):
            if isinstance(event, DataReceived) and event.flow_controlled_length:
                http.acknowledge_received_data(event.flow_controlled_length, stream)
            reply.take(event)
    with contextlib.suppress(H2Error):
        http.close_connection()
        writer.write(http.data_to_send())
    return reply


def question(service: str) -> bytes:
    """A HealthCheckRequest, framed. Pure."""
    name = service.encode()
    message = bytes((SERVICE_FIELD,)) + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(LENGTH_BYTES - 1, "big") + message


def verdict(reply: Reply) -> Answer:
    """What a whole reply says, in Kubernetes' words. Pure."""
    status, number = reply.headers.get(":status", ""), number_in(reply.headers.get("grpc-status", ""))
    if status != "200" or number is None:
        return Answer(False, f"error: health rpc probe failed: an answer that is not gRPC's (HTTP status {status})")
    words = unquote(reply.headers.get("grpc-message", ""))
    if number == UNIMPLEMENTED:
        why = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return Answer(False, f"error: {why}: {words}")
    if number != OK:
        name = CODES[number] if number < len(CODES) else f"Code({number})"
        return Answer(False, f"error: health rpc probe failed: rpc error: code = {name} desc = {words}")
    message = reply.message[LENGTH_BYTES:]
    state = message[1] if len(message) > 1 and message[0] == STATUS_FIELD else 0
    if state == SERVING:
        return Answer(True)
    name = STATES[state] if state < len(STATES) else str(state)
    return Answer(False, f'service unhealthy (responded with "{name}")')


def _varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes((low | 0x80,)) + _varint(high) if high else bytes((low,))


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
