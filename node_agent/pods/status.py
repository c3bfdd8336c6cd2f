"""A pod's status from what is known of it. Pure: time comes in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from apps.cluster import types
from node_agent import backoff
from node_agent.pods import plan, wanting
from node_agent.pods.sight import Life, Sight
from node_agent.pods.wanting import Part
from node_agent.runtime.base import Seen, State

SCHEME = "docker://"


def pod_status(
    pod: types.Pod, sight: Sight, *, before: types.PodStatus, host_ip: str, now: datetime
) -> types.PodStatus:
    """The whole status to report. ``before`` is the last one reported (or served): times of transitions,
    the start time and what the scheduler wrote are carried over from it."""
    first = [_container_status(pod, each, sight, now) for each in pod.spec.init_containers]
    containers = [_container_status(pod, each, sight, now) for each in pod.spec.containers]
    looking = [_container_status(pod, each, sight, now) for each in pod.spec.ephemeral_containers]
    missing = wanting.waiting_for(pod, sight)
    failure = None if sight.running_apps() else wanting.failure(pod, sight, now)
    phase, reason, message = before.phase, before.reason, before.message
    if phase not in types.FINISHED_PHASES:
        reason, message = failure or ("", "")
        phase = "Failed" if failure else _phase(pod, sight, containers, missing)
        if phase in types.FINISHED_PHASES and sight.running_apps():
            phase = "Running"  # sidecars are being stopped
    address = host_ip if pod.spec.host_network and sight.sandbox() is not None else sight.address
    address = address or (before.pod_ip if phase in types.FINISHED_PHASES else "")
    return types.PodStatus(
        phase=phase,
        conditions=_conditions(
            _staying(pod, first, containers), missing, phase, before=before.conditions, now=now
        ),
        reason=reason,
        message=message,
        host_ip=host_ip,
        host_ips=[types.HostIP(ip=host_ip)] if host_ip else [],
        pod_ip=address,
        pod_ips=[types.PodIP(ip=address)] if address else [],
        start_time=before.start_time or now.replace(microsecond=0),
        init_container_statuses=first,
        container_statuses=containers,
        ephemeral_container_statuses=looking,
        qos_class=before.qos_class,
    )


def gist(status: types.PodStatus) -> tuple[str, str]:
    """What others act on: when the server's differs from what was reported, the report is made again."""
    ready = next((each.status for each in status.conditions if each.type == "Ready"), "")
    return status.phase, ready


def image_id_of(container: Seen) -> str:
    """As kubectl's users know it: the registry's digest, or the engine's own id where no registry has the image."""
    return container.digest or (SCHEME + container.image_id if container.image_id else "")


def ending_of(container: Seen) -> types.ContainerStateTerminated:
    """How a container ended, in the API's words."""
    exit_code, reason = container.exit_code, "Completed" if container.exit_code == 0 else "Error"
    if container.oom_killed:
        reason = "OOMKilled"
    elif container.error:
        reason, exit_code = "ContainerCannotRun", container.exit_code or 128
    return types.ContainerStateTerminated(
        exit_code=exit_code,
        reason=reason,
        message=container.error,
        started_at=whole(container.started_at),
        finished_at=whole(container.finished_at),
        container_id=SCHEME + container.id,
    )


def vanished(life: Life, exit_code: int | None, at: datetime) -> types.ContainerStateTerminated:
    """The ending of a container that is gone before it could be asked how it ended."""
    known = exit_code is not None
    return types.ContainerStateTerminated(
        exit_code=exit_code if exit_code is not None else 137,
        reason="Error" if known else "ContainerStatusUnknown",
        message="" if known else "The container was removed from the machine by somebody else",
        finished_at=whole(at),
        container_id=life.container_id,
    )


def lives_from(status: types.PodStatus) -> dict[str, Life]:
    """What a status that was reported earlier tells about containers the engine no longer shows."""
    return {each.name: _life_from(each) for each in status.all_containers() if each.container_id}


def _life_from(status: types.ContainerStatus) -> Life:
    now, last = status.state.terminated, status.last_state.terminated
    if status.state.waiting is not None:  # in back-off: the newest one's ending is the last state
        now, last = last, None
    return Life(
        attempt=status.restart_count,
        ending=now,
        before=last,
        ended_at=now.finished_at if now is not None else None,
        container_id=status.container_id,
        image_id=status.image_id,
    )


