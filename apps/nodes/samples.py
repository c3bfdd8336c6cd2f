"""What nodes and pods use: the agents' samples, written in batches and no part of the change log."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from django.db.utils import Error as DatabaseError

from apps.cluster.types import agent
from apps.cluster.work import in_db
from apps.cluster.writing import exclusive, persistently
from apps.nodes.models import Sample

EVERY = 1.0
STALE = timedelta(minutes=1)

logger = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(agent.Samples)


@dataclass(frozen=True)
class Used:
    """One node's latest samples."""

    node: str
    at: datetime
    samples: agent.Samples


def latest(now: datetime) -> list[Used]:
    """What each node used lately; nodes that have fallen silent are left out."""
    rows = Sample.objects.filter(at__gte=now - STALE).order_by("node").values_list("node", "at", "text")
    return [Used(node, at, _decoder.decode(text)) for node, at, text in rows]


def write(heard: Mapping[str, agent.Samples], now: datetime) -> None:
    """Keep these as the nodes' latest; what is long past goes."""
    rows = [Sample(node=node, at=now, text=agent.frame(each)) for node, each in heard.items()]
    persistently(lambda: _write(rows, now))


def _write(rows: list[Sample], now: datetime) -> None:
    with exclusive():
        Sample.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["node"], update_fields=["at", "text"]
        )
        Sample.objects.filter(at__lt=now - 10 * STALE).delete()


class Shelf:
    """The samples of one event loop, until they are written. Of one node only the latest counts."""

    def __init__(self) -> None:
        self._heard: dict[str, agent.Samples] = {}
        self._task: asyncio.Task[None] | None = None

    def put(self, node: str, samples: agent.Samples) -> None:
        self._heard[node] = samples
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def flush(self) -> None:
        heard, self._heard = self._heard, {}
        try:
            await in_db(write, heard, datetime.now(UTC))
        except DatabaseError as error:
            logger.warning("samples could not be written: %s", error)

    async def _run(self) -> None:
        while self._heard:
            await asyncio.sleep(EVERY)
            await self.flush()


_shelves: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Shelf] = weakref.WeakKeyDictionary()


def shelf() -> Shelf:
    """The shelf of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _shelves:
        _shelves[loop] = Shelf()
    return _shelves[loop]
