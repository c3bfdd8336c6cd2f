"""How controllers read a pod: whether it counts, is ready, or is somebody's."""

from datetime import datetime

from apps.cluster import types
from apps.controllers.actions import condition

FINISHED = frozenset({"Succeeded", "Failed"})


def is_finished(pod: types.Pod) -> bool:
    return pod.status.phase in FINISHED


def is_active(pod: types.Pod) -> bool:
    """Whether the pod counts as a replica: one being deleted does not, so its replacement need not wait."""
    return pod.metadata.deletion_timestamp is None and not is_finished(pod)


def ready_since(pod: types.Pod) -> datetime | None:
    """When the pod became ready, or None when it is not ready."""
    found = condition(pod.status.conditions, "Ready")
    if found is None or found.status != "True":
        return None
    return found.last_transition_time or pod.metadata.creation_timestamp


def is_ready(pod: types.Pod) -> bool:
    found = condition(pod.status.conditions, "Ready")
    return found is not None and found.status == "True"


def restarts(pod: types.Pod) -> int:
    return max((status.restart_count for status in pod.status.container_statuses), default=0)
