"""The API's two adapters behind one way to ask, so that every contract test runs through both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.test import AsyncClient

from apps.api import asgi
from tests.calm import PATIENCE


@dataclass
class Reply:
    """A whole answer."""

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


class Door:
    """One adapter; ``token`` speaks for the client."""

    name = ""

    def __init__(self, token: str) -> None:
        self.token = token

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; a body that is no bytes is sent as JSON."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return await self._ask(method, path, raw, {**sent, **(headers or {})})

    async def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        raise NotImplementedError

    def stream(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        """``async with door.stream(path) as lines``: an iterator of the lines' data."""
        raise NotImplementedError


class AsgiDoor(Door):
    name = "asgi"

    async def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        wire = _Wire(method, path, body, headers)
        await asyncio.wait_for(asgi.application(wire.scope, wire.receive, wire.send), PATIENCE)
        return Reply(wire.code, wire.headers, b"".join(wire.sent_now()))

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[Any]]:
        sent = {"authorization": f"Bearer {self.token}"}
        wire = _Wire("GET", path, b"", {**sent, **(headers or {})})
        serving = asyncio.ensure_future(asgi.application(wire.scope, wire.receive, wire.send))
        try:
            yield _lines(wire.chunks())
        finally:
            wire.left.set()
            await asyncio.wait_for(serving, PATIENCE)


class DrfDoor(Door):
    name = "drf"

    def _client(self) -> AsyncClient:
        return AsyncClient(raise_request_exception=False)

    async def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        rest = dict(headers)
        content_type = rest.pop("content-type", "")
        response = await self._client().generic(method, path, body, content_type=content_type, headers=rest)
        return Reply(
            response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content
        )

    @asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[Any]]:
        sent = {"authorization": f"Bearer {self.token}", **(headers or {})}
        response: Any = await self._client().get(path, headers=sent)
        assert response.streaming, response.content
        chunks = response.streaming_content
        try:
            yield _lines(chunks)
        finally:
            await chunks.aclose()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    rest = b""
    while True:
        chunk = await asyncio.wait_for(anext(chunks, None), PATIENCE)
        if chunk is None:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield json.loads(line)


async def take(lines: AsyncIterator[Any], count: int) -> list[Any]:
    """The next ``count`` events."""
    return [await anext(lines) for _ in range(count)]


class _Wire:
    """What a server would be to an ASGI application."""

    def __init__(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        bare, _, query = path.partition("?")
        self.scope = {
            "type": "http",
            "method": method,
            "path": bare,
            "raw_path": quote(bare).encode(),
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "scheme": "http",
        }
        self._body: bytes | None = body
        self.left = asyncio.Event()
        self.code = 0
        self.headers: dict[str, str] = {}
        self._sent: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.code = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            return
        self._sent.put_nowait(message.get("body", b""))
        if not message.get("more_body"):
            self._sent.put_nowait(None)

    def sent_now(self) -> list[bytes]:
        sent = []
        while not self._sent.empty():
            sent.append(self._sent.get_nowait() or b"")
        return sent

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._sent.get()) is not None:
            yield chunk


DOORS: tuple[type[Door], ...] = (AsgiDoor, DrfDoor)
