"""Waiting without polling: alarms, a gate that lets few through at once, and work done once for many pokes."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

CORRECTION_SECONDS = 1.0
log = logging.getLogger(__name__)


def utcnow() -> datetime:
    return datetime.now(UTC)


class Clock:
    """The machine's clock against one that nobody sets: whether it was set back."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._steady = wall, steady
        self._ahead = wall() - steady()

    def set_back(self) -> float:
        """By how many seconds since the last look; 0 for a mere correction, and where it was set forward."""
        before, self._ahead = self._ahead, self._wall() - self._steady()
        back = before - self._ahead
        return back if back > CORRECTION_SECONDS else 0.0


class Alarms:
    """Calls things at their time, from one thread of its own. What it calls must be quick."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()
        threading.Thread(target=self._run, name="alarms", daemon=True).start()

    def at(self, moment: datetime, call: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, (moment, next(self._order), call))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > utcnow():
                    wait = (self._due[0][0] - utcnow()).total_seconds() if self._due else None
                    self._changed.wait(wait if wait is None else max(wait, 0.001))
                call = heapq.heappop(self._due)[2]
            call()


class Gate:
    """At most ``width`` inside. Lower ``rank`` goes first: a pod begun is finished before another begins."""

    def __init__(self, width: int) -> None:
        self._changed = threading.Condition()
        self._free = width
        self._queue: list[tuple[int, int]] = []
        self._order = itertools.count()

    @contextlib.contextmanager
    def enter(self, rank: int) -> Iterator[None]:
        with self._changed:
            ticket = (rank, next(self._order))
            heapq.heappush(self._queue, ticket)
            while not self._free or self._queue[0] != ticket:
                self._changed.wait()
            heapq.heappop(self._queue)
            self._free -= 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()


class Coalesced:
    """Does one thing in a thread of its own when poked, once for many pokes, and every so often anyway."""

    def __init__(self, name: str, work: Callable[[], None], every: float | None = None) -> None:
        self._name, self._work, self._every = name, work, every
        self._poked = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name=self._name, daemon=True).start()
        self.poke()

    def poke(self) -> None:
        self._poked.set()

    def _run(self) -> None:
        while True:
            self._poked.wait(self._every)
            self._poked.clear()
            try:
                self._work()
            except Exception:
                log.exception("%s failed and is tried again", self._name)
                threading.Timer(1.0, self.poke).start()
