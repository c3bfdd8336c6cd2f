"""Passes connections from the nodes' network on to what listens on this machine's loopback only: the image registry."""

from __future__ import annotations

import asyncio
from contextlib import suppress

CHUNK = 256 * 1024


def serve(address: str, port: int, target: tuple[str, int]) -> None:
    """Until the process is ended."""
    asyncio.run(_serve(address, port, target))


async def _serve(address: str, port: int, target: tuple[str, int]) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_connection(*target, limit=CHUNK)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass(reader, back))
                both.create_task(_pass(there, writer))
        writer.close()

    server = await asyncio.start_server(connected, address, port, limit=CHUNK)
    async with server:
        await server.serve_forever()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(CHUNK):
            target.write(chunk)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
