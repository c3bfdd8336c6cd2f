"""The controllers as Celery tasks. A task carries nothing: what is to be done stands in the log and in wake-ups."""

import logging
import threading
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from celery import shared_task
from celery.signals import worker_init, worker_ready
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from apps.cluster import log, nudge
from apps.controllers.expiry import expire_events
from apps.controllers.follow import Follower, configured
from apps.controllers.lock import Lock

PULSE = 2.0
"""The most seconds after which a worker looks at the log though nothing reminded it."""

logger = logging.getLogger(__name__)
looked = threading.Event()


@lru_cache(maxsize=1)
def follower() -> Follower:
    """This process's follower: it remembers what it read."""
    return Follower(configured(), Lock(settings.REDIS_URL, "controllers"))


def look() -> None:
    """Follow the log. A database that is away is tried again at the next reminder, over a new connection."""
    try:
        follower().follow()
    except (OperationalError, InterfaceError) as error:
        logger.warning("the database is away: %s", error)
        connection.close()
    finally:
        looked.set()


@shared_task(name="apps.controllers.tasks.follow")
def follow() -> None:
    """Sent after commits: the log moved."""
    look()


@shared_task(name="apps.controllers.tasks.resync")
def resync() -> None:
    """Looks at everything."""
    follower().resync_soon()
    look()


@shared_task(name="apps.controllers.tasks.trim")
def trim() -> None:
    """Drops old events and the part of the log that nobody needs any more."""
    now = datetime.now(UTC)
    expire_events(now)
    log.trim(now)


class Pulse(threading.Thread):
    """Looks when something is due, and now and then unasked: a dead Redis stops no controller, a quiet one is not
    asked."""

    def __init__(self) -> None:
        super().__init__(name="pulse", daemon=True)

    def run(self) -> None:
        while True:
            # After each look, whoever took it, the time is told anew.
            while looked.wait(min(follower().due_in(), PULSE)):
                looked.clear()
            try:
                look()
            except Exception:
                logger.exception("looking failed")


@worker_init.connect
def begin(**_: Any) -> None:
    """Before the broker is there, if it ever is."""
    nudge.followed_here()
    Pulse().start()


@worker_ready.connect
def start(**_: Any) -> None:
    """A worker that starts does not wait to be told: something may have happened while none was there."""
    resync.delay()
