"""How well each node suits a pod: 0 to 100 per score, times its weight, added up; None where it makes no
difference. Only nodes that passed the filters are compared."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from apps.scheduler.filters import lying, tolerates
from apps.scheduler.needs import PodNeeds
from apps.scheduler.snapshot import Snapshot

Points = NDArray[np.float64]
Score = Callable[[PodNeeds, Snapshot], Points | None]

WISH, TAINT = 2.0, 3.0
"""What a pod's author wrote down counts for more than tidiness."""


def least_requested(pod: PodNeeds, nodes: Snapshot) -> Points:
    """The emptier the better."""
    cpu, memory = nodes.promised(pod.weight)
    points: Points = (2.0 - cpu - memory) * 50.0
    return points


def balanced(pod: PodNeeds, nodes: Snapshot) -> Points:
    """Cpu and memory used up evenly, so that neither is left over alone."""
    cpu, memory = nodes.promised(pod.weight)
    points: Points = (1.0 - np.abs(cpu - memory)) * 100.0
    return points


def spreading(pod: PodNeeds, nodes: Snapshot) -> Points | None:
    """Away from pods of the same controller or service."""
    if not pod.group:
        return None
    points: Points = 100.0 / (1.0 + nodes.group(pod.group).astype(np.float64))
    return points


def untainted(pod: PodNeeds, nodes: Snapshot) -> Points | None:
    """Away from nodes that would rather have other pods."""
    borne = np.zeros(len(nodes.nodes), dtype=np.float64)
    for taint, tainted in nodes.tainted(softly=True).items():
        if not tolerates(pod, taint):
            borne += tainted
    return _scaled(-borne, TAINT)


def liked_nodes(pod: PodNeeds, nodes: Snapshot) -> Points | None:
    """Nodes with the labels that the pod would rather have."""
    if pod.relations is None or not pod.relations.node_wishes:
        return None
    points = np.zeros(len(nodes.nodes), dtype=np.float64)
    for weight, term in pod.relations.node_wishes:
        points += weight * nodes.labelled(term)
    return _scaled(points, WISH)


def liked_neighbours(pod: PodNeeds, nodes: Snapshot) -> Points | None:
    """Near and far as the pod would rather be, and as the pods that run would rather have it."""
    points = np.zeros(len(nodes.nodes), dtype=np.float64)
    around = nodes.neighbours.around
    for weight, term in pod.relations.wishes if pod.relations is not None else ():
        counts = nodes.neighbours.counts(nodes.neighbours.meant(term))
        points += weight * around(counts, term.topology)
    for claim, topology, counts in nodes.neighbours.claims(pod):
        if claim is not None:
            points += claim * around(counts, topology)
    return _scaled(points, WISH)


def evenly(pod: PodNeeds, nodes: Snapshot) -> Points | None:
    """Into the emptier places, for constraints that need not hold."""
    wishes = (
        [spread for spread in pod.relations.spreads if not spread.hard] if pod.relations is not None else []
    )
    if not wishes:
        return None
    points = np.zeros(len(nodes.nodes), dtype=np.float64)
    for spread in wishes:
        at, nowhere = nodes.neighbours.places(spread.topology)
        around, _ = lying(pod, spread, nodes)
        # A node outside of all places is as good as the fullest one.
        points -= np.where(at == nowhere, around.max(initial=0), around)
    return _scaled(points, WISH)


def _scaled(points: Points, weight: float) -> Points | None:
    """From 0 for the worst to 100 for the best, times the weight."""
    if not len(points):
        return None
    low, high = float(points.min()), float(points.max())
    if low == high:
        return None
    scaled: Points = (points - low) * (100.0 * weight / (high - low))
    return scaled


DEFAULT = tuple(
    f"apps.scheduler.scores.{name}"
    for name in (
        "least_requested", "balanced", "spreading", "untainted", "liked_nodes", "liked_neighbours", "evenly",
    )
)  # fmt: skip
