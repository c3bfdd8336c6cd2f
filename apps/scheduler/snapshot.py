"""The cluster at one moment as arrays over its nodes, so that one pod meets all nodes in a few operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from apps.scheduler.claims import Claims
from apps.scheduler.needs import HostPort, NodeFacts, PodNeeds, Taint
from apps.scheduler.neighbours import Neighbours
from apps.scheduler.relations import NodeTerm

Amounts = NDArray[np.int64]
Mask = NDArray[np.bool_]
Shares = NDArray[np.float64]
TOTALS = ("used_cpu", "used_memory", "used_pods", "weight_cpu", "weight_memory")


class Snapshot:
    """Nodes in the order of their names. ``assume`` and ``release`` are the only things that change it.

    ``namespaces`` are the labels of all namespaces.
    """

    def __init__(
        self,
        nodes: Iterable[NodeFacts],
        placed: Iterable[PodNeeds] = (),
        namespaces: Mapping[str, Mapping[str, str]] | None = None,
        claims: Claims | None = None,
    ) -> None:
        self.nodes: Sequence[NodeFacts] = sorted(nodes, key=lambda node: node.name)
        self.index: Mapping[str, int] = {node.name: at for at, node in enumerate(self.nodes)}
        self.room_cpu = self._amounts(node.cpu for node in self.nodes)
        self.room_memory = self._amounts(node.memory for node in self.nodes)
        self.room_pods = self._amounts(node.pods for node in self.nodes)
        self.cordoned: Mask = np.array([node.cordoned for node in self.nodes], dtype=np.bool_)
        self.ready: Mask = np.array([node.ready for node in self.nodes], dtype=np.bool_)
        size = len(self.nodes)
        self.used_cpu, self.used_memory, self.used_pods = (np.zeros(size, dtype=np.int64) for _ in range(3))
        self.weight_cpu, self.weight_memory = (np.zeros(size, dtype=np.int64) for _ in range(2))
        self.ports: dict[int, list[HostPort]] = {}
        self.groups: dict[str, Amounts] = {}
        self.neighbours = Neighbours([node.labels for node in self.nodes], namespaces or {})
        self._promised: tuple[tuple[int, int], tuple[Shares, Shares]] | None = None
        self._masks: dict[object, Mask] = {}
        self._taints: dict[bool, dict[Taint, Mask]] = {}
        self.claims = claims or Claims()
        self._add_all(placed)

    @staticmethod
    def _amounts(values: Iterable[int]) -> Amounts:
        return np.fromiter(values, dtype=np.int64)

    def _add_all(self, placed: Iterable[PodNeeds]) -> None:
        """Sum up what runs, all pods in a few operations."""
        there = [(self.index[pod.node], pod) for pod in placed if pod.node in self.index and not pod.finished]
        if not there:
            return
        at = np.fromiter((index for index, _ in there), dtype=np.int64, count=len(there))
        for total, values in (
            (self.used_cpu, (pod.cpu for _, pod in there)),
            (self.used_memory, (pod.memory for _, pod in there)),
            (self.weight_cpu, (pod.weight[0] for _, pod in there)),
            (self.weight_memory, (pod.weight[1] for _, pod in there)),
            (self.used_pods, (1 for _ in there)),
        ):
            np.add.at(total, at, np.fromiter(values, dtype=np.int64, count=len(there)))
        for index, pod in there:
            if pod.ports:
                self.ports.setdefault(index, []).extend(pod.ports)
            if pod.group and not pod.leaving:
                self.group(pod.group)[index] += 1
        self.neighbours.begin(there)
        self.claims.begin(pod for _, pod in there)

    def group(self, name: str) -> Amounts:
        """How many pods of a group each node has, those aside that are leaving: their places become free."""
        counts = self.groups.get(name)
        if counts is None:
            counts = self.groups[name] = np.zeros(len(self.nodes), dtype=np.int64)
        return counts

    def assume(self, pod: PodNeeds, at: int) -> None:
        """From now on the pod counts on that node."""
        self._count(pod, at, 1)
        if pod.ports:
            self.ports.setdefault(at, []).extend(pod.ports)
        self.neighbours.come(pod, at)
        self.claims.come(pod, self.nodes[at].name)

    def release(self, pod: PodNeeds, at: int) -> None:
        """From now on the pod, which did count on that node, no longer does."""
        self._count(pod, at, -1)
        for port in pod.ports:
            self.ports[at].remove(port)
        self.neighbours.go(pod, at)
        self.claims.go(pod)

    def promised(self, weight: tuple[int, int]) -> tuple[Shares, Shares]:
        """The part of each node's cpu and memory that is promised once a pod of this weight runs there, at most 1;
        worked out once for all that ask before the next pod comes."""
        if self._promised is None or self._promised[0] != weight:
            cpu = (self.weight_cpu + weight[0]) / np.maximum(self.room_cpu, 1)
            memory = (self.weight_memory + weight[1]) / np.maximum(self.room_memory, 1)
            self._promised = weight, (np.minimum(cpu, 1.0), np.minimum(memory, 1.0))
        return self._promised[1]

    def _count(self, pod: PodNeeds, at: int, sign: int) -> None:
        self._promised = None
        self.used_cpu[at] += sign * pod.cpu
        self.used_memory[at] += sign * pod.memory
        self.used_pods[at] += sign
        self.weight_cpu[at] += sign * pod.weight[0]
        self.weight_memory[at] += sign * pod.weight[1]
        if pod.group and not pod.leaving:
            self.group(pod.group)[at] += sign

    def labelled(self, wanted: NodeTerm) -> Mask:
        """The nodes that a term means; worked out once."""
        found = self._masks.get(wanted)
        if found is None:
            found = self._masks[wanted] = np.array(
                [wanted.matches(node.labels, node.name) for node in self.nodes], dtype=np.bool_
            )
        return found

    def tainted(self, *, softly: bool = False) -> Mapping[Taint, Mask]:
        """Every taint there is, and the nodes that have it; ``softly``: those that keep nobody away."""
        found = self._taints.get(softly)
        if found is None:
            found = self._taints[softly] = {}
            for at, node in enumerate(self.nodes):
                for taint in node.soft_taints if softly else node.taints:
                    if taint not in found:
                        found[taint] = np.zeros(len(self.nodes), dtype=np.bool_)
                    found[taint][at] = True
        return found

    def copy(self) -> Snapshot:
        """The same cluster; assuming pods in the copy leaves this one as it is."""
        twin: Snapshot = object.__new__(Snapshot)
        vars(twin).update(vars(self))
        for name in TOTALS:
            setattr(twin, name, getattr(self, name).copy())
        twin.ports = {at: list(ports) for at, ports in self.ports.items()}
        twin.groups = {name: counts.copy() for name, counts in self.groups.items()}
        twin.neighbours = self.neighbours.copy()
        twin.claims = self.claims.copy()
        return twin
