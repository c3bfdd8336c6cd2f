"""Containers added to a pod that runs, to look at the others: what they may be, and that they only ever come."""

from __future__ import annotations

from collections.abc import Iterator

from apps.cluster import types
from apps.cluster.kinds import refusals
from apps.cluster.registry import Part
from apps.cluster.types import Problem

FIELD = "ephemeralContainers"
NOT_THEIRS = ("ports", "liveness_probe", "readiness_probe", "startup_probe", "lifecycle", "restart_policy")


def problems(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    """What only these containers must obey, beside what every container must."""
    others = {each.name for each in spec.planned_containers()}
    for index, container in enumerate(spec.ephemeral_containers):
        at = f"{path}.{FIELD}[{index}]"
        given = [name for name in NOT_THEIRS if getattr(container, name)]
        if container.resources.limits or container.resources.requests:
            given.append("resources")
        for name in given:
            yield refusals.forbidden(f"{at}.{types.wire_name(name)}", "cannot be set for an Ephemeral Container")
        for position, mount in enumerate(container.volume_mounts):
            if mount.sub_path:
                place = f"{at}.volumeMounts[{position}].subPath"
                yield refusals.forbidden(place, "cannot be set for an Ephemeral Container")
        target = container.target_container_name
        if target and target not in others:
            yield refusals.missing(f"{at}.targetContainerName", target)


def not_yet(spec: types.PodSpec, path: str, where: str) -> Iterator[Problem]:
    """Whatever does not run has none."""
    if spec.ephemeral_containers:
        yield refusals.forbidden(f"{path}.{FIELD}", f"cannot be set {where}")


def _take(pod: types.Pod, given: types.Pod) -> None:
    pod.spec.ephemeral_containers = given.spec.ephemeral_containers


def _added_problems(old: types.Pod, new: types.Pod) -> Iterator[Problem]:
    """What was added stays as it was: its story is told for as long as the pod is there."""
    now = {each.name: each for each in new.spec.ephemeral_containers}
    for container in old.spec.ephemeral_containers:
        if now.get(container.name) != container:
            fate = "changed" if container.name in now else "removed"
            why = f'existing ephemeral containers "{container.name}" may not be {fate}'
            yield refusals.forbidden(f"spec.{FIELD}", why)


PART = Part(take=_take, validate_update=_added_problems)
