"""What becomes of a node's pods when it is drained: said before it is done. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.cluster import types

TIED = frozenset({"DaemonSet", "Node"})
"""Owners whose pods belong to this very node."""


@dataclass(frozen=True)
class Drain:
    """Each pod of the node is in one of these."""

    moves: list[types.Pod] = field(default_factory=list)
    """Deleted here; their owners make others elsewhere."""
    lost: list[types.Pod] = field(default_factory=list)
    """Deleted; nobody makes them again."""
    stays: list[types.Pod] = field(default_factory=list)

    @property
    def leaving(self) -> list[types.Pod]:
        return [*self.moves, *self.lost]

    @property
    def scratch(self) -> list[str]:
        """Those that lose what is in their empty directories."""
        return [pod.metadata.name for pod in self.leaving if any(volume.empty_dir for volume in pod.spec.volumes)]


def of(pods: Iterable[types.Pod]) -> Drain:
    found = Drain()
    for pod in sorted(pods, key=lambda pod: (pod.metadata.namespace, pod.metadata.name)):
        if pod.metadata.deletion_timestamp is not None:
            continue
        owner = next((owner for owner in pod.metadata.owner_references if owner.controller), None)
        if owner is not None and owner.kind in TIED:
            found.stays.append(pod)
        elif owner is not None or pod.status.is_finished:
            found.moves.append(pod)
        else:
            found.lost.append(pod)
    return found
