"""Tells this and other processes that the log moved. Never fails or delays a write that is committed.

Only "something up to N happened" is sent; who cares reads the log. A nudge that is lost costs a poll's delay.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from celery import current_app
from channels.layers import get_channel_layer

GROUP = "log"
FOLLOW = "apps.controllers.tasks.follow"
_TIMEOUT = 0.5
_APART = 0.005  # seconds between two messages: in a burst of writes, one tells of many

logger = logging.getLogger(__name__)
_callbacks: list[Callable[[int], None]] = []


def subscribe(callback: Callable[[int], None]) -> Callable[[], None]:
    """Call ``callback(number)`` after each commit of this process, in the writer's thread; returns the way to stop."""
    _callbacks.append(callback)
    return lambda: _callbacks.remove(callback)


def moved(number: int) -> None:
    """A write of this process was committed: the log has come to ``number``."""
    heard(number)
    for messenger in _messengers:
        messenger.send(number)


def heard(number: int) -> None:
    """The log is known to have come to ``number``, whoever wrote: tells those of this process who listen."""
    for callback in tuple(_callbacks):
        try:
            callback(number)
        except RuntimeError:
            logger.exception("a listener of the log failed at %d", number)


class _Messenger(threading.Thread):
    """Sends the newest number from a thread of its own; numbers that come meanwhile are one message."""

    def __init__(self, name: str, deliver: Callable[[int], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._deliver = deliver
        self._newest = 0
        self._wake = threading.Event()
        self._starting = threading.Lock()

    def send(self, number: int) -> None:
        self._newest = max(self._newest, number)
        with self._starting:
            if self.ident is None:
                self.start()
        self._wake.set()

    def run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            try:
                self._deliver(self._newest)
            except Exception as error:  # a dead broker is a normal event: readers poll
                logger.debug("nudge by %s not delivered: %s", self.name, error)
            time.sleep(_APART)


class _ToProcesses:
    """Through the Channels layer, on an event loop that lives as long as its thread."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def __call__(self, number: int) -> None:
        layer = get_channel_layer()
        if layer is not None:
            self._runner.run(_sent(layer, number))


async def _sent(layer: Any, number: int) -> None:
    async with asyncio.timeout(_TIMEOUT):
        await layer.group_send(GROUP, {"type": "log.moved", "number": number})


def _to_controllers(number: int) -> None:
    current_app.send_task(FOLLOW, ignore_result=True, retry=False)


_messengers = [_Messenger("nudge-processes", _ToProcesses())]
_controllers = _Messenger("nudge-controllers", _to_controllers)
_messengers.append(_controllers)


def followed_here() -> None:
    """The controllers run in this process: after each of their writes they look at the log anyway."""
    if _controllers in _messengers:
        _messengers.remove(_controllers)
