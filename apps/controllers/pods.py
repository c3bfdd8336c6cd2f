"""How controllers read a pod: whether it counts, is ready, or is somebody's."""

from datetime import datetime

from apps.cluster import conditions, types
from apps.controllers.actions import condition


def is_active(pod: types.Pod) -> bool:
    """Whether the pod counts as a replica: one being deleted does not, so its replacement need not wait."""
    return pod.metadata.deletion_timestamp is None and not pod.status.is_finished


def ready_since(pod: types.Pod) -> datetime | None:
    """When the pod became ready, or None when it is not ready."""
    found = condition(pod.status.conditions, "Ready")
    if found is None or found.status != "True":
        return None
    return found.last_transition_time or pod.metadata.creation_timestamp


def is_ready(pod: types.Pod) -> bool:
    return conditions.is_ready(pod.status.conditions)


def restarts(pod: types.Pod) -> int:
    return max((status.restart_count for status in pod.status.container_statuses), default=0)
