"""The controllers as Celery tasks. A task carries nothing: what is to be done stands in the log and in wake-
ups."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.conf import settings

from apps.cluster import log
from apps.controllers.expiry import expire_events
from apps.controllers.follow import Follower, configured
from apps.controllers.lock import Lock


@lru_cache(maxsize=1)
def follower() -> Follower:
    """This process's follower: it remembers what it read."""
    return Follower(configured(), Lock(settings.REDIS_URL, "controllers"))


@shared_task(name="apps.controllers.tasks.follow")
def follow() -> None:
    """Sent after commits: the log moved."""
    follower().follow()


@shared_task(name="apps.controllers.tasks.tick")
def tick() -> None:
    """Sent by beat: does what was due, and what a lost nudge should have started."""
    follower().follow()


@shared_task(name="apps.controllers.tasks.resync")
def resync() -> None:
    """Looks at everything."""
    follower().resync()


@shared_task(name="apps.controllers.tasks.trim")
def trim() -> None:
    """Drops old events and the part of the log that nobody needs any more."""
    now = datetime.now(UTC)
    expire_events(now)
    log.trim(now)


@worker_ready.connect
def start(**_: Any) -> None:
    """A worker that starts does not wait to be told: something may have happened while none was there."""
    resync.delay()
