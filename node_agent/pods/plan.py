"""The one next step for a pod, from what it should be and what the engine shows. Pure: time comes in.

The order is always: a sandbox, its network, the containers that run before the others, then those in their
listed order, each started before the next one's first start. A pod that is to end goes the other way, once no node
sends it new requests. Nothing here remembers anything: whatever the agent was doing when it was killed, the same step
comes out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.cluster import types
from node_agent.pods.sight import Life, PostStart, Sight, Stop, ended
from node_agent.pods.wanting import deadline, failure, finished, lacks_target, lets_go_on, wanted
from node_agent.runtime.base import SANDBOX, Seen, State


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
class RunPostStart:
    """Run the hook that follows a container's start."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """Begin to stop containers: their hooks first, then their signal; they have the pod's grace."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signal:
    """Ask containers to stop whose hook is done, or took all of their grace."""

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
    | RunPostStart
    | Terminate
    | Signal
    | Kill
    | Remove
    | DropSandbox
    | Release
)


def next_step(pod: types.Pod | None, sight: Sight, now: datetime) -> Step:
    """What to do next; doing it and asking again ends at ``Settled``."""
    if pod is None or sight.ending:
        return _end(pod, sight, now)
    if pod.status.is_finished or failure(pod, sight, now) or finished(pod, sight):
        return _finish(pod, sight, now)
    sandbox = sight.sandbox()
    if sandbox is None or sandbox.state is State.EXITED or sandbox.error:
        step = _new_sandbox(sight, sandbox, now)
    else:
        step = _ready_sandbox(pod, sight, sandbox, now) or _next_container(pod, sight, sandbox, now)
    due = deadline(pod, sight.start_time)
    if isinstance(step, Settled) and due is not None:
        return Settled(due if step.until is None else min(due, step.until))
    return step


def opening(pod: types.Pod) -> list[types.Container]:
    """The containers that can be made before any other has started."""
    return pod.spec.init_containers[:1] or pod.spec.containers


def restart_due(life: Life, sandbox: Seen | None, newest: Seen | None, now: datetime) -> datetime:
    """When an ended container may be made anew. A container whose sandbox died is not to blame: at once. So is one
    that ended in the future, since the clock was set back: how long ago that was, nobody knows."""
    if sandbox is None or sandbox.state is not State.RUNNING:
        return now
    if newest is not None and newest.sandbox != sandbox.id:
        return now
    return now if life.ended_at is None or life.ended_at > now else life.backoff.due(life.ended_at)


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
    return MakeSandbox(sight.life(SANDBOX).attempt + 1)


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
    for container in (*_due(pod, sight), *pod.spec.ephemeral_containers):
        step = _tend(pod, container.name, sight, sandbox=sandbox, now=now)
        if step is not None and not isinstance(step, Settled):
            return step
        if step is not None and step.until is not None:
            wake.append(step.until)
    old = tuple(_outlived(sight))
    return Remove(old) if old else Settled(min(wake, default=None))


def _due(pod: types.Pod, sight: Sight) -> Iterator[types.Container]:
    """Those whose turn it is: the next waits for a first start, for a hook, or for what is done before it."""
    for container in pod.spec.planned_containers():
        yield container
        if sight.life(container.name).attempt < 0 or not lets_go_on(pod, sight, container.name):
            return


def _tend(pod: types.Pod, name: str, sight: Sight, *, sandbox: Seen, now: datetime) -> Step | None:
    """What this one container needs; Settled while it waits, None when it is as it should be."""
    life, newest = sight.life(name), sight.newest(name)
    if newest is not None and newest.state is State.RUNNING:
        health = sight.health_of(newest)
        if health.doomed or newest.id in sight.stops:
            return _stop([newest], sight, now)
        return RunPostStart(newest.id, name) if health.post_start is PostStart.DUE else None
    if newest is not None and not ended(newest):
        return StartContainer(newest.id, name) if newest.sandbox == sandbox.id else Remove((newest.id,))
    if not wanted(pod, sight, name):
        return None
    due = _held_until(life, now) or restart_due(life, sandbox, newest, now)
    if life.pulling or lacks_target(pod, sight, name):
        return Settled()
    return MakeContainer(name, life.attempt + 1, sandbox.id) if due <= now else Settled(due)


def _held_until(life: Life, now: datetime) -> datetime | None:
    return life.retry_at if life.retry_at is not None and life.retry_at > now else None


def _outlived(sight: Sight) -> Iterator[str]:
    """Of each name one ended container stays, whose output ``logs --previous`` still wants."""
    for name in {each.name for each in sight.apps()}:
        dead = [each for each in sight.of(name) if ended(each)]
        yield from (each.id for each in dead[1:])


def _finish(pod: types.Pod, sight: Sight, now: datetime) -> Step:
    """All containers ended for good: they stay for their logs, the sandbox and its network go."""
    running = sight.running_apps()
    if running:
        return _stop_in_order(pod, running, sight, now)
    sandboxes = sight.of(SANDBOX)
    if sandboxes:
        return DropSandbox(tuple(each.id for each in sandboxes))
    return Settled()


def _end(pod: types.Pod | None, sight: Sight, now: datetime) -> Step:
    running = sight.running_apps()
    if running and sight.served_until is not None and now < sight.served_until:
        return Settled(sight.served_until)
    if running:
        return _stop_in_order(pod, running, sight, now)
    apps = tuple(each.id for each in sight.apps())
    if apps:
        return Remove(apps)
    sandboxes = sight.of(SANDBOX)
    if sandboxes or sight.address:
        return DropSandbox(tuple(each.id for each in sandboxes))
    return Settled() if sight.released else Release()


def _stop_in_order(pod: types.Pod | None, running: Sequence[Seen], sight: Sight, now: datetime) -> Step:
    """Sidecars last, and of those the one that started last comes first."""
    beside = [] if pod is None else [each.name for each in pod.spec.sidecars()]
    others = [each for each in running if each.name not in beside]
    return _stop(others or [max(running, key=lambda each: beside.index(each.name))], sight, now)


def _stop(running: Sequence[Seen], sight: Sight, now: datetime) -> Step:
    """The next thing on the way to their end."""
    fresh = tuple(each.id for each in running if each.id not in sight.stops)
    if fresh:
        return Terminate(fresh)
    until = {each.id: _killed_at(sight.stops[each.id], sight) for each in running}
    late = [id for id, moment in until.items() if moment <= now]
    forced = sight.ending and not sight.grace
    asked = tuple(
        id
        for id in until
        if not sight.stops[id].signalled and not forced and (not sight.stops[id].hooked or id in late)
    )
    if asked:
        return Signal(asked)
    return Kill(tuple(late)) if late else Settled(min(until.values()))


def _killed_at(stop: Stop, sight: Sight) -> datetime:
    """A pod that is deleted meanwhile has its own grace, which may be cut short again."""
    if not sight.ending or sight.ending_since is None:
        return stop.until
    if stop.extended and sight.grace:
        return stop.until
    return min(stop.until, sight.ending_since + sight.grace)
