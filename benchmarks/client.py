"""A small HTTP client for many connections in one loop: what it costs must not hide what the server costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import TracebackType

from tests.platform import Platform

LINE_LIMIT = 4 * 2**20


class Talker:
    """One kept connection to the API on loopback. ``async with`` opens and closes it."""

    def __init__(self, platform: Platform) -> None:
        self._port = platform.port
        self._token = platform.headers()["Authorization"]

    async def __aenter__(self) -> Talker:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LINE_LIMIT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def ask(
        self, method: str, path: str, body: object = None, content: str = "application/json"
    ) -> tuple[int, bytes]:
        await self._send(method, path, body, content)
        status, headers = await self._head()
        if (length := headers.get("content-length")) is not None:
            return status, await self._reader.readexactly(int(length))
        parts = []
        while size := int(await self._reader.readline(), 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readline()
        await self._reader.readline()
        return status, b"".join(parts)

    async def watch(self, path: str) -> AsyncIterator[bytes]:
        """The events as they come, each in its line, until the server ends it."""
        await self._send("GET", path, None, "")
        status, _ = await self._head()
        assert status == 200, status
        while line := await self._reader.readline():
            if line.startswith(b"{"):
                yield line

    async def _send(self, method: str, path: str, body: object, content: str) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {self._token}\r\n"
        if text:
            head += f"Content-Type: {content}\r\nContent-Length: {len(text)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + text)
        await self._writer.drain()

    async def _head(self) -> tuple[int, dict[str, str]]:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in fields}
