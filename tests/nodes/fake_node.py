"""The far end of a stream to a node: remembers what it was asked, says what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from apps.cluster.types import streams as frames
from apps.nodes import streams


class FakeNode:
    """A door that remembers what it was asked and says what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.heard: list[bytes] = []
        self.says: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.refuses: Exception | None = None
        self.open = 0

    async def ask(self, node: str, path: str, query: Sequence[tuple[str, str]] = ()) -> None:
        self.asked.append((node, path, *query))
        if self.refuses:
            raise self.refuses

    @asynccontextmanager
    async def opened(self, node: str, path: str, query: Sequence[tuple[str, str]]) -> AsyncIterator[Any]:
        await self.ask(node, path, query)
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1

    async def send(self, frame: bytes) -> None:
        self.heard.append(frame)

    async def frames(self) -> AsyncIterator[bytes]:
        while (frame := await self.says.get()) is not None:
            yield frame
            if frame[0] == frames.STATUS:
                return
        raise streams.Lost
