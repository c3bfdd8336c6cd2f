"""Which of a pod's containers are to run, going by their part in it and by how they ended. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

from apps.cluster import types
from node_agent.pods.sight import Life, PostStart, Sight, ended
from node_agent.runtime.base import Seen, State

DEADLINE_WORDS = "Pod was active on the node longer than the specified deadline"


class Part(Enum):
    """What a container is in its pod."""

    INIT = "runs to its end before the ones after it"
    SIDECAR = "runs from before the others until after them"
    APP = "what the pod is for"
    EPHEMERAL = "looks at the others; it comes late, and runs once"


def part_of(pod: types.Pod, name: str) -> Part:
    for each in pod.spec.init_containers:
        if each.name == name:
            return Part.SIDECAR if each.restart_policy == "Always" else Part.INIT
    looks = any(each.name == name for each in pod.spec.ephemeral_containers)
    return Part.EPHEMERAL if looks else Part.APP


def init_done(life: Life, sandbox: Seen | None) -> bool:
    """It did its part, and in this sandbox: another one begins from the start."""
    here = sandbox is None or life.sandbox in ("", sandbox.id)
    return here and life.ending is not None and life.ending.exit_code == 0


def wants_to_run(
    part: Part, life: Life, newest: Seen | None, policy: str, sandbox: Seen | None = None
) -> bool:
    """Whether a container should be running now or after its back-off, going by how it ended last."""
    if newest is not None and not ended(newest):
        return True
    if life.attempt < 0 or part is Part.SIDECAR:
        return True
    if part is Part.EPHEMERAL:
        return False
    exit_code = life.ending.exit_code if life.ending is not None else 0
    if part is Part.INIT:
        return not init_done(life, sandbox) and (exit_code == 0 or policy != "Never")
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def wanted(pod: types.Pod, sight: Sight, name: str) -> bool:
    if part_of(pod, name) is Part.INIT and begun(pod, sight):
        return False
    return wants_to_run(
        part_of(pod, name), sight.life(name), sight.newest(name), pod.spec.restart_policy, sight.sandbox()
    )


def target(pod: types.Pod, name: str) -> str:
    """The container whose processes this one is to see; "" for those of nobody in particular."""
    looking = (each for each in pod.spec.ephemeral_containers if each.name == name)
    return next((each.target_container_name for each in looking), "")


def lacks_target(pod: types.Pod, sight: Sight, name: str) -> bool:
    """Whether what it is to look at does not run now."""
    wanted_ = target(pod, name)
    newest = sight.newest(wanted_) if wanted_ else None
    return bool(wanted_) and (newest is None or newest.state is not State.RUNNING)


def begun(pod: types.Pod, sight: Sight) -> bool:
    """A container of the pod's own was made in this sandbox: those before it have done their part."""
    sandbox = sight.sandbox()
    return any(
        life.attempt >= 0 and (sandbox is None or life.sandbox in ("", sandbox.id))
        for life in (sight.life(each.name) for each in pod.spec.containers)
    )


def waiting_for(pod: types.Pod, sight: Sight) -> list[str]:
    """The containers that have not yet done what those after them wait for."""
    if begun(pod, sight):
        return []
    missing = []
    for each in pod.spec.init_containers:
        newest = sight.newest(each.name)
        if part_of(pod, each.name) is Part.INIT:
            done = init_done(sight.life(each.name), sight.sandbox())
        else:
            done = newest is not None and newest.state is State.RUNNING and sight.health_of(newest).started
        if not done:
            missing.append(each.name)
    return missing


def lets_go_on(pod: types.Pod, sight: Sight, name: str) -> bool:
    """Whether the containers after this one may start."""
    newest = sight.newest(name)
    running = newest is not None and newest.state is State.RUNNING
    match part_of(pod, name):
        case Part.INIT:
            return begun(pod, sight) or init_done(sight.life(name), sight.sandbox())
        case Part.SIDECAR:
            if begun(pod, sight):
                return True
            return running and newest is not None and sight.health_of(newest).started
    if running and newest is not None:
        return sight.health_of(newest).post_start is PostStart.DONE
    return newest is None or ended(newest)


def init_failed(pod: types.Pod, sight: Sight) -> bool:
    """One that the others wait for failed, and the restart policy gives it no second chance."""
    if pod.spec.restart_policy != "Never":
        return False
    endings = (
        (sight.life(each.name).ending, sight.newest(each.name))
        for each in pod.spec.init_containers
        if each.restart_policy != "Always"
    )
    return any(
        ending is not None and ending.exit_code != 0 and (newest is None or ended(newest))
        for ending, newest in endings
    )


def finished(pod: types.Pod, sight: Sight) -> bool:
    """Every container has ended for good; sidecars do not count."""
    return init_failed(pod, sight) or not any(wanted(pod, sight, each.name) for each in pod.spec.containers)


def deadline(pod: types.Pod, start: datetime | None) -> datetime | None:
    """When the pod has been active for as long as it may."""
    if pod.spec.active_deadline_seconds is None or start is None:
        return None
    return start + timedelta(seconds=pod.spec.active_deadline_seconds)


def failure(pod: types.Pod, sight: Sight, now: datetime) -> tuple[str, str] | None:
    """Why the node ends the pod by itself: reason and message."""
    if sight.evicted:
        return "Evicted", sight.evicted
    due = deadline(pod, sight.start_time)
    return ("DeadlineExceeded", DEADLINE_WORDS) if due is not None and now >= due else None
