"""Collects the agents' signs of life and writes them in batches, so that a thousand nodes cost one write a second."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.db.models import Min
from django.db.utils import Error as DatabaseError

from apps.cluster.work import in_db
from apps.cluster.writing import exclusive, persistently
from apps.nodes import pace
from apps.nodes.models import Heartbeat

EVERY, SOONEST = 1.0, 0.04
"""Seconds between two writes of signs of life, and where a node's rules have moved: a pod may wait for that."""
LATELY = timedelta(seconds=5)
"""A node that was silent for so long holds no pod back; it is about to count as lost."""
NONE: Mapping[str, int] = {}

logger = logging.getLogger(__name__)


def claim(node: str, connection: str, now: datetime) -> None:
    """From now on this connection speaks for the node; an older one learns so at its next beat.

    It has not spoken yet: a node that was known is heard only once its agent has caught up.
    """
    persistently(lambda: _claim(node, connection, now))


def write(beats: Mapping[str, str], now: datetime, moved: Mapping[str, int] = NONE) -> frozenset[str]:
    """Note that these nodes were heard, each over its connection, and how far the rules of some have ``moved``.

    Returns those for whom a newer connection speaks.
    """
    return persistently(lambda: _write(beats, now, moved))


def everywhere(now: datetime) -> int:
    """The number up to which the service rules of every node heard of lately follow the log."""
    lately = Heartbeat.objects.filter(at__gte=now - LATELY, programmed__isnull=False)
    return lately.aggregate(least=Min("programmed"))["least"] or 0


def _claim(node: str, connection: str, now: datetime) -> None:
    with exclusive():
        Heartbeat.objects.update_or_create(
            node=node, defaults={"connection": connection}, create_defaults={"at": now, "connection": connection}
        )


def _write(beats: Mapping[str, str], now: datetime, moved: Mapping[str, int]) -> frozenset[str]:
    with exclusive():
        known = dict(Heartbeat.objects.filter(node__in=beats).values_list("node", "connection"))
        superseded = {node for node, connection in beats.items() if known.get(node) != connection}
        Heartbeat.objects.filter(node__in=beats.keys() - superseded).update(at=now)
        for number in {*moved.values()}:  # nearly always one: they follow the same log
            nodes = {node for node, reached in moved.items() if reached == number} - superseded
            Heartbeat.objects.filter(node__in=nodes).update(programmed=number)
    return frozenset(superseded)


class Book:
    """The beats of one event loop, until they are written. ``ended`` hears of connections that no longer count."""

    def __init__(self) -> None:
        self._ended: dict[str, Callable[[], None]] = {}
        self._connections: dict[str, str] = {}
        self._heard: set[str] = set()
        self._heard_since = datetime.now(UTC)
        """When the first of them was heard: a silence must not look shorter than it is."""
        self._reached: dict[str, int] = {}
        self._moved: dict[str, int] = {}
        self._everywhere, self._asked_at = 0, 0.0
        self._wake, self._hurry = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def every(self) -> float:
        """Seconds that each agent may take between two signs of life."""
        return pace.ping_seconds(len(self._connections))

    async def enter(self, node: str, connection: str, ended: Callable[[], None]) -> None:
        """Make this connection the one that speaks for the node."""
        older = self._ended.pop(node, None)
        self._connections[node] = connection
        self._ended[node] = ended
        if older is not None:
            older()
        await in_db(claim, node, connection, datetime.now(UTC))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def beat(self, node: str, connection: str, programmed: int | None = None) -> None:
        """Heard from, and how far its service rules follow the log: that does not wait for the next batch."""
        if self._connections.get(node) != connection:
            return
        if not self._heard:
            self._heard_since = datetime.now(UTC)
        self._heard.add(node)
        if programmed is not None and self._reached.get(node) != programmed:
            self._reached[node] = self._moved[node] = programmed
            self._hurry.set()
        self._wake.set()

    async def everywhere(self) -> int:
        """As the function of that name; asked of the database once for all who want to know at a time."""
        now = asyncio.get_running_loop().time()
        if now - self._asked_at >= SOONEST:
            self._asked_at = now
            self._everywhere = await in_db(everywhere, datetime.now(UTC))
        return self._everywhere

    def leave(self, node: str, connection: str) -> None:
        if self._connections.get(node) == connection:
            del self._connections[node], self._ended[node]
            self._heard.discard(node)
            self._reached.pop(node, None)
            self._wake.set()

    async def flush(self) -> None:
        """Write what was heard since the last time."""
        beats = {node: self._connections[node] for node in self._heard if node in self._connections}
        since = self._heard_since
        self._heard.clear()
        moved, self._moved = {node: self._moved[node] for node in self._moved if node in beats}, {}
        if not beats:
            return
        try:
            superseded = await in_db(write, beats, since, moved)
        except DatabaseError as error:
            self._heard |= beats.keys()
            self._heard_since = since
            self._moved = moved | self._moved
            logger.warning("heartbeats could not be written: %s", error)
            return
        for node in superseded:
            if self._connections.get(node) == beats[node]:
                self._ended[node]()

    async def _run(self) -> None:
        while self._connections:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()
            await asyncio.sleep(SOONEST)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY - SOONEST):
                    await self._hurry.wait()
            self._hurry.clear()


_books: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Book] = weakref.WeakKeyDictionary()


def book() -> Book:
    """The book of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _books:
        _books[loop] = Book()
    return _books[loop]
