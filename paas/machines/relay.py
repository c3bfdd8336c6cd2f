"""Passes connections from the nodes' network on to what listens on this machine's loopback only: the image registry."""

from __future__ import annotations

import asyncio

CHUNK = 256 * 1024


def serve(address: str, port: int, target: tuple[str, int]) -> None:
    """Until the process is ended."""
    asyncio.run(relayed(address, port, target))


async def relayed(address: str, port: int, target: tuple[str, int]) -> None:
    """Until it is cancelled."""
    # The group holds the tasks: by themselves, streams whose other side is gone are garbage, tasks and all.
    async with asyncio.TaskGroup() as connections:

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.create_task(_connect(reader, writer, target))

        server = await asyncio.start_server(connected, address, port, limit=CHUNK)
        async with server:
            await server.serve_forever()


async def _connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int]) -> None:
    """Until both sides have said all; where one breaks off, the other has nobody to speak to."""
    writers = [writer]
    try:
        there, back = await asyncio.open_connection(*target, limit=CHUNK)
        writers.append(back)
        async with asyncio.TaskGroup() as both:
            both.create_task(_pass(reader, back))
            both.create_task(_pass(there, writer))
    except* OSError:
        pass
    finally:
        for each in writers:
            each.close()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        target.write(chunk)
        await target.drain()
    target.write_eof()
