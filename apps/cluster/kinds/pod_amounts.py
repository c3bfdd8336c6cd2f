"""What a pod asks for and may use in all, as quotas and limit ranges count it."""

from __future__ import annotations

from collections.abc import Iterator

from apps.cluster import quantities, types
from apps.cluster.quantities import NANO

COMPUTE = ("cpu", "memory")


def every_container(spec: types.PodSpec, path: str) -> Iterator[tuple[str, types.Container]]:
    """Each container with its field's path; those that run before or beside the others, or look at them, included."""
    for field in ("init_containers", "containers", "ephemeral_containers"):
        for index, container in enumerate(getattr(spec, field)):
            yield f"{path}.{types.wire_name(field)}[{index}]", container


def total(spec: types.PodSpec, field: str, name: str) -> int:
    """The most it takes at any one time: one that runs before the others needs room beside the sidecars before it."""
    beside = peak = 0
    for container in spec.init_containers:
        amount = _amount(container, field, name)
        peak = max(peak, beside + amount)
        if container.restart_policy == "Always":
            beside += amount
    return max(peak, beside + sum(_amount(each, field, name) for each in spec.containers))


def _amount(container: types.Container, field: str, name: str) -> int:
    amount = getattr(container.resources, field).get(name)
    return 0 if amount is None else quantities.exact(amount)


def charges(pod: types.Pod) -> dict[str, int]:
    """What a pod takes of a quota; one that has ended takes nothing any more."""
    if pod.status.is_finished:
        return {}
    found = {"pods": NANO}
    for name in COMPUTE:
        requests, limits = total(pod.spec, "requests", name), total(pod.spec, "limits", name)
        if requests:
            found[name] = found[f"requests.{name}"] = requests
        if limits:
            found[f"limits.{name}"] = limits
    return found
