"""A pod in one line, as kubectl's users know it."""

from __future__ import annotations

from datetime import datetime

from apps.cluster import types
from apps.cluster.kinds import ages
from apps.cluster.kinds.pod_defaults import GATED
from apps.cluster.registry import Column

NODE_LOST = "NodeLost"


def _condition_holds(pod: types.Pod, wanted: str) -> bool:
    return any(condition.type == wanted and condition.status == "True" for condition in pod.status.conditions)


def _running(status: types.ContainerStatus) -> bool:
    return status.ready and status.state.running is not None


def _container_reason(state: types.ContainerState) -> str:
    """Why a container does not run, "" when it does or nobody knows."""
    if state.waiting is not None and state.waiting.reason:
        return state.waiting.reason
    if state.terminated is None:
        return ""
    if state.terminated.reason:
        return state.terminated.reason
    if state.terminated.signal:
        return f"Signal:{state.terminated.signal}"
    return f"ExitCode:{state.terminated.exit_code}"


def status(pod: types.Pod, now: datetime) -> str:
    """The one word that says how a pod is: the first container in trouble speaks for it."""
    phase = pod.status.phase
    if pod.metadata.deletion_timestamp is not None:
        if pod.status.reason == NODE_LOST:
            return "Unknown"
        if not pod.status.is_finished:
            return "Terminating"
    if word := _initializing(pod):
        return word
    reasons = [_container_reason(each.state) for each in pod.status.container_statuses]
    gated = GATED if pod.spec.scheduling_gates else ""
    reason = next((each for each in reasons if each), pod.status.reason or gated or phase)
    if reason == "Completed" and any(_running(each) for each in pod.status.container_statuses):
        return "Running" if _condition_holds(pod, "Ready") else "NotReady"
    return reason


def _initializing(pod: types.Pod) -> str:
    """How far the containers are that run before the others; "" once all have done their part."""
    if _condition_holds(pod, "Initialized"):
        return ""
    sidecars = {each.name for each in pod.spec.sidecars()}
    for index, each in enumerate(pod.status.init_container_statuses):
        ended = each.state.terminated
        if (ended is not None and ended.exit_code == 0) or (each.name in sidecars and each.started):
            continue
        reason = _container_reason(each.state)
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{index}/{len(pod.spec.init_containers)}"
    return ""


def _staying(pod: types.Pod) -> list[types.ContainerStatus]:
    """The containers that are to go on, sidecars among them."""
    sidecars = {each.name for each in pod.spec.sidecars()}
    beside = [each for each in pod.status.init_container_statuses if each.name in sidecars]
    return [*beside, *pod.status.container_statuses]


def ready(pod: types.Pod, now: datetime) -> str:
    running = sum(_running(each) for each in _staying(pod))
    return f"{running}/{len(pod.spec.containers) + len(pod.spec.sidecars())}"


def restarts(pod: types.Pod, now: datetime) -> str:
    """How often containers were started again, and how long ago the last one ended."""
    counted = pod.status.init_container_statuses if _initializing(pod) else _staying(pod)
    count = sum(each.restart_count for each in counted)
    ends = [
        each.last_state.terminated.finished_at
        for each in counted
        if each.last_state.terminated is not None and each.last_state.terminated.finished_at is not None
    ]
    return f"{count} ({ages.since(max(ends), now)} ago)" if count and ends else str(count)


def address(pod: types.Pod, now: datetime) -> str:
    listed = pod.status.pod_ips[0].ip if pod.status.pod_ips else ""
    return listed or pod.status.pod_ip or "<none>"


COLUMNS = (
    ages.NAME,
    Column("Ready", ready, description="Containers that are ready, of all containers."),
    Column("Status", status, description="How the pod is, in one word."),
    Column("Restarts", restarts, description="How often containers were started again, and when last."),
    ages.AGE,
    Column("IP", address, wide=True, description="The pod's address."),
    Column("Node", lambda pod, now: pod.spec.node_name or "<none>", wide=True, description="Where it runs."),
    Column(
        "Nominated Node",
        lambda pod, now: pod.status.nominated_node_name or "<none>",
        wide=True,
        description="Where room is being made for it.",
    ),
    Column(
        "Readiness Gates", lambda pod, now: "<none>", wide=True, description="Extra conditions for readiness."
    ),
)
