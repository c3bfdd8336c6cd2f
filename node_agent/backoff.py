"""Waiting longer each time something fails, and forgetting it after a good while. Pure: time comes in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST = timedelta(seconds=10)
LONGEST = timedelta(seconds=300)
FORGOTTEN_AFTER = 2 * LONGEST


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait from a failure until the next try. The first try again is made at once."""

    delay: timedelta = timedelta(0)
    since: datetime | None = None

    def due(self, failed_at: datetime) -> datetime:
        """When the next try may be made, for something that failed then."""
        return failed_at if self._forgotten(failed_at) else failed_at + self.delay

    def taken(self, failed_at: datetime, now: datetime) -> BackOff:
        """After the try that followed the failure."""
        if self._forgotten(failed_at):
            return BackOff(delay=FIRST, since=now)
        return BackOff(delay=min(self.delay * 2, LONGEST), since=now)

    def _forgotten(self, failed_at: datetime) -> bool:
        return self.since is None or failed_at - self.since > FORGOTTEN_AFTER


def words(delay: timedelta) -> str:
    """A delay as users know it: ``10s``, ``2m40s``, ``5m0s``."""
    seconds = int(delay.total_seconds())
    return f"{seconds // 60}m{seconds % 60}s" if seconds >= 60 else f"{seconds}s"
