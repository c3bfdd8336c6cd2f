"""Which pods of lower priority must leave so that one more fits: the least harm that is enough. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from apps.scheduler.filters import Filter
from apps.scheduler.needs import PodNeeds
from apps.scheduler.snapshot import Amounts, Mask, Snapshot

MOST_NODES = 32
"""How many nodes are looked at closely, those where the least is at stake."""
OFFSET = 2**31
"""Makes every priority positive, so that more victims never sum up to less harm."""


@dataclass(frozen=True)
class Refusal:
    """Nodes that one filter refused first, and why."""

    by: Filter
    nodes: Mask
    words: str


@dataclass(frozen=True)
class Room:
    """A node on which the pod fits once ``victims`` have left, and ``leaving``, who leave anyway."""

    at: int
    victims: tuple[PodNeeds, ...]
    leaving: tuple[PodNeeds, ...]


def refused(open_: Mask, pod: PodNeeds, nodes: Snapshot, filters: Sequence[Filter]) -> Iterator[Refusal]:
    """Every reason with the open nodes that it is the first for."""
    for one in filters:
        for mask, words in one.refuses(pod, nodes):
            hit = open_ & mask
            if hit.any():
                open_ = open_ & ~hit
                yield Refusal(one, hit, words)


def make_room(pod: PodNeeds, nodes: Snapshot, suitable: Mask, filters: Sequence[Filter]) -> Room | None:
    """Where it costs least that the pod runs, or None where no eviction helps. The snapshot is as before afterwards.

    ``suitable`` are the nodes that may take the pod whatever runs there. Nobody of the pod's own priority or a higher
    one is ever a victim. Pods that are leaving are room to come: where they are enough, nobody else has to go.
    """
    found = [
        room
        for at in _promising(pod, nodes, suitable)
        if (room := _room_on(int(at), pod, nodes, filters)) is not None
    ]
    return min(found, key=lambda room: _harm(room, pod, nodes), default=None)


def _promising(pod: PodNeeds, nodes: Snapshot, suitable: Mask) -> Sequence[int]:
    """Nodes on which there would be room if all that may go were gone, those with the least at stake first."""
    movable = [
        (at, each)
        for at, each in nodes.neighbours.all()
        if suitable[at] and (each.leaving or _lower(each, pod))
    ]
    if not movable:
        return ()
    at = np.fromiter((index for index, _ in movable), dtype=np.int64, count=len(movable))
    size = len(nodes.nodes)

    def freed(values: Iterator[int]) -> Amounts:
        sums = np.zeros(size, dtype=np.int64)
        np.add.at(sums, at, np.fromiter(values, dtype=np.int64, count=len(movable)))
        return sums

    pods = freed(1 for _ in movable)
    enough = suitable & (pods > 0)
    enough &= nodes.used_pods - pods + 1 <= nodes.room_pods
    if pod.cpu:
        enough &= nodes.used_cpu - freed(each.cpu for _, each in movable) + pod.cpu <= nodes.room_cpu
    if pod.memory:
        enough &= (
            nodes.used_memory - freed(each.memory for _, each in movable) + pod.memory <= nodes.room_memory
        )
    highest = np.full(size, -OFFSET, dtype=np.int64)
    stakes = (-OFFSET if each.leaving else each.priority for _, each in movable)
    np.maximum.at(highest, at, np.fromiter(stakes, dtype=np.int64, count=len(movable)))
    chosen = np.flatnonzero(enough)
    order = np.lexsort((chosen, pods[chosen], highest[chosen], chosen != nodes.index.get(pod.nominated, -1)))
    return [*chosen[order][:MOST_NODES]]


def _room_on(at: int, pod: PodNeeds, nodes: Snapshot, filters: Sequence[Filter]) -> Room | None:
    """Take everybody off who may go, then let back whoever still fits beside the pod, the most important first."""
    here: Mask = np.zeros(len(nodes.nodes), dtype=np.bool_)
    here[at] = True

    def fits() -> bool:
        return not any(True for _ in refused(here, pod, nodes, filters))

    there = nodes.neighbours.on(at)
    leaving = [each for each in there if each.leaving]
    lower = [each for each in there if not each.leaving and _lower(each, pod)]
    for each in (*leaving, *lower):
        nodes.release(each, at)
    victims: list[PodNeeds] = []
    enough = fits()
    for each in sorted(lower, key=lambda each: (-each.priority, _age(each), each.uid)):
        nodes.assume(each, at)
        if enough and not fits():
            nodes.release(each, at)
            victims.append(each)
    for each in (*victims, *leaving):
        nodes.assume(each, at)
    return Room(at, tuple(victims), tuple(leaving)) if enough else None


def _lower(each: PodNeeds, pod: PodNeeds) -> bool:
    """Whether it may have to go: it runs there in truth, not only in this pass, and matters less."""
    return bool(each.node) and each.priority < pod.priority


def _harm(room: Room, pod: PodNeeds, nodes: Snapshot) -> tuple[int, int, int, float, bool, int]:
    """By the most important victim, then all of them together, their number, and how long the oldest of them ran."""
    highest = max((each.priority for each in room.victims), default=-OFFSET)
    oldest = min((_age(each) for each in room.victims), default=0.0)
    total = sum(each.priority + OFFSET for each in room.victims)
    elsewhere = nodes.nodes[room.at].name != pod.nominated
    return highest, total, len(room.victims), -oldest, elsewhere, room.at


def _age(pod: PodNeeds) -> float:
    """The time of its making: less is older."""
    return pod.created.timestamp() if pod.created else 0.0
