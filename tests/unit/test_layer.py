"""The Channels layer that waits: what one process sends another hears, also after Redis has cut their connection."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import redis

from apps.cluster.layer import QuietLayer
from tests.services import private_redis


async def heard(layer: Any, sender: Any, channel: str, number: int) -> bool:
    """Whether a message arrives; one that is sent while nobody listens is lost, as it may be."""
    async with asyncio.timeout(20):
        while True:
            await sender.group_send("log", {"number": number})
            with suppress(TimeoutError):
                while (await asyncio.wait_for(layer.receive(channel), 0.2))["number"] != number:
                    pass
                return True


async def test_a_message_arrives_and_the_next_one_after_the_connection_was_cut() -> None:
    layer, sender = QuietLayer(hosts=[private_redis()]), QuietLayer(hosts=[private_redis()])
    channel = await layer.new_channel()
    await layer.group_add("log", channel)
    try:
        assert await heard(layer, sender, channel, 1)
        with redis.Redis.from_url(private_redis()) as client:
            assert client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert await heard(layer, sender, channel, 2)
    finally:
        await layer.flush()
        await sender.flush()
