"""One question to a container: a command in it, a request or a connection to one of its ports. Answers have words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from apps.cluster import types
from node_agent.runtime.base import EngineAway, NoSuchContainer, RuntimeTrouble
from node_agent.runtime.streams import StreamingRuntime, StreamWish

MOST_OUTPUT = 10 * 1024
MOST_HEAD = 64 * 1024
MOST_REDIRECTS = 10
AGENT = "kube-probe/1.32"  # servers tell probes from people by this word
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Answer:
    good: bool
    words: str = ""


def port_of(port: int | str, ports: Sequence[types.ContainerPort]) -> int:
    """The number of a port that may be given by name. Raises ValueError."""
    if isinstance(port, int):
        return port
    for each in ports:
        if each.name == port:
            return each.container_port
    raise ValueError(f"the container has no port named {port}")


async def run_command(
    engine: StreamingRuntime, id: str, command: Sequence[str], seconds: float | None
) -> Answer | None:
    """Good when it exits with 0. None when nobody can say: the engine is away, or the container has just ended."""
    output = bytearray()
    try:
        session = await engine.exec(id, StreamWish(command=tuple(command), stdout=True, stderr=True))
        try:
            async with asyncio.timeout(seconds):
                await session.start()
                async for _, data in session.output():
                    output += data[: MOST_OUTPUT - len(output)]
                code = await session.exit_code()
        finally:
            await session.close()
    except TimeoutError:
        return Answer(False, f'command timed out: "{shlex.join(command)}" timed out after {seconds:g}s')
    except (EngineAway, NoSuchContainer):
        return None
    except RuntimeTrouble as error:
        return Answer(False, str(error))
    return Answer(code == 0, output.decode(errors="replace"))


async def connect(host: str, port: int, seconds: float) -> Answer:
    """Good when the port is open."""
    place = f"{host}:{port}"
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except TimeoutError:
        return Answer(False, f"dial tcp {place}: i/o timeout")
    except OSError as error:
        return Answer(False, _refused(place, error))
    return Answer(True)


async def get(action: types.HTTPGetAction, host: str, port: int, seconds: float | None) -> Answer:
    """Good from 200 to 399. A redirect is followed while it stays on the host; one that leads elsewhere is good."""
    url = f"{action.scheme.lower() or 'http'}://{_bracketed(host)}:{port}{_path(action.path)}"
    first = url
    try:
        async with asyncio.timeout(seconds):
            for _ in range(MOST_REDIRECTS):
                status, location = await _request(url, action.http_headers)
                onwards = urljoin(url, location)
                if (
                    status not in REDIRECTS
                    or not location
                    or urlsplit(onwards).hostname != urlsplit(url).hostname
                ):
                    good = 200 <= status < 400
                    return Answer(good, "" if good else f"HTTP probe failed with statuscode: {status}")
                url = onwards
    except TimeoutError:
        words = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Answer(False, f'Get "{first}": {words}')
    except (OSError, ValueError, EOFError) as error:
        words = _refused(f"{host}:{port}", error) if isinstance(error, OSError) else str(error)
        return Answer(False, f'Get "{first}": {words}')
    return Answer(False, f'Get "{first}": stopped after {MOST_REDIRECTS} redirects')


async def _request(url: str, headers: Sequence[types.HTTPHeader]) -> tuple[int, str]:
    """The status of the answer and its Location. Raises OSError, EOFError or ValueError."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(
        host, port, ssl=_ANY_CERTIFICATE if secure else None, limit=MOST_HEAD
    )
    try:
        own = {"host": parts.netloc, "user-agent": AGENT, "accept": "*/*"}
        lines = [f"{each.name}: {each.value}" for each in headers]
        given = {each.name.lower() for each in headers}
        lines = [f"{name}: {value}" for name, value in own.items() if name not in given] + lines
        where = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write("\r\n".join([f"GET {where} HTTP/1.1", *lines, "connection: close", "", ""]).encode())
        await writer.drain()
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as error:
            raise EOFError("EOF") from error
        except asyncio.LimitOverrunError as error:
            raise ValueError("the answer's head is too long") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            writer.transport.abort()
    return _status(head), _header(head, "location")


def _status(head: str) -> int:
    protocol, _, rest = head.partition(" ")
    code = rest[:3]
    if not protocol.startswith("HTTP/") or not (code.isascii() and code.isdigit()):
        raise ValueError(f'net/http: malformed HTTP response "{head[:40].splitlines()[0]}"')
    return int(code)


def _header(head: str, wanted: str) -> str:
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == wanted:
            return value.strip()
    return ""


def _path(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _refused(place: str, error: OSError) -> str:
    number = error.errno
    words = os.strerror(number).lower() if number and number > 0 else str(error)
    return f"dial tcp {place}: connect: {words}"


def _any_certificate() -> ssl.SSLContext:
    """A probe asks whether somebody answers, not who."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_ANY_CERTIFICATE = _any_certificate()