def _container_status(
    pod: types.Pod, container: types.Container, sight: Sight, now: datetime
) -> types.ContainerStatus:
    life, newest = sight.life(container.name), sight.newest(container.name)
    part = wanting.part_of(pod, container.name)
    status = types.ContainerStatus(
        name=container.name,
        restart_count=max(life.attempt, 0),
        image=container.image,
        image_id=life.image_id,
        container_id=life.container_id,
        last_state=types.ContainerState(terminated=life.before),
    )
    if newest is not None and newest.state is State.RUNNING:
        started = types.ContainerStateRunning(started_at=whole(newest.started_at))
        status.state = types.ContainerState(running=started)
        health = sight.health_of(newest)
        status.started = health.started and part in (Part.SIDECAR, Part.APP)
        status.ready = status.started and health.ready
    elif life.ending is not None:
        status.ready = part is Part.INIT and life.ending.exit_code == 0
        _after_the_end(status, pod, life, sight=sight, newest=newest, now=now)
    else:
        first = pod.spec.init_containers and part is not Part.EPHEMERAL
        begins = "PodInitializing" if first else "ContainerCreating"
        reason = begins if life.reason in ("", "ContainerCreating") else life.reason
        message = life.message
        if not message and wanting.lacks_target(pod, sight, container.name):
            message = f'container "{wanting.target(pod, container.name)}" does not run: there is nothing to look at'
        waiting = types.ContainerStateWaiting(reason, message)
        status.state = types.ContainerState(waiting=waiting)
    return status


def _after_the_end(
    status: types.ContainerStatus,
    pod: types.Pod,
    life: Life,
    *,
    sight: Sight,
    newest: Seen | None,
    now: datetime,
) -> None:
    """Ended: for good, about to start again, or waiting because it ended too often or cannot be made."""
    ending = types.ContainerState(terminated=life.ending)
    comes_back = wanting.wanted(pod, sight, status.name) and not wanting.failure(pod, sight, now)
    if pod.metadata.deletion_timestamp is None and comes_back:
        waiting = None
        if life.reason:
            waiting = types.ContainerStateWaiting(life.reason, life.message)
        elif plan.restart_due(life, sight.sandbox(), newest, now) > now:
            waiting = types.ContainerStateWaiting("CrashLoopBackOff", crash_words(pod, status.name, life))
        if waiting is not None:
            status.state, status.last_state = types.ContainerState(waiting=waiting), ending
            return
    status.state = ending


def crash_words(pod: types.Pod, container: str, life: Life) -> str:
    meta = pod.metadata
    return (
        f"back-off {backoff.words(life.backoff.delay)} restarting failed container={container} "
        f"pod={meta.name}_{meta.namespace}({meta.uid})"
    )


def _staying(
    pod: types.Pod, first: Iterable[types.ContainerStatus], containers: Iterable[types.ContainerStatus]
) -> list[types.ContainerStatus]:
    """The containers that must be ready for the pod to be."""
    sidecars = {each.name for each in pod.spec.sidecars()}
    return [*(each for each in first if each.name in sidecars), *containers]


def _phase(
    pod: types.Pod, sight: Sight, containers: Sequence[types.ContainerStatus], missing: Sequence[str]
) -> str:
    if wanting.init_failed(pod, sight):
        return "Failed"
    if missing:
        return "Pending"
    policy = pod.spec.restart_policy
    running = [each for each in containers if each.state.running is not None]
    stopped = [
        each
        for each in containers
        if each.state.terminated is not None
        or (each.state.waiting is not None and each.last_state.terminated is not None)
    ]
    if len(running) + len(stopped) < len(containers):
        return "Pending"  # some container has never run
    if running or policy == "Always":
        return "Running"
    endings = [each.state.terminated for each in containers if each.state.terminated is not None]
    if len(endings) == len(containers):
        if all(ending.exit_code == 0 for ending in endings):
            return "Succeeded"
        if policy == "Never":
            return "Failed"
    return "Running"


def _conditions(
    containers: Sequence[types.ContainerStatus],
    missing: Sequence[str],
    phase: str,
    *,
    before: Iterable[types.Condition],
    now: datetime,
) -> list[types.Condition]:
    unready = [each.name for each in containers if not each.ready]
    reason = message = ""
    if phase == "Succeeded":
        reason = "PodCompleted"
    elif phase == "Failed":
        reason = "PodFailed"
    elif unready:
        reason, message = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    ready = "False" if reason else "True"
    held = {condition.type: condition for condition in before}
    initialized = types.Condition(
        "Initialized", "True", reason="PodCompleted" if phase == "Succeeded" else ""
    )
    if missing:
        words = f"containers with incomplete status: [{' '.join(missing)}]"
        initialized = types.Condition("Initialized", "False", "ContainersNotInitialized", words)
    scheduled = held.get("PodScheduled") or types.Condition("PodScheduled", "True")
    return [
        _since(condition, held.get(condition.type), now)
        for condition in (
            initialized,
            types.Condition("Ready", ready, reason=reason, message=message),
            types.Condition("ContainersReady", ready, reason=reason, message=message),
            types.Condition("PodScheduled", scheduled.status, scheduled.reason, scheduled.message),
        )
    ]


def _since(condition: types.Condition, before: types.Condition | None, now: datetime) -> types.Condition:
    same = before is not None and before.status == condition.status
    kept = before.last_transition_time if same and before is not None else None
    condition.last_transition_time = kept or now.replace(microsecond=0)
    return condition


def whole(moment: datetime | None) -> datetime | None:
    """The API's times have whole seconds."""
    return None if moment is None else moment.replace(microsecond=0)
