"""Which volumes the pods' claims have and where those are, and who uses a claim.

A claim without a volume belongs to the node of the first of its pods that was placed: the volume is made there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.cluster import types
from apps.cluster.kinds import storage
from apps.scheduler.needs import PodNeeds


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """A claim as the scheduler sees it; ``volume`` is "" until it has one."""

    key: str
    volume: str = ""
    alone: bool = False
    """Whether one pod at a time may use it."""
    lost: bool = False
    """Whether its volume is gone, and the data with it."""


def claim_facts(claim: types.PersistentVolumeClaim) -> ClaimFacts:
    meta = claim.metadata
    return ClaimFacts(
        key=f"{meta.namespace}/{meta.name}",
        volume=claim.spec.volume_name,
        alone="ReadWriteOncePod" in claim.spec.access_modes,
        lost=claim.status.phase == "Lost",
    )


def volume_facts(volume: types.PersistentVolume) -> tuple[str, str]:
    """A volume's name, and the node that has its data."""
    return volume.metadata.name, storage.node_of(volume)


class Claims:
    """All claims by namespace/name, the nodes of volumes by name, and the pods that use a claim."""

    def __init__(self, known: Iterable[ClaimFacts] = (), volumes: Iterable[tuple[str, str]] = ()) -> None:
        self._known: Mapping[str, ClaimFacts] = {each.key: each for each in known}
        self._nodes: Mapping[str, str] = dict(volumes)
        self._users: dict[str, dict[str, str]] = {}

    def begin(self, placed: Iterable[PodNeeds]) -> None:
        """Note who uses what; the pod that was there first decides where a claim's volume is made."""
        mounting = (pod for pod in placed if pod.claims and not pod.finished)
        for pod in sorted(mounting, key=lambda pod: (pod.created.timestamp() if pod.created else 0.0, pod.name)):
            self.come(pod, pod.node)

    def come(self, pod: PodNeeds, node: str) -> None:
        for key in pod.claims:
            self._users.setdefault(key, {})[pod.uid] = node

    def go(self, pod: PodNeeds) -> None:
        for key in pod.claims:
            self._users.get(key, {}).pop(pod.uid, None)

    def find(self, key: str) -> ClaimFacts | None:
        return self._known.get(key)

    def is_used(self, key: str) -> bool:
        return bool(self._users.get(key))

    def node_of(self, claim: ClaimFacts) -> str:
        """The node that a claim ties its pods to; "" while any will do."""
        if claim.volume:
            return self._nodes.get(claim.volume, "")
        return next(iter(self._users.get(claim.key, {}).values()), "")

    def copy(self) -> Claims:
        twin = Claims()
        twin._known, twin._nodes = self._known, self._nodes
        twin._users = {key: dict(users) for key, users in self._users.items()}
        return twin
