"""The Channels layer: Redis' publish and subscribe as channels_redis has it, but for the ten looks a second that it
takes at its connection. Ours waits until something comes.
"""

from __future__ import annotations

from typing import Any

from channels_redis import pubsub
from redis.asyncio.client import PubSub

PATIENCE = 30.0
"""Seconds between two looks at a connection where nothing comes."""


class QuietLayer(pubsub.RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis has no types
    """One for all event loops of the process."""

    def _get_layer(self) -> Any:
        layer = super()._get_layer()
        if not all(isinstance(shard, _Shard) for shard in layer._shards):
            layer._shards = [_Shard(shard.host, layer) for shard in layer._shards]
        return layer


class _Shard(pubsub.RedisSingleShardConnection):  # type: ignore[misc]
    def _ensure_redis(self) -> None:
        fresh = self._redis is None
        super()._ensure_redis()
        if fresh:
            self._pubsub = _Patient(self._redis.connection_pool)


class _Patient(PubSub):
    async def get_message(self, ignore_subscribe_messages: bool = False, timeout: float | None = 0.0) -> Any:
        waited = None if timeout is None else max(timeout, PATIENCE)
        return await super().get_message(ignore_subscribe_messages, waited)
