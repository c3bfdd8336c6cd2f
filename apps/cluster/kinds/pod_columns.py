"""A pod in one line, as kubectl's users know it."""

from __future__ import annotations

from datetime import datetime

from apps.cluster import types
from apps.cluster.kinds import ages
from apps.cluster.registry import Column

NODE_LOST = "NodeLost"
FINISHED = frozenset({"Succeeded", "Failed"})


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
        if phase not in FINISHED:
            return "Terminating"
    reasons = [_container_reason(each.state) for each in pod.status.container_statuses]
    reason = next((each for each in reasons if each), pod.status.reason or phase)
    if reason == "Completed" and any(_running(each) for each in pod.status.container_statuses):
        return "Running" if _condition_holds(pod, "Ready") else "NotReady"
    return reason


def ready(pod: types.Pod, now: datetime) -> str:
    running = sum(_running(each) for each in pod.status.container_statuses)
    return f"{running}/{len(pod.spec.containers)}"


def restarts(pod: types.Pod, now: datetime) -> str:
    """How often containers were started again, and how long ago the last one ended."""
    count = sum(each.restart_count for each in pod.status.container_statuses)
    ends = [
        each.last_state.terminated.finished_at
        for each in pod.status.container_statuses
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
