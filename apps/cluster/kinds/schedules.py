"""When something is due that begins by the clock, as crontabs write it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS = 5
LONGEST = 1000


def times(schedule: str, zone: str | None, after: datetime) -> Iterator[datetime]:
    """The moments after ``after``, in UTC. Raises ValueError for what is no schedule or no time zone."""
    try:
        found = CronSim(NAMED.get(schedule, schedule), after.astimezone(_zone(zone)))
    except CronSimError as error:
        raise ValueError(str(error)) from None
    return (moment.astimezone(UTC) for moment in found)


def problems(schedule: str, zone: str | None) -> Iterator[Problem]:
    if not schedule:
        yield refusals.required("spec.schedule")
        return
    if len(schedule) > LONGEST:
        yield refusals.too_long("spec.schedule", LONGEST, "characters")
        return
    try:
        tz = _zone(zone)
    except ValueError as error:
        yield refusals.invalid("spec.timeZone", zone, str(error))
        return
    try:
        if len(NAMED.get(schedule, schedule).split()) != FIELDS:
            raise CronSimError("Wrong number of fields")
        CronSim(NAMED.get(schedule, schedule), datetime.now(tz))
    except CronSimError as error:
        told = 'minute, hour, day of month, month and day of week, such as "*/5 * * * *"'
        yield refusals.invalid("spec.schedule", schedule, f"must be {told} ({str(error).lower()})")


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("is no time zone that this machine knows") from None
