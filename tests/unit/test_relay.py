"""The registry's relay: what one side says or breaks off, the other hears."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from paas.machines import relay

At = tuple[str, int]
Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def free() -> At:
    with socket.create_server(("127.0.0.1", 0)) as found:
        address, port = found.getsockname()
    return address, port


@asynccontextmanager
async def relayed(served: Served) -> AsyncIterator[At]:
    """Where a relay listens that leads to a server of ``served``."""
    here, there = free(), free()
    async with asyncio.timeout(20), await asyncio.start_server(served, *there):
        task = asyncio.create_task(relay.relayed(*here, there))
        while True:
            try:
                _, writer = await asyncio.open_connection(*here)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0)
        writer.close()
        yield here
        task.cancel()
        await asyncio.wait({task})


def test_a_client_that_breaks_off_leaves_nothing_behind() -> None:
    ended: list[bool] = []
    troubles: list[str] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: troubles.append(told["message"]))
        over = asyncio.Event()

        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while chunk := await reader.read(100):
                writer.write(chunk)
            writer.close()
            ended.append(True)
            over.set()

        async with relayed(served) as here:
            reader, writer = await asyncio.open_connection(*here)
            writer.write(b"layer")
            assert await reader.readexactly(5) == b"layer"
            over.clear()
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            writer.transport.abort()
            await over.wait()
            gc.collect()

    asyncio.run(run())
    assert ended and not troubles


def test_a_client_that_has_said_all_is_still_answered() -> None:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()) * 100_000)
        writer.close()

    async def run() -> bytes:
        async with relayed(served) as here:
            reader, writer = await asyncio.open_connection(*here)
            writer.write(b"layer")
            writer.write_eof()
            gc.collect()
            answer = await reader.read()
            writer.close()
            return answer

    assert len(asyncio.run(run())) == 500_000
