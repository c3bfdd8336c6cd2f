"""Places all pending pods in one pass: each sees those placed before it. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.scheduler.filters import Filter
from apps.scheduler.needs import PodNeeds
from apps.scheduler.scores import Points, Score
from apps.scheduler.snapshot import Mask, Snapshot


@dataclass(frozen=True)
class Decision:
    """A node for the pod, or "" and the reason why there is none."""

    pod: PodNeeds
    node: str
    reason: str = ""


def place(
    snapshot: Snapshot, pods: Iterable[PodNeeds], filters: Sequence[Filter], scores: Sequence[Score]
) -> list[Decision]:
    """A decision for every pod, oldest first. The snapshot stays as it is; equal nodes are taken by name."""
    nodes = snapshot.copy()
    fixed = Fixed(nodes, tuple(one for one in filters if one.fixed))
    moving = tuple(one for one in filters if not one.fixed)
    decisions: list[Decision] = []
    for pod in sorted(pods, key=oldest_first):
        suitable, unsuitable = fixed.answer(pod)
        open_, full = narrowed(suitable, pod, nodes, moving)
        if not open_.any():
            decisions.append(Decision(pod, "", sentence(len(nodes.nodes), unsuitable + full)))
            continue
        best = int(np.argmax(np.where(open_, points(pod, nodes, scores), -1.0)))
        nodes.assume(pod, best)
        decisions.append(Decision(pod, nodes.nodes[best].name))
    return decisions


def oldest_first(pod: PodNeeds) -> tuple[float, str, str]:
    return pod.created.timestamp() if pod.created else 0.0, pod.namespace, pod.name


def points(pod: PodNeeds, nodes: Snapshot, scores: Sequence[Score]) -> Points:
    total: Points = np.zeros(len(nodes.nodes), dtype=np.float64)
    for score in scores:
        total += score(pod, nodes)
    return total


class Fixed:
    """Answers of the filters that do not depend on other pods, worked out once for pods that ask alike."""

    def __init__(self, nodes: Snapshot, filters: Sequence[Filter]) -> None:
        self.nodes, self.filters = nodes, filters
        self._known: dict[tuple[object, ...], tuple[Mask, Counter[str]]] = {}

    def answer(self, pod: PodNeeds) -> tuple[Mask, Counter[str]]:
        """The nodes that none of these filters refuses, and the reasons of the others."""
        alike = (pod.selector, pod.tolerations)
        found = self._known.get(alike)
        if found is None:
            everywhere: Mask = np.ones(len(self.nodes.nodes), dtype=np.bool_)
            found = self._known[alike] = narrowed(everywhere, pod, self.nodes, self.filters)
        return found


def narrowed(
    open_: Mask, pod: PodNeeds, nodes: Snapshot, filters: Sequence[Filter]
) -> tuple[Mask, Counter[str]]:
    """The open nodes that no filter refuses; each refused node counts for its first reason."""
    told: Counter[str] = Counter()
    for one in filters:
        refused = open_ & one.refuses(pod, nodes)
        open_ = open_ & ~refused
        if isinstance(one.words, str):
            told[one.words] += int(np.count_nonzero(refused))
        else:
            told.update(one.reason(pod, nodes, int(at)) for at in np.flatnonzero(refused))
    return open_, +told


def sentence(total: int, told: Counter[str]) -> str:
    """``0/3 nodes are available: 2 short of memory, 1 cordoned.``"""
    if not total:
        return "0/0 nodes are available: no node has joined yet."
    reasons = sorted(told.items(), key=lambda item: (-item[1], item[0]))
    return f"0/{total} nodes are available: {', '.join(f'{count} {words}' for words, count in reasons)}."
