"""Places all pending pods in one pass: each sees those placed before it. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from apps.scheduler.filters import Filter
from apps.scheduler.needs import PodNeeds
from apps.scheduler.preempt import Refusal, make_room, refused
from apps.scheduler.scores import Points, Score
from apps.scheduler.snapshot import Mask, Snapshot

MOST_PREEMPTIONS = 20
"""In one pass; the next one comes when the first victims are gone."""
WAITING = "Pods of lower priority leave node {node} for it."


@dataclass(frozen=True)
class Decision:
    """A node for the pod, or "" and the reason why there is none."""

    pod: PodNeeds
    node: str
    reason: str = ""
    nominated: str = ""
    """Where room is being made for it,"""
    victims: tuple[PodNeeds, ...] = ()
    """and who must leave for that now."""


def place(
    snapshot: Snapshot, pods: Iterable[PodNeeds], filters: Sequence[Filter], scores: Sequence[Score]
) -> list[Decision]:
    """A decision for every pod, the most important and oldest first. The snapshot stays as it is; equal nodes are
    taken by name."""
    board = _Board(snapshot.copy(), filters, scores)
    decisions = [board.decide(pod) for pod in sorted(pods, key=turn)]
    while board.company_came:
        # Who waits for neighbours looks again, now that some were placed.
        board.company_came = False
        decisions = [board.decide(each.pod) if board.may_be_in_company(each) else each for each in decisions]
    return decisions


def turn(pod: PodNeeds) -> tuple[int, bool, float, str, str]:
    """For whom room was made comes before his equals, or they would take it."""
    age = pod.created.timestamp() if pod.created else 0.0
    return -pod.priority, not pod.nominated, age, pod.namespace, pod.name


class _Board:
    """The nodes as they fill up during one pass."""

    def __init__(self, nodes: Snapshot, filters: Sequence[Filter], scores: Sequence[Score]) -> None:
        self.nodes, self.scores = nodes, scores
        self._fixed = Fixed(nodes, tuple(one for one in filters if one.fixed))
        self._moving = tuple(one for one in filters if not one.fixed)
        self._lowest = min((pod.priority for _, pod in nodes.neighbours.all()), default=0)
        self._preemptions = 0
        self._hopeless: set[tuple[object, ...]] = set()
        self._waits_for_company = False
        self.company_came = False

    def decide(self, pod: PodNeeds) -> Decision:
        nodes = self.nodes
        suitable, unsuitable = self._fixed.answer(pod)
        open_, full = narrowed(suitable, pod, nodes, self._moving)
        if open_.any():
            best = self._best(pod, open_)
            nodes.assume(pod, best)
            self.company_came = self._waits_for_company
            return Decision(pod, nodes.nodes[best].name)
        self._waits_for_company |= wants_company(pod)
        return self._make_room(pod, suitable, sentence(len(nodes.nodes), unsuitable + full))

    def may_be_in_company(self, decision: Decision) -> bool:
        return not decision.node and not decision.nominated and wants_company(decision.pod)

    def _best(self, pod: PodNeeds, open_: Mask) -> int:
        made = self.nodes.index.get(pod.nominated, -1)
        if made >= 0 and open_[made]:
            return made
        return int(np.argmax(np.where(open_, points(pod, self.nodes, self.scores), -1.0)))

    def _make_room(self, pod: PodNeeds, suitable: Mask, reason: str) -> Decision:
        """The refusal; with who has to leave where the pod may ask for that. Room once made is held for the pod."""
        if not pod.preempts or pod.priority <= self._lowest:
            return Decision(pod, "", reason)
        if self._preemptions >= MOST_PREEMPTIONS and not pod.nominated:
            return Decision(pod, "", reason)
        alike = (pod.priority, pod.cpu, pod.memory, pod.ports, pod.selector, pod.tolerations, pod.relations, pod.claims)
        found = None if alike in self._hopeless else make_room(pod, self.nodes, suitable, self._moving)
        if found is None:
            if pod.relations is None:  # what others' wishes say may change with whoever is placed
                self._hopeless.add(alike)
            return Decision(pod, "", reason)
        self._preemptions += bool(found.victims)
        self._hopeless.clear()
        for gone in (*found.leaving, *found.victims):
            self.nodes.release(gone, found.at)
        self.nodes.assume(pod, found.at)
        node = self.nodes.nodes[found.at].name
        return Decision(pod, "", f"{reason} {WAITING.format(node=node)}", node, found.victims)


def wants_company(pod: PodNeeds) -> bool:
    return pod.relations is not None and bool(pod.relations.near)


def points(pod: PodNeeds, nodes: Snapshot, scores: Sequence[Score]) -> Points:
    total: Points = np.zeros(len(nodes.nodes), dtype=np.float64)
    for score in scores:
        more = score(pod, nodes)
        if more is not None:
            total += more
    return total


class Fixed:
    """Answers of the filters that do not depend on other pods, worked out once for pods that ask alike."""

    def __init__(self, nodes: Snapshot, filters: Sequence[Filter]) -> None:
        self.nodes, self.filters = nodes, filters
        self._known: dict[tuple[object, ...], tuple[Mask, Counter[str]]] = {}

    def answer(self, pod: PodNeeds) -> tuple[Mask, Counter[str]]:
        """The nodes that none of these filters refuses, and the reasons of the others."""
        alike = (
            pod.selector,
            pod.tolerations,
            pod.relations.node_terms if pod.relations is not None else None,
        )
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
    for refusal in refused(open_, pod, nodes, filters):
        told[refusal.words] += int(np.count_nonzero(refusal.nodes))
        open_ = open_ & ~refusal.nodes
    return open_, told


def reasons(pod: PodNeeds, nodes: Snapshot, filters: Sequence[Filter]) -> Iterator[Refusal]:
    """Why each node is refused, its first reason; nodes that would take the pod are in none of them."""
    everywhere: Mask = np.ones(len(nodes.nodes), dtype=np.bool_)
    return refused(everywhere, pod, nodes, filters)


def sentence(total: int, told: Counter[str]) -> str:
    """``0/3 nodes are available: 2 short of memory, 1 cordoned.``"""
    if not total:
        return "0/0 nodes are available: no node has joined yet."
    parts = sorted(told.items(), key=lambda item: (-item[1], item[0]))
    return f"0/{total} nodes are available: {', '.join(f'{count} {words}' for words, count in parts)}."
