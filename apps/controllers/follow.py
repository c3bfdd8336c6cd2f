"""Follows the log: every change becomes keys, every key is reconciled once, only then the durable cursor
moves.

The cursor never passes a key that was neither reconciled nor stored as a wake-up, so a follower killed at any
moment loses nothing; the next one does the same again, and doing it twice is safe.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from apps.cluster import log, store
from apps.cluster.log import Change
from apps.cluster.registry import Kind
from apps.controllers import cursor, wakeups
from apps.controllers.base import Retry
from apps.controllers.lock import Lock
from apps.controllers.reading import Reader

DEFAULT_CONTROLLERS = (
    "apps.scheduler.scheduler.Scheduler",
    "apps.controllers.endpoints.EndpointsOfServices",
    "apps.controllers.replication.Replication",
    "apps.controllers.replication.ReplicaSets",
    "apps.controllers.deployments.Deployments",
    "apps.controllers.jobs.Jobs",
    "apps.controllers.applications.Applications",
    "apps.controllers.cron.CronJobs",
    "apps.controllers.autoscalers.Autoscalers",
    "apps.controllers.claims.Claims",
    "apps.controllers.volumes.Volumes",
    "apps.controllers.load_balancers.LoadBalancers",
    "apps.controllers.budgets.Budgets",
    "apps.controllers.ingresses.Ingresses",
    "apps.controllers.namespace.Namespaces",
    "apps.controllers.garbage.Garbage",
    "apps.controllers.node_lifecycle.NodeLifecycle",
)
"""In the order in which they are served when several have work: what a user waits for comes first, and before anything
new is made, what runs is found."""

BATCH = 1000
CHORES_EVERY = 0.05
RESYNC_EVERY = 300.0
SAVE_EVERY = 1.0
TRY_AGAIN = 1.0
"""Seconds until the next look when somebody else works, or the database is away."""

logger = logging.getLogger(__name__)


class Follows(Protocol):
    """Anything that turns changes into keys and brings keys forward."""

    @property
    def name(self) -> str: ...

    @property
    def watches(self) -> tuple[Kind, ...]: ...

    @property
    def every(self) -> float: ...

    def keys(self, change: Change, read: Reader) -> Iterable[str]: ...

    def all_keys(self, read: Reader) -> Iterable[str]: ...

    def overdue(self, read: Reader, now: datetime) -> Iterable[str]: ...

    def reconcile(self, key: str, now: datetime) -> datetime | None: ...


Task = tuple[int, str]
"""Which controller, by its place in the order, and the key."""


def configured() -> list[Follows]:
    """The controllers named in settings.CONTROLLERS."""
    return [import_string(path)() for path in getattr(settings, "CONTROLLERS", DEFAULT_CONTROLLERS)]


class Follower:
    """One per process. Whichever holds the lock works; the others go away."""

    def __init__(
        self,
        controllers: Sequence[Follows],
        lock: Lock,
        *,
        present: Callable[[], datetime] = lambda: datetime.now(UTC),
        resync_every: float = RESYNC_EVERY,
    ) -> None:
        self.controllers = tuple(controllers)
        self._lock = lock
        self._present = present
        self._watching: dict[str, list[int]] = {}
        for place, controller in enumerate(self.controllers):
            for key in {kind.key for kind in controller.watches} or {""}:
                self._watching.setdefault(key, []).append(place)
        self._backlog: dict[Task, None] = {}
        self._resync_every = resync_every
        self._chores_at = 0.0
        self._due_at = 0.0
        # A fresh follower begins with a look at everything, unless it never takes one.
        self._resync_at = 0.0 if math.isfinite(resync_every) else math.inf
        self._looked_at = [0.0] * len(self.controllers)

    def follow(self) -> None:
        """Work until the log is drained. Returns at once when somebody else does."""
        self._due_at = time.monotonic() + TRY_AGAIN
        while self._lock.take():
            try:
                position = self.drain()
                self._due_at = self._next_due()
            finally:
                self._lock.release()
            # Whoever wrote after the last look found the lock busy and went away.
            if store.clock() <= position:
                return

    def due_in(self) -> float:
        """Seconds until there is work that no change asks for, as far as the last look could tell."""
        return max(self._due_at - time.monotonic(), 0.0)

    def resync_soon(self) -> None:
        """Look at every key of every controller as soon as somebody follows, when the log is drained."""
        self._resync_at = self._chores_at = 0.0
        # Those who listen must have looked before.
        self._looked_at = [0.0] * len(self.controllers)

    def resync(self) -> None:
        """Follow, and look at every key of every controller."""
        self.resync_soon()
        self.follow()

    def drain(self) -> int:
        """Bring everything forward up to the end of the log; returns the number it came to."""
        position = saved = cursor.position()
        save_at = time.monotonic() + SAVE_EVERY
        while True:
            self._lock.keep()
            self._chores()
            position, changes = self._next(position)
            if changes:
                self.settle(self.tasks(changes))
                position = changes[-1].number
            elif self._backlog:
                self.settle([self._backlog.popitem()[0]])
            else:
                break
            if position != saved and time.monotonic() >= save_at:
                cursor.move(position)
                saved, save_at = position, time.monotonic() + SAVE_EVERY
        if position != saved:
            cursor.move(position)
        return position

    def tasks(self, changes: Iterable[Change]) -> list[Task]:
        """What the changes ask for, each key once, in the controllers' order."""
        read = Reader()
        found: dict[Task, None] = {}
        for change in changes:
            for place in (*self._watching.get(change.kind_key, ()), *self._watching.get("", ())):
                for key in self._keys(place, change, read):
                    found[place, key] = None
        return sorted(found, key=lambda task: task[0])

    def settle(self, tasks: Iterable[Task]) -> None:
        """Reconcile each key; one that cannot be is stored to be looked at again."""
        for place, key in tasks:
            self._lock.keep()
            self._reconcile(place, key)

    def _reconcile(self, place: int, key: str) -> bool:
        """False when the key could not be brought forward."""
        controller, now = self.controllers[place], self._present()
        try:
            again = controller.reconcile(key, now)
        except Retry as retry:
            logger.info("again later: %s", retry)
            wakeups.failed(controller.name, key, now, retry.after)
            return False
        except Exception:
            logger.exception("%s failed on %s", controller.name, key)
            wakeups.failed(controller.name, key, now)
            return False
        if again is not None:
            wakeups.at(controller.name, key, again)
        return True

    def _keys(self, place: int, change: Change, read: Reader) -> Iterable[str]:
        try:
            return list(self.controllers[place].keys(change, read))
        except Exception:
            # One change that cannot be read must not stop all others; the resync finds what it meant.
            logger.exception("%s cannot read change %d", self.controllers[place].name, change.number)
            return ()

    def _next(self, position: int) -> tuple[int, Sequence[Change]]:
        """The changes right after ``position``. When there is a gap, or no such position yet: everything,
        from now."""
        latest = store.clock()
        if latest == position:
            return position, ()
        changes = log.after(position, BATCH) if latest > position else []
        if changes and changes[0].number == position + 1:
            return position, changes
        return self._jump(), ()

    def _jump(self) -> int:
        """The log no longer reaches back to the cursor, or never came so far (a restored backup)."""
        latest = store.clock()
        logger.warning("the log has a gap before %d: looking at everything", latest)
        self._look_at_everything()
        cursor.move(latest)
        return latest

    def _look_at_everything(self) -> None:
        read = Reader()
        for place, controller in enumerate(self.controllers):
            self._backlog.update(dict.fromkeys((place, key) for key in controller.all_keys(read)))

    def _chores(self) -> None:
        """What no change asks for: wake-ups that are due, silence, and now and then everything."""
        clock = time.monotonic()
        if clock < self._chores_at:
            return
        self._chores_at = clock + CHORES_EVERY
        now = self._present()
        # Those who listen look first: what they notice, such as a clock that jumped, is how wake-ups are judged.
        for place, controller in enumerate(self.controllers):
            if controller.every and clock >= self._looked_at[place] + controller.every:
                self._looked_at[place] = clock
                self.settle([(place, key) for key in controller.overdue(Reader(), now)])
        for wakeup in wakeups.due(now):
            self._wake(wakeup, now)
        if clock >= self._resync_at:
            self._resync_at = clock + self._resync_every
            self._look_at_everything()

    def _next_due(self) -> float:
        looks = (
            looked + controller.every
            for controller, looked in zip(self.controllers, self._looked_at, strict=True)
            if controller.every
        )
        alarm = wakeups.next_due()
        waking = math.inf if alarm is None else time.monotonic() + (alarm - self._present()).total_seconds()
        return max(min(self._resync_at, waking, *looks), self._chores_at)

    def _wake(self, wakeup: Any, now: datetime) -> None:
        place = next((at for at, one in enumerate(self.controllers) if one.name == wakeup.controller), None)
        if place is None or self._reconcile(place, wakeup.key):
            wakeups.done(wakeup)  # unless it was set anew just now
