"""Tells this and other processes that the log moved. Never fails or delays a write that is committed.

Only "something up to N happened" is sent; who cares reads the log. A nudge that is lost costs a poll's delay.
"""

import asyncio
import logging
import threading
from collections.abc import Callable

from asgiref.sync import async_to_sync
from celery import current_app
from channels.layers import get_channel_layer

GROUP = "log"
FOLLOW = "apps.controllers.tasks.follow"
_TIMEOUT = 0.5

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


def _to_processes(number: int) -> None:
    layer = get_channel_layer()
    if layer is not None:
        send = layer.group_send(GROUP, {"type": "log.moved", "number": number})
        async_to_sync(_bounded)(send)


async def _bounded(sending: "asyncio.Future[None]") -> None:
    await asyncio.wait_for(sending, _TIMEOUT)


def _to_controllers(number: int) -> None:
    current_app.send_task(FOLLOW, ignore_result=True, retry=False)


_messengers = (_Messenger("nudge-processes", _to_processes), _Messenger("nudge-controllers", _to_controllers))
