"""A Caddy's sockets, asked over HTTP: what it does now, what it is to do, and that it is not to end yet."""

from __future__ import annotations

import os
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import msgspec

from node_agent.edge.caddy import HOLD, SOCKET

SECONDS, SOON_SECONDS = 30.0, 5.0


class Silent(Exception):
    """Nobody answers there, or not as Caddy does."""


class Refused(Exception):
    """Caddy goes on as before; the words are its own."""


class _Connection(HTTPConnection):
    def __init__(self, directory: Path, seconds: float) -> None:
        super().__init__("localhost")
        self._directory, self._seconds = directory, seconds

    def connect(self) -> None:
        self.sock = _connected(self._directory, SOCKET, self._seconds)


def _connected(directory: Path, name: str, seconds: float) -> socket.socket:
    # By way of the open directory: a socket's own path may only have a hundred characters.
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(seconds)
    try:
        made.connect(f"/proc/self/fd/{handle}/{name}")
    except OSError:
        made.close()
        raise
    finally:
        os.close(handle)
    return made


def current(directory: Path) -> Any:
    """The configuration as it is."""
    return msgspec.json.decode(_ask(directory, "GET", "/config/"))


def load(directory: Path, config: Any) -> None:
    """Another in its place, without a pause. Raises Refused when it cannot be; then all stays as it was."""
    _ask(directory, "POST", "/load", msgspec.json.encode(config))


def under_way(directory: Path) -> int:
    """How many requests it leads somewhere at this moment, with those that have become streams."""
    told = _ask(directory, "GET", "/reverse_proxy/upstreams", seconds=SOON_SECONDS)
    return sum(each["num_requests"] for each in msgspec.json.decode(told))


def unfinished(directory: Path) -> socket.socket:
    """A request that Caddy has begun to answer, and has to wait for until this is closed. Raises OSError."""
    made = _connected(directory, HOLD, SOON_SECONDS)
    try:
        made.sendall(b"POST / HTTP/1.1\r\nHost: hold\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        if not made.recv(64):
            raise ConnectionResetError("Caddy holds no request")
    except OSError:
        made.close()
        raise
    return made


def _ask(directory: Path, method: str, path: str, body: bytes | None = None, seconds: float = SECONDS) -> bytes:
    connection = _Connection(directory, seconds)
    try:
        # On a unix socket Caddy answers to no other name than none.
        connection.request(method, path, body, {"Host": "", "Content-Type": "application/json"})
        answer = connection.getresponse()
        told = answer.read()
    except (OSError, HTTPException) as error:
        raise Silent(f"Caddy's admin socket does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status >= 300:
        raise Refused(_words(told))
    return told


def _words(told: bytes) -> str:
    try:
        return str(msgspec.json.decode(told)["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return told.decode(errors="replace")[:500]
