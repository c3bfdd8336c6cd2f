"""How long this process must still wait before it may hold a silence against a node.

Silence says something about a node only while somebody listened: not right after this process started, was
suspended, or found the wall clock moved, and not when most nodes fell silent at once (then it is the network,
or ourselves).
"""

from datetime import datetime, timedelta

DRIFT = timedelta(seconds=5)
"""How far the wall clock may run away from the monotonic one between two looks."""


class Patience:
    """Fed with both clocks at every look. Belongs to one process."""

    def __init__(self, grace: timedelta) -> None:
        self.grace = grace
        self.since: datetime | None = None
        """Since when this process listened without a break."""
        self.calm_since: datetime | None = None
        """Since when most nodes were heard; None while they are not."""
        self._wall: datetime | None = None
        self._monotonic = 0.0

    def observe(self, wall: datetime, monotonic: float, *, storm: bool) -> None:
        """Note that somebody listens now. ``storm``: most nodes are silent."""
        if self._wall is None or self._interrupted(wall, monotonic):
            self.since = wall
            self.calm_since = None
        self._wall, self._monotonic = wall, monotonic
        if storm:
            self.calm_since = None
        elif self.calm_since is None:
            self.calm_since = wall

    def lasted(self, now: datetime) -> bool:
        """Whether somebody has listened for a whole grace by now."""
        return self.since is not None and now - self.since > self.grace

    def _interrupted(self, wall: datetime, monotonic: float) -> bool:
        assert self._wall is not None
        passed = timedelta(seconds=monotonic - self._monotonic)
        jumped = abs((wall - self._wall) - passed) > DRIFT
        return jumped or passed > self.grace
