"""What the agent knows of one pod: what the engine last showed, folded into the lives of its containers.

Everything in it can be found again by a restarted agent: from the engine, from the pod's own reported status,
and from the file that holds the address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from apps.cluster import types
from node_agent.pods import status, wanting
from node_agent.pods.sight import Health, Life, PostStart, Sight, Stop, ended
from node_agent.runtime.base import SANDBOX, Seen, State

FORCED_GRACE = timedelta(seconds=2)  # for pods the server no longer knows
DEFAULT_GRACE = 30
FAREWELL = timedelta(seconds=5)  # the longest wait for the other nodes' rules


@dataclass(slots=True)
class Record:
    uid: str
    pod: types.Pod | None = None
    seen: dict[str, Seen] = field(default_factory=dict)  # by engine id
    lives: dict[str, Life] = field(default_factory=dict)  # by container name
    health: dict[str, Health] = field(default_factory=dict)  # of running containers, by engine id
    stops: dict[str, Stop] = field(default_factory=dict)  # of containers being stopped, by engine id
    evicted: str = ""
    address: str = ""
    binding: int = 0  # the pod's number when it was first seen here
    retry_at: datetime | None = None
    deleted: bool = False  # the server no longer knows the pod
    told_to_end: datetime | None = None  # when it was first seen that the pod is to end
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
        elif pod.status.is_finished and not self.reported.is_finished:
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
        if container.state is not State.RUNNING:
            self._forget(container.id)
        elif container.id not in self.health and container.name != SANDBOX:
            self.health[container.id] = self._first_health(container)
        if container.attempt > life.attempt:
            if life.ending is not None:
                life.before = life.ending
            life.attempt, life.ending, life.ended_at = container.attempt, None, None
            life.sandbox = container.sandbox
        if container.attempt == life.attempt:
            self._observe_newest(life, container)
        elif container.attempt == life.attempt - 1 and ended(container) and life.before is None:
            life.before = status.ending_of(container)

    def lost(self, id: str, exit_code: int | None, at: datetime) -> None:
        """The container is gone from the engine; its exit code is known when its end was heard of."""
        self._forget(id)
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

    def served_until(self, now: datetime) -> datetime | None:
        """How long nodes may take to send the pod nothing new: a part of its grace, which is running already."""
        if not self.ending() or self.deleted or self.ending_since is not None:
            return None
        self.told_to_end = self.told_to_end or now
        return self.told_to_end + min(FAREWELL, self.grace() / 2)

    def ending(self) -> bool:
        return self.deleted or self.pod is None or self.pod.metadata.deletion_timestamp is not None

    def sight(self, may_start: bool, served_until: datetime | None = None) -> Sight:
        return Sight(
            seen=tuple(self.seen.values()),
            lives=self.lives,
            health={id: replace(each) for id, each in self.health.items()},
            stops={id: replace(each) for id, each in self.stops.items()},
            address=self.address,
            may_start=may_start,
            retry_at=self.retry_at,
            start_time=self.reported.start_time,
            evicted=self.evicted,
            ending=self.ending(),
            ending_since=self.ending_since,
            served_until=served_until,
            grace=self.grace(),
            released=self.released,
        )

    def target_of(self, name: str) -> str:
        """The engine id of the container whose processes this one is to see, "" for none."""
        wanted = "" if self.pod is None else wanting.target(self.pod, name)
        found = [each for each in self.seen.values() if wanted and each.name == wanted]
        return max(found, key=lambda each: each.attempt).id if found else ""

    def wanted(self, name: str) -> types.Container | None:
        """The container of that name as the pod asks for it."""
        listed = [] if self.pod is None else self.pod.spec.all_containers()
        return next((each for each in listed if each.name == name), None)

    def post_started(self, id: str) -> None:
        """The container's postStart hook is done: its probes are next."""
        health, container = self.health.get(id), self.seen.get(id)
        if health is None or container is None:
            return
        asked = self.wanted(container.name) or types.Container(name=container.name)
        health.post_start = PostStart.DONE
        health.started = asked.startup_probe is None
        health.ready = health.started and asked.readiness_probe is None

    def running_apps(self) -> list[Seen]:
        return [each for each in self.seen.values() if each.state is State.RUNNING and each.name != SANDBOX]

    def _first_health(self, container: Seen) -> Health:
        """Of a container that was just started, or adopted: then what was reported of it still holds."""
        asked = self.wanted(container.name) or types.Container(name=container.name)
        for status_ in self.reported.all_containers():
            if status_.container_id == status.SCHEME + container.id and status_.started:
                return Health(ready=status_.ready)
        hook = asked.lifecycle is not None and asked.lifecycle.post_start is not None
        started = not hook and asked.startup_probe is None
        return Health(
            post_start=PostStart.DUE if hook else PostStart.DONE,
            started=started,
            ready=started and asked.readiness_probe is None,
        )

    def _forget(self, id: str) -> None:
        self.health.pop(id, None)
        self.stops.pop(id, None)

    def _observe_newest(self, life: Life, container: Seen) -> None:
        life.container_id = status.SCHEME + container.id
        life.image_id = status.image_id_of(container) or life.image_id
        if ended(container):
            ending = status.ending_of(container)
            if life.ending is None or life.ending.container_id != ending.container_id:
                life.ending = ending
            life.ended_at = container.finished_at or life.ended_at
        elif container.state is State.RUNNING:
            life.ending = life.ended_at = None
            life.reason = life.message = ""
