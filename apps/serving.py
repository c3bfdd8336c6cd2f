"""uvicorn's server as web and the agents' doors run it: it sleeps while nothing happens. No Django here."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import FrameType

import uvicorn

TICK = 1.0
"""Seconds between two looks at the clock: answers tell the date."""


class Server(uvicorn.Server):
    """uvicorn's own looks ten times a second whether it shall end; this one is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._told.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.end(force=self.force_exit)

    def end(self, *, force: bool = False) -> None:
        """Let nobody in any more; with ``force`` those who are inside are sent away. From any thread."""
        self.should_exit = True
        self.force_exit = force
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._told.set)
