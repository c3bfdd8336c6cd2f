"""The reports of all nodes on their way into the store: what comes while a write is under way shares the next one.

So a thousand nodes that report at once cost a few writes, and one node that reports alone waits for nobody.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque

from apps.cluster.errors import ApiError
from apps.cluster.work import in_db
from apps.nodes import reports

MOST_TOGETHER = 400
"""The most objects in one write: others wait for the Clock meanwhile."""

Notes = asyncio.Future[list[str]]


class Intake:
    """For one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, reports.Report, Notes]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def take(self, node: str, report: reports.Report) -> list[str]:
        """Returns when it is stored: a note for each item that was not taken, in words. Raises what refused it all."""
        notes: list[str] = []
        for part in reports.parts(report):
            stored: Notes = asyncio.get_running_loop().create_future()
            self._waiting.append((node, part, stored))
            if self._task is None or self._task.done():
                self._task = asyncio.get_running_loop().create_task(self._run())
            notes += await stored
        return notes

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, began = self._next(), loop.time()
            try:
                outcomes = await in_db(reports.take, [(node, part) for node, part, _ in batch])
            except Exception as error:
                for _, _, stored in batch:
                    _settle(stored, error)
            else:
                for (_, _, stored), outcome in zip(batch, outcomes, strict=True):
                    _settle(stored, outcome)
            if self._waiting:
                # As long a pause as the write took: a storm of reports takes no more than half of the Clock's time.
                await asyncio.sleep(loop.time() - began)

    def _next(self) -> list[tuple[str, reports.Report, Notes]]:
        batch = [self._waiting.popleft()]
        room = MOST_TOGETHER - reports.size(batch[0][1])
        while self._waiting and (room := room - reports.size(self._waiting[0][1])) >= 0:
            batch.append(self._waiting.popleft())
        return batch


def _settle(stored: Notes, outcome: list[str] | ApiError | Exception) -> None:
    if stored.done():
        return  # its connection ended meanwhile
    if isinstance(outcome, Exception):
        stored.set_exception(outcome)
    else:
        stored.set_result(outcome)


_intakes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Intake] = weakref.WeakKeyDictionary()


def intake() -> Intake:
    """The running loop's."""
    return _intakes.setdefault(asyncio.get_running_loop(), Intake())
