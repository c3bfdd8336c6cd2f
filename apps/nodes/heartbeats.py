"""Collects the agents' signs of life and writes them in batches, so that a thousand nodes cost one write a second."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from django.db.utils import Error as DatabaseError

from apps.cluster.work import in_db
from apps.cluster.writing import exclusive, persistently
from apps.nodes import pace
from apps.nodes.models import Heartbeat

EVERY = 1.0

logger = logging.getLogger(__name__)


def claim(node: str, connection: str, now: datetime) -> None:
    """From now on this connection speaks for the node; an older one learns so at its next beat."""
    persistently(lambda: _claim(node, connection, now))


def write(beats: Mapping[str, str], now: datetime) -> frozenset[str]:
    """Note that these nodes were heard, each over its connection. Returns those for whom a newer one speaks."""
    return persistently(lambda: _write(beats, now))


def _claim(node: str, connection: str, now: datetime) -> None:
    with exclusive():
        Heartbeat.objects.update_or_create(node=node, defaults={"at": now, "connection": connection})


def _write(beats: Mapping[str, str], now: datetime) -> frozenset[str]:
    with exclusive():
        known = dict(Heartbeat.objects.filter(node__in=beats).values_list("node", "connection"))
        superseded = {node for node, connection in beats.items() if known.get(node) != connection}
        Heartbeat.objects.filter(node__in=beats.keys() - superseded).update(at=now)
    return frozenset(superseded)


class Book:
    """The beats of one event loop, until they are written. ``ended`` hears of connections that no longer count."""

    def __init__(self) -> None:
        self._ended: dict[str, Callable[[], None]] = {}
        self._connections: dict[str, str] = {}
        self._heard: set[str] = set()
        self._heard_since = datetime.now(UTC)
        """When the first of them was heard: a silence must not look shorter than it is."""
        self._wake = asyncio.Event()
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

    def beat(self, node: str, connection: str) -> None:
        if self._connections.get(node) == connection:
            if not self._heard:
                self._heard_since = datetime.now(UTC)
            self._heard.add(node)
            self._wake.set()

    def leave(self, node: str, connection: str) -> None:
        if self._connections.get(node) == connection:
            del self._connections[node], self._ended[node]
            self._heard.discard(node)
            self._wake.set()

    async def flush(self) -> None:
        """Write what was heard since the last time."""
        beats = {node: self._connections[node] for node in self._heard if node in self._connections}
        since = self._heard_since
        self._heard.clear()
        if not beats:
            return
        try:
            superseded = await in_db(write, beats, since)
        except DatabaseError as error:
            self._heard |= beats.keys()
            self._heard_since = since
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
            await asyncio.sleep(EVERY)


_books: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Book] = weakref.WeakKeyDictionary()


def book() -> Book:
    """The book of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _books:
        _books[loop] = Book()
    return _books[loop]
