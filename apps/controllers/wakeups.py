"""Keys that must be looked at again later. They are in the database, so that no restart loses one."""

import random
from datetime import datetime, timedelta

from apps.cluster.models import Wakeup
from apps.controllers.cursor import alone

FIRST = 0.2
LONGEST = 60.0


def delay(attempts: int) -> timedelta:
    """Doubles with each attempt up to a minute; jitter keeps keys that failed together apart."""
    full: float = min(FIRST * 2 ** min(attempts, 20), LONGEST)
    return timedelta(seconds=full * random.uniform(0.5, 1.0))


def at(controller: str, key: str, due: datetime) -> None:
    """Look at the key again at ``due``: the look went well, and time alone will change something."""
    _put(controller, key, due, 0)


def failed(controller: str, key: str, now: datetime, after: float | None = None) -> None:
    """Look at the key again after a failed look: in ``after`` seconds, or when its back-off is over."""
    known = Wakeup.objects.filter(controller=controller, key=key).values_list("attempts", flat=True).first()
    attempts = known or 0
    _put(
        controller, key, now + (delay(attempts) if after is None else timedelta(seconds=after)), attempts + 1
    )


def due(now: datetime, limit: int = 500) -> list[Wakeup]:
    """The keys whose time has come, the longest waiting first."""
    return list(Wakeup.objects.filter(due__lte=now).order_by("due")[:limit])


def next_due() -> datetime | None:
    """When the first of all keys must be looked at again."""
    return Wakeup.objects.order_by("due").values_list("due", flat=True).first()


def done(wakeup: Wakeup) -> None:
    """The key was looked at. A wake-up that was set anew meanwhile stays."""
    alone(lambda: Wakeup.objects.filter(pk=wakeup.pk, due=wakeup.due).delete())


def _put(controller: str, key: str, due: datetime, attempts: int) -> None:
    values = {"due": due, "attempts": attempts}
    alone(lambda: Wakeup.objects.update_or_create(controller=controller, key=key, defaults=values))
