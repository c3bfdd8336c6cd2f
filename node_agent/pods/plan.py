"""The one next step for a pod, from what it should be and what the engine shows. Pure: time comes in.

The order is always: a sandbox, its network, then the containers in their listed order, each started before
the next one's first start. A pod that is to end goes the other way. Nothing here remembers anything: whatever
the agent was doing when it was killed, the same step comes out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.cluster import types
from node_agent.backoff import BackOff
from node_agent.runtime.base import SANDBOX, Seen, State

TERMINAL = ("Succeeded", "Failed")


@dataclass(slots=True)
class Life:
    """What is known of one container name beyond what the engine still shows."""

    attempt: int = -1  # of the newest container ever made for it, -1 when there was none
    ending: types.ContainerStateTerminated | None = None  # of that newest one, once it ended
    before: types.ContainerStateTerminated | None = None  # of the one before
    ended_at: datetime | None = None  # finer than the API's whole seconds
    container_id: str = ""
    image_id: str = ""
    backoff: BackOff = field(default_factory=BackOff)
    pulling: bool = False
    retry_at: datetime | None = None  # after a trouble that kept it from being made
    reason: str = ""  # that trouble, in one word
    message: str = ""  # and in a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Everything a decision rests on, besides the pod itself."""

    seen: tuple[Seen, ...] = ()
    lives: Mapping[str, Life] = field(default_factory=dict)
    address: str = ""
    may_start: bool = True  # services known up to the pod's binding, network up
    retry_at: datetime | None = None  # the sandbox could not be made; not before
    ending: bool = False  # deleted, or unknown to the server
    ending_since: datetime | None = None  # when the containers were asked to stop
    grace: timedelta = timedelta(0)
    released: bool = False  # volumes and files are gone too

    def of(self, name: str) -> list[Seen]:
        """Newest first."""
        return sorted(
            (each for each in self.seen if each.name == name), key=lambda each: each.attempt, reverse=True
        )

    def sandbox(self) -> Seen | None:
        return next(iter(self.of(SANDBOX)), None)

    def apps(self) -> list[Seen]:
        return [each for each in self.seen if each.name != SANDBOX]


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing to do, until then or until something happens."""

    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    attempt: int


@dataclass(frozen=True, slots=True)
class StartSandbox:
    id: str


@dataclass(frozen=True, slots=True)
class Attach:
    """Wire the sandbox's network."""

    pid: int


@dataclass(frozen=True, slots=True)
class MakeContainer:
    name: str
    attempt: int
    sandbox: str


@dataclass(frozen=True, slots=True)
class StartContainer:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask containers to stop; they have the pod's grace."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kill:
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropSandbox:
    """Give the network back and remove the sandbox."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Remove the pod's files and volumes: the last step."""


Step = (
    Settled
    | MakeSandbox
    | StartSandbox
    | Attach
    | MakeContainer
    | StartContainer
    | Terminate
    | Kill
    | Remove
    | DropSandbox
    | Release
)


def next_step(pod: types.Pod | None, sight: Sight, now: datetime) -> Step:
    """What to do next; doing it and asking again ends at ``Settled``."""
    if pod is None or sight.ending:
        return _end(sight, now)
    if pod.status.phase in TERMINAL or finished(pod, sight):
        return _finish(sight)
    sandbox = sight.sandbox()
    if sandbox is None or sandbox.state is State.EXITED or sandbox.error:
        return _new_sandbox(sight, sandbox, now)
    return _ready_sandbox(pod, sight, sandbox, now) or _next_container(pod, sight, sandbox, now)


def wants_to_run(life: Life, newest: Seen | None, policy: str) -> bool:
    """Whether a container should be running now or after its back-off, going by how it ended last."""
    if newest is not None and not ended(newest):
        return True
    if life.attempt < 0:
        return True
    exit_code = life.ending.exit_code if life.ending is not None else 0
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def ended(container: Seen) -> bool:
    """Exited, or refused by the engine when it was to be started."""
    return container.state is State.EXITED or (container.state is State.CREATED and bool(container.error))


def finished(pod: types.Pod, sight: Sight) -> bool:
    """Every container has ended for good."""
    return not any(
        wants_to_run(_life(sight, each.name), next(iter(sight.of(each.name)), None), pod.spec.restart_policy)
        for each in pod.spec.containers
    )


