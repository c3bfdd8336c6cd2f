"""Slows down guessing of passwords, by user name and by address, or by a known browser. Pure arithmetic, and one
table."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from apps.accounts.models import Throttle

QUIET = timedelta(hours=1)
"""After this long without a failure all is forgiven."""
FORGIVEN = timedelta(minutes=3)
"""In this time one failure is: the slips of the many who share an address do not add up for ever."""

# Free tries and the longest wait in seconds. Names wait less: else anyone could lock out anyone.
LIMITS = {"user": (5, 60), "address": (20, 900), "browser": (5, 900)}


def keys(username: str, address: str, browser: str = "") -> tuple[str, ...]:
    """What a try counts for. ``browser`` is the mark of one that this user has signed in with: then only that, so that
    nobody else's failures hold it up."""
    if browser:
        return (f"browser:{browser[:64]}",)
    return (f"user:{username.casefold()[:200]}", f"address:{address[:64]}")


def pause(key: str, failures: int) -> int:
    """Seconds to wait after so many failures in a row."""
    free, longest = LIMITS[key.partition(":")[0]]
    if failures < free:
        return 0
    return int(min(longest, 2 ** min(failures - free + 1, 20)))


def wait(wanted: tuple[str, ...], now: datetime) -> int:
    """Seconds until the next try is listened to; 0 when it is now."""
    until = Throttle.objects.filter(key__in=wanted, until__gt=now).values_list("until", flat=True)
    return max((int((moment - now).total_seconds()) + 1 for moment in until if moment), default=0)


def failed(wanted: tuple[str, ...], now: datetime) -> None:
    """Count a failure."""
    for key in wanted:
        with transaction.atomic():
            row, _ = Throttle.objects.select_for_update().get_or_create(key=key, defaults={"last_at": now})
            quiet = now - row.last_at
            failures = 1 if quiet > QUIET else max(0, row.failures - int(quiet / FORGIVEN)) + 1
            seconds = pause(key, failures)
            Throttle.objects.filter(pk=row.pk).update(
                failures=failures, last_at=now, until=now + timedelta(seconds=seconds) if seconds else None
            )
    Throttle.objects.filter(last_at__lt=now - QUIET).exclude(key__in=wanted).delete()


def passed(wanted: tuple[str, ...]) -> None:
    """Someone who proved who they are is not held to earlier failures."""
    Throttle.objects.filter(key__in=wanted).delete()
