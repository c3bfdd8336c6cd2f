"""What a pod asks for and may use in all, as quotas and limit ranges count it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apps.cluster import quantities, types
from apps.cluster.quantities import NANO

ENDED = frozenset({"Succeeded", "Failed"})
COMPUTE = ("cpu", "memory")


def every_container(spec: types.PodSpec, path: str) -> Iterator[tuple[str, types.Container]]:
    """Each container with its field's path; those that run before or beside the others included."""
    for field in ("containers", "init_containers", "ephemeral_containers"):
        for index, container in enumerate(getattr(spec, field, None) or ()):
            yield f"{path}.{types.wire_name(field)}[{index}]", container


def total(spec: types.PodSpec, field: str, name: str) -> int:
    """The sum over the containers; one that runs before them counts where it asks for more than they do."""
    first = getattr(spec, "init_containers", None) or ()
    return max(sum(_amounts(spec.containers, field, name)), max(_amounts(first, field, name), default=0))


def _amounts(containers: Iterable[types.Container], field: str, name: str) -> Iterator[int]:
    for container in containers:
        amount = getattr(container.resources, field).get(name)
        if amount is not None:
            yield quantities.exact(amount)


def charges(pod: types.Pod) -> dict[str, int]:
    """What a pod takes of a quota; one that has ended takes nothing any more."""
    if pod.status.phase in ENDED:
        return {}
    found = {"pods": NANO}
    for name in COMPUTE:
        requests, limits = total(pod.spec, "requests", name), total(pod.spec, "limits", name)
        if requests:
            found[name] = found[f"requests.{name}"] = requests
        if limits:
            found[f"limits.{name}"] = limits
    return found
