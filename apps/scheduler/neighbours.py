"""Which pods run where, as pods with wishes about their neighbours ask: counted only for what is asked."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from apps.scheduler.needs import PodNeeds
from apps.scheduler.relations import Crowd, PodTerm

Amounts = NDArray[np.int64]
Kin = tuple[str, bool, frozenset[tuple[str, str]]]
"""All that a crowd asks of a pod: pods of one kin belong to the same crowds."""

Held = tuple[int | None, PodTerm]
"""What a pod that runs says of others: a weight, or None for a refusal."""


class Neighbours:
    """``labels`` are the nodes', ``namespaces`` the labels of all namespaces. Nodes are meant by their index."""

    def __init__(
        self, labels: Sequence[Mapping[str, str]], namespaces: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._labels, self._namespaces = labels, namespaces
        self._there: dict[int, dict[str, PodNeeds]] = {}
        self._crowds: dict[Crowd, Amounts] = {}
        self._held: dict[Held, Amounts] = {}
        self._claims: dict[Kin, tuple[Held, ...]] = {}
        self._of_kin: dict[Kin, tuple[Crowd, ...]] = {}
        self._places: dict[str, tuple[Amounts, int]] = {}

    def begin(self, there: Iterable[tuple[int, PodNeeds]]) -> None:
        """The pods that run already, each with its node."""
        for at, pod in there:
            self._there.setdefault(at, {})[pod.uid] = pod
            if pod.relations is not None:
                self._hold(pod, at, 1)

    def come(self, pod: PodNeeds, at: int) -> None:
        self._there.setdefault(at, {})[pod.uid] = pod
        self._count(pod, at, 1)

    def go(self, pod: PodNeeds, at: int) -> None:
        del self._there[at][pod.uid]
        self._count(pod, at, -1)

    def on(self, at: int) -> Sequence[PodNeeds]:
        """The pods of one node."""
        return [*self._there.get(at, {}).values()]

    def all(self) -> Iterator[tuple[int, PodNeeds]]:
        return ((at, pod) for at, pods in self._there.items() for pod in pods.values())

    def meant(self, term: PodTerm) -> Crowd:
        return term.crowd(self._namespaces)

    def counts(self, crowd: Crowd) -> Amounts:
        """How many pods of the crowd each node has."""
        counts = self._crowds.get(crowd)
        if counts is None:
            counts = self._crowds[crowd] = np.zeros(len(self._labels), dtype=np.int64)
            self._of_kin = {}
            known: dict[Kin, bool] = {}
            for at, pod in self.all():
                kin = _kin(pod)
                belongs = known.get(kin)
                if belongs is None:
                    belongs = known[kin] = _belongs(pod, crowd)
                counts[at] += belongs
        return counts

    def places(self, topology: str) -> tuple[Amounts, int]:
        """The place of each node, and how many there are; a node without the label is in the place of that number."""
        found = self._places.get(topology)
        if found is None:
            numbers: dict[str, int] = {}
            values = [labels.get(topology) for labels in self._labels]
            for value in values:
                if value is not None:
                    numbers.setdefault(value, len(numbers))
            nowhere = len(numbers)
            at = np.fromiter(
                (nowhere if value is None else numbers[value] for value in values),
                dtype=np.int64,
                count=len(values),
            )
            found = self._places[topology] = at, nowhere
        return found

    def around(self, counts: Amounts, topology: str) -> Amounts:
        """For each node, the sum over all nodes of its place; 0 for nodes that are in none."""
        at, nowhere = self.places(topology)
        sums = np.bincount(at, weights=counts, minlength=nowhere + 1).astype(np.int64)
        sums[nowhere] = 0
        gathered: Amounts = sums[at]
        return gathered

    def claims(self, pod: PodNeeds) -> Iterator[tuple[int | None, str, Amounts]]:
        """What pods that run say of this one: a weight (None: they refuse it), by which label, and how many on each
        node say so."""
        if not self._held:
            return
        kin = _kin(pod)
        known = self._claims.get(kin)
        if known is None:
            known = self._claims[kin] = tuple(held for held in self._held if self.meant(held[1]).holds(pod))
        for weight, term in known:
            yield weight, term.topology, self._held[weight, term]

    def copy(self) -> Neighbours:
        twin = copy.copy(self)
        twin._there = {at: dict(pods) for at, pods in self._there.items()}
        twin._crowds = {crowd: counts.copy() for crowd, counts in self._crowds.items()}
        twin._of_kin, twin._claims = {}, {}
        twin._held = {held: counts.copy() for held, counts in self._held.items()}
        return twin

    def _count(self, pod: PodNeeds, at: int, sign: int) -> None:
        if self._crowds:
            kin = _kin(pod)
            crowds = self._of_kin.get(kin)
            if crowds is None:
                crowds = self._of_kin[kin] = tuple(crowd for crowd in self._crowds if _belongs(pod, crowd))
            for crowd in crowds:
                self._crowds[crowd][at] += sign
        if pod.relations is not None:
            self._hold(pod, at, sign)

    def _hold(self, pod: PodNeeds, at: int, sign: int) -> None:
        assert pod.relations is not None
        for held in pod.relations.held():
            if held not in self._held:
                self._claims = {}
                self._held[held] = np.zeros(len(self._labels), dtype=np.int64)
            self._held[held][at] += sign


def _kin(pod: PodNeeds) -> Kin:
    return pod.namespace, pod.leaving, frozenset(pod.labels.items())


def _belongs(pod: PodNeeds, crowd: Crowd) -> bool:
    return not (crowd.staying and pod.leaving) and crowd.holds(pod)
