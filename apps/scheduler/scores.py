"""How well each node suits a pod: 0 to 100 per score, added up. Only nodes that passed the filters are
compared."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from apps.scheduler.needs import PodNeeds
from apps.scheduler.snapshot import Snapshot

Points = NDArray[np.float64]
Score = Callable[[PodNeeds, Snapshot], Points]


def _shares(pod: PodNeeds, nodes: Snapshot) -> tuple[Points, Points]:
    """The part of each node's cpu and memory that is promised once the pod runs there, at most 1."""
    cpu = (nodes.weight_cpu + pod.weight[0]) / np.maximum(nodes.room_cpu, 1)
    memory = (nodes.weight_memory + pod.weight[1]) / np.maximum(nodes.room_memory, 1)
    return np.minimum(cpu, 1.0), np.minimum(memory, 1.0)


def least_requested(pod: PodNeeds, nodes: Snapshot) -> Points:
    """The emptier the better."""
    cpu, memory = _shares(pod, nodes)
    points: Points = (2.0 - cpu - memory) * 50.0
    return points


def balanced(pod: PodNeeds, nodes: Snapshot) -> Points:
    """Cpu and memory used up evenly, so that neither is left over alone."""
    cpu, memory = _shares(pod, nodes)
    points: Points = (1.0 - np.abs(cpu - memory)) * 100.0
    return points


def spreading(pod: PodNeeds, nodes: Snapshot) -> Points:
    """Away from pods of the same controller or service."""
    if not pod.group:
        return np.zeros(len(nodes.nodes), dtype=np.float64)
    points: Points = 100.0 / (1.0 + nodes.group(pod.group).astype(np.float64))
    return points


DEFAULT = tuple(f"apps.scheduler.scores.{name}" for name in ("least_requested", "balanced", "spreading"))