def restart_due(life: Life, sandbox: Seen | None, newest: Seen | None, now: datetime) -> datetime:
    """When an ended container may be made anew. A container whose sandbox died is not to blame: at once."""
    if sandbox is None or sandbox.state is not State.RUNNING:
        return now
    if newest is not None and newest.sandbox != sandbox.id:
        return now
    return now if life.ended_at is None else life.backoff.due(life.ended_at)


def _life(sight: Sight, name: str) -> Life:
    return sight.lives.get(name) or Life()


def _running(seen: Iterable[Seen]) -> tuple[str, ...]:
    return tuple(each.id for each in seen if each.state is State.RUNNING)


def _new_sandbox(sight: Sight, dead: Seen | None, now: datetime) -> Step:
    """The sandbox is not there or dead: whatever still runs in it has no network any more."""
    running = _running(sight.apps())
    if running:
        return Kill(running)
    if dead is not None or sight.address:
        return DropSandbox(tuple(each.id for each in sight.of(SANDBOX)))
    if not sight.may_start:
        return Settled()
    if sight.retry_at is not None and sight.retry_at > now:
        return Settled(sight.retry_at)
    return MakeSandbox(_life(sight, SANDBOX).attempt + 1)


def _ready_sandbox(pod: types.Pod, sight: Sight, sandbox: Seen, now: datetime) -> Step | None:
    """What is missing until containers can be started in the sandbox."""
    if sandbox.state is State.CREATED:
        return StartSandbox(sandbox.id)
    if not sight.address and not pod.spec.host_network:
        if sight.retry_at is not None and sight.retry_at > now:
            return Settled(sight.retry_at)
        return Attach(sandbox.pid)
    astray = tuple(_astray(sight, sandbox))
    return Kill(astray) if astray else None


def _astray(sight: Sight, sandbox: Seen) -> Iterator[str]:
    """Running containers of an older sandbox or attempt, which somebody else must have started."""
    for name in {each.name for each in sight.apps()}:
        for index, container in enumerate(sight.of(name)):
            if container.state is State.RUNNING and (index > 0 or container.sandbox != sandbox.id):
                yield container.id


def _next_container(pod: types.Pod, sight: Sight, sandbox: Seen, now: datetime) -> Step:
    wake: list[datetime] = []
    for container in pod.spec.containers:
        life, attempts = _life(sight, container.name), sight.of(container.name)
        newest = attempts[0] if attempts else None
        first = life.attempt < 0
        if newest is not None and newest.state is State.RUNNING:
            continue
        if newest is not None and not ended(newest):
            if newest.sandbox == sandbox.id:
                return StartContainer(newest.id, container.name)
            return Remove((newest.id,))
        if not wants_to_run(life, newest, pod.spec.restart_policy):
            continue
        due = _held_until(life, now) or restart_due(life, sandbox, newest, now)
        if not life.pulling and due <= now:
            return MakeContainer(container.name, life.attempt + 1, sandbox.id)
        if not life.pulling:
            wake.append(due)
        if first:
            break  # the containers after it wait for it
    old = tuple(_outlived(sight))
    return Remove(old) if old else Settled(min(wake, default=None))


def _held_until(life: Life, now: datetime) -> datetime | None:
    return life.retry_at if life.retry_at is not None and life.retry_at > now else None


def _outlived(sight: Sight) -> Iterator[str]:
    """Ended containers older than the previous one, whose output ``logs --previous`` still wants."""
    for name in {each.name for each in sight.apps()}:
        yield from (each.id for each in sight.of(name)[2:] if each.state is not State.RUNNING)


def _finish(sight: Sight) -> Step:
    """All containers ended for good: they stay for their logs, the sandbox and its network go."""
    running = _running(sight.apps())
    if running:
        return Kill(running)
    sandboxes = sight.of(SANDBOX)
    if sandboxes:
        return DropSandbox(tuple(each.id for each in sandboxes))
    return Settled()


def _end(sight: Sight, now: datetime) -> Step:
    running = _running(sight.apps())
    if running:
        if sight.ending_since is None:
            return Terminate(running)
        kill_at = sight.ending_since + sight.grace
        return Kill(running) if now >= kill_at else Settled(kill_at)
    apps = tuple(each.id for each in sight.apps())
    if apps:
        return Remove(apps)
    sandboxes = sight.of(SANDBOX)
    if sandboxes or sight.address:
        return DropSandbox(tuple(each.id for each in sandboxes))
    return Settled() if sight.released else Release()
