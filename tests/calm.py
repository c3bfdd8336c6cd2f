"""Seconds as they pass where nobody waits for a processor or a disk: the bounds that the issues state hold there.

What else the machine has to do then breaks no bound, and whatever sleeps, polls or times out too long still does.
Where the kernel does not tell who waits (/proc/pressure), every second counts.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

PATIENCE = 30.0
"""Seconds for which a test waits for what takes a moment, where it need not say how long."""
MOST = 4
"""By the clock nobody waits longer than so many times the calm seconds."""
PRESSURES = tuple(Path("/proc/pressure") / name for name in ("cpu", "io"))


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._began, self._waited = time.monotonic(), _waited()

    @property
    def elapsed(self) -> float:
        """Seconds by the clock."""
        return time.monotonic() - self._began

    @property
    def calm(self) -> float:
        """Those of them in which nothing on this machine waited for a processor or a disk."""
        return max(0.0, self.elapsed - (_waited() - self._waited))

    def over(self, seconds: float) -> bool:
        """Whether whoever waits for so long may give up."""
        return self.calm > seconds or self.elapsed > MOST * seconds


def _waited() -> float:
    """Seconds since the machine's start in which something waited for either."""
    microseconds = 0
    for path in PRESSURES:
        with suppress(OSError):  # a kernel that does not keep it
            some = path.read_text().splitlines()[0]
            microseconds += int(some.rpartition("total=")[2])
    return microseconds / 1e6
