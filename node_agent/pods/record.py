"""What the agent knows of one pod: what the engine last showed, folded into the lives of its containers.

Everything in it can be found again by a restarted agent: from the engine, from the pod's own reported status,
and from the file that holds the address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.cluster import types
from node_agent.pods import plan, status
from node_agent.pods.plan import Life, Sight
from node_agent.runtime.base import SANDBOX, Seen, State

FORCED_GRACE = timedelta(seconds=2)  # for pods the server no longer knows
DEFAULT_GRACE = 30


@dataclass(slots=True)
class Record:
    uid: str
    pod: types.Pod | None = None
    seen: dict[str, Seen] = field(default_factory=dict)  # by engine id
    lives: dict[str, Life] = field(default_factory=dict)  # by container name
    address: str = ""
    binding: int = 0  # the pod's number when it was first seen here
    retry_at: datetime | None = None
    deleted: bool = False  # the server no longer knows the pod
    ending_since: datetime | None = None
    released: bool = False
    doubted: bool = False  # the server believes something else of the pod than was reported
    reported: types.PodStatus = field(default_factory=types.PodStatus)

    def desire(self, pod: types.Pod | None) -> None:
        """The pod as the server has it now; None once it has it no more."""
        if pod is None:
            self.deleted = True
            return
        if self.pod is None:
            self.binding = int(pod.metadata.resource_version or 0)
            self.reported = pod.status
            for name, life in status.lives_from(pod.status).items():
                self.lives.setdefault(name, life)
        elif pod.status.phase in plan.TERMINAL and self.reported.phase not in plan.TERMINAL:
            self.reported = pod.status  # ended by somebody else, for good
        if status.gist(pod.status) != status.gist(self.reported):
            self.doubted = True
        self.pod = pod

    def life(self, name: str) -> Life:
        return self.lives.setdefault(name, Life())

    def adopt(self, containers: Iterable[Seen]) -> None:
        """Fold in several containers, oldest attempts first."""
        for container in sorted(containers, key=lambda each: each.attempt):
            self.observe(container)

    def observe(self, container: Seen) -> None:
        """The engine shows this container."""
        self.seen[container.id] = container
        life = self.life(container.name)
        if container.attempt > life.attempt:
            if life.ending is not None:
                life.before = life.ending
            life.attempt, life.ending, life.ended_at = container.attempt, None, None
        if container.attempt == life.attempt:
            self._observe_newest(life, container)
        elif container.attempt == life.attempt - 1 and plan.ended(container) and life.before is None:
            life.before = status.ending_of(container)

    def lost(self, id: str, exit_code: int | None, at: datetime) -> None:
        """The container is gone from the engine; its exit code is known when its end was heard of."""
        container = self.seen.pop(id, None)
        if container is None:
            return
        life = self.life(container.name)
        if container.attempt == life.attempt and life.ending is None:
            life.ending = status.vanished(life, exit_code, at)
            life.ending.started_at = status.whole(container.started_at)
            life.ended_at = at

    def miss(self, at: datetime) -> None:
        """Containers that were reported earlier and that the engine does not show have ended unseen."""
        shown = {(each.name, each.attempt) for each in self.seen.values()}
        for name, life in self.lives.items():
            if life.container_id and life.ending is None and (name, life.attempt) not in shown:
                life.ending, life.ended_at = status.vanished(life, None, at), at

    def made(self, container: Seen) -> None:
        """A new container for a name: what was the newest becomes the one before."""
        self.observe(container)
        life = self.life(container.name)
        life.reason, life.message, life.retry_at, life.pulling = "", "", None, False

    def grace(self) -> timedelta:
        """How long containers have between being asked to stop and being killed."""
        if self.pod is None:
            return FORCED_GRACE
        asked = self.pod.metadata.deletion_grace_period_seconds
        if self.deleted:
            return min(timedelta(seconds=asked or 0), FORCED_GRACE)
        configured = self.pod.spec.termination_grace_period_seconds
        default = DEFAULT_GRACE if configured is None else configured
        return timedelta(seconds=default if asked is None else asked)

    def ending(self) -> bool:
        return self.deleted or self.pod is None or self.pod.metadata.deletion_timestamp is not None

    def sight(self, may_start: bool) -> Sight:
        return Sight(
            seen=tuple(self.seen.values()),
            lives=self.lives,
            address=self.address,
            may_start=may_start,
            retry_at=self.retry_at,
            ending=self.ending(),
            ending_since=self.ending_since,
            grace=self.grace(),
            released=self.released,
        )

    def running_apps(self) -> list[Seen]:
        return [
            each for each in self.seen.values() if each.state is State.RUNNING and each.name != SANDBOX
        ]

    def _observe_newest(self, life: Life, container: Seen) -> None:
        life.container_id = status.SCHEME + container.id
        life.image_id = status.SCHEME + container.image_id if container.image_id else life.image_id
        if plan.ended(container):
            ending = status.ending_of(container)
            if life.ending is None or life.ending.container_id != ending.container_id:
                life.ending = ending
            life.ended_at = container.finished_at or life.ended_at
        elif container.state is State.RUNNING:
            life.ending = life.ended_at = None
            life.reason = life.message = ""
