"""The cluster at one moment as arrays over its nodes, so that one pod meets all nodes in a few operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from apps.scheduler.needs import HostPort, NodeFacts, PodNeeds

Amounts = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Snapshot:
    """Nodes in the order of their names. ``assume`` is the only thing that changes it."""

    def __init__(self, nodes: Iterable[NodeFacts], placed: Iterable[PodNeeds] = ()) -> None:
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
        self.ports: dict[int, set[HostPort]] = {}
        self.groups: dict[str, Amounts] = {}
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
                self.ports.setdefault(index, set()).update(pod.ports)
            if pod.group:
                self.group(pod.group)[index] += 1

    def group(self, name: str) -> Amounts:
        """How many pods of a group each node has."""
        counts = self.groups.get(name)
        if counts is None:
            counts = self.groups[name] = np.zeros(len(self.nodes), dtype=np.int64)
        return counts

    def assume(self, pod: PodNeeds, at: int) -> None:
        """From now on the pod counts on that node."""
        self.used_cpu[at] += pod.cpu
        self.used_memory[at] += pod.memory
        self.used_pods[at] += 1
        self.weight_cpu[at] += pod.weight[0]
        self.weight_memory[at] += pod.weight[1]
        if pod.ports:
            self.ports.setdefault(at, set()).update(pod.ports)
        if pod.group:
            self.group(pod.group)[at] += 1

    def copy(self) -> Snapshot:
        """The same cluster; assuming pods in the copy leaves this one as it is."""
        twin = Snapshot(self.nodes)
        for name in ("used_cpu", "used_memory", "used_pods", "weight_cpu", "weight_memory"):
            setattr(twin, name, getattr(self, name).copy())
        twin.ports = {at: set(ports) for at, ports in self.ports.items()}
        twin.groups = {name: counts.copy() for name, counts in self.groups.items()}
        return twin
