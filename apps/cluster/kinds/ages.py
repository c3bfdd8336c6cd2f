"""Times as lists show them: how long ago, in one or two units, the way kubectl's users read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from apps.cluster.registry import Column

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"


def human(length: timedelta) -> str:
    """ "5s", "2m3s", "3d4h": fine while short, coarse when long."""
    seconds = length.total_seconds()
    if seconds < 0:
        return "<invalid>" if seconds < -1 else "0s"
    return _told(int(seconds))


@lru_cache(maxsize=4096)  # of a thousand rows many are of one age
def _told(whole: int) -> str:
    bands: tuple[tuple[int, Callable[[], str]], ...] = (
        (2 * MINUTE, lambda: f"{whole}s"),
        (10 * MINUTE, lambda: _two(whole // MINUTE, "m", whole % MINUTE, "s")),
        (3 * HOUR, lambda: f"{whole // MINUTE}m"),
        (8 * HOUR, lambda: _two(whole // HOUR, "h", whole // MINUTE % 60, "m")),
        (2 * DAY, lambda: f"{whole // HOUR}h"),
        (8 * DAY, lambda: _two(whole // DAY, "d", whole // HOUR % 24, "h")),
        (2 * YEAR, lambda: f"{whole // DAY}d"),
        (8 * YEAR, lambda: _two(whole // YEAR, "y", whole // DAY % 365, "d")),
    )
    return next((text() for end, text in bands if whole < end), f"{whole // YEAR}y")


def since(moment: datetime | None, now: datetime) -> str:
    """How long ago, "<unknown>" when nobody said."""
    return "<unknown>" if moment is None else human(now - moment)


def age(obj: Any, now: datetime) -> str:
    return since(obj.metadata.creation_timestamp, now)


def created_at(obj: Any, now: datetime) -> str:
    """The moment itself, as roles show it."""
    moment: datetime | None = obj.metadata.creation_timestamp
    return "<unknown>" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def name(obj: Any, now: datetime) -> str:
    text: str = obj.metadata.name
    return text


NAME = Column("Name", name, description="Unique among objects of this kind in its namespace.")
AGE = Column("Age", age, description="How long ago the object was made.")
CREATED_AT = Column("Created At", created_at, description="When the object was made.")


def selector(labels: dict[str, str]) -> str:
    """Labels as lists show them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


SHOWN = 3


def few(words: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" + {len(words) - SHOWN} more..." if len(words) > SHOWN else ""
    return ",".join(words[:SHOWN]) + more
