"""Caddy's admin socket, asked over HTTP: what it does now, and what it is to do from now on."""

from __future__ import annotations

import os
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import msgspec

from node_agent.edge.caddy import SOCKET

SECONDS = 30.0


class Silent(Exception):
    """Nobody answers there, or not as Caddy does."""


class Refused(Exception):
    """Caddy goes on as before; the words are its own."""


class _Connection(HTTPConnection):
    def __init__(self, directory: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._directory = directory

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        # By way of the open directory: a socket's own path may only have a hundred characters.
        directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{directory}/{SOCKET}")
        finally:
            os.close(directory)


def current(directory: Path) -> Any:
    """The configuration as it is."""
    return msgspec.json.decode(_ask(directory, "GET", "/config/"))


def load(directory: Path, config: Any) -> None:
    """Another in its place, without a pause. Raises Refused when it cannot be; then all stays as it was."""
    _ask(directory, "POST", "/load", msgspec.json.encode(config))


def _ask(directory: Path, method: str, path: str, body: bytes | None = None) -> bytes:
    connection = _Connection(directory)
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
