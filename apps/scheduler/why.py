"""Why a pod has no node, node by node, as things are now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.scheduler.place import reasons
from apps.scheduler.scheduler import Scheduler
from apps.scheduler.view import Eye


@dataclass(frozen=True)
class NodeReason:
    """``words`` "" means that the node would take the pod."""

    node: str
    words: str = ""
    helps: str = ""


class Explainer:
    """Remembers what it read, as the scheduler does: one per process."""

    def __init__(self) -> None:
        self._eye = Eye()

    def why_not(self, namespace: str, name: str) -> list[NodeReason]:
        """For every node, in the order of names, why it does not take the pod; nothing for a pod that has a node."""
        view = self._eye.consider(namespace, name)
        if view is None:
            return []
        nodes, (pod,) = view.snapshot, view.pending
        told = {node.name: NodeReason(node.name) for node in nodes.nodes}
        for refusal in reasons(pod, nodes, Scheduler().filters):
            for at in np.flatnonzero(refusal.nodes):
                node = nodes.nodes[int(at)].name
                told[node] = NodeReason(node, refusal.words, refusal.by.helps)
        return [*told.values()]
