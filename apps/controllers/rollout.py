"""How many pods each ReplicaSet of a Deployment is to have next. Pure, and about numbers only.

All the while no more than ``replicas + maxSurge`` pods are there and no fewer than ``replicas - maxUnavailable`` are
available, as far as the update is what takes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from apps.cluster import types
from apps.cluster.kinds.shares import count


@dataclass(frozen=True, slots=True)
class Stand:
    """How a ReplicaSet stands: pods asked of it, pods it has, pods of these that are available."""

    name: str
    wanted: int
    there: int
    available: int

    @property
    def healthy(self) -> int:
        """Available pods that it will keep: it gives up the others first."""
        return min(self.available, self.wanted)

    @property
    def held(self) -> int:
        return max(self.wanted, self.there)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The wanted number of pods, and how far an update may stray from it."""

    desired: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        return self.desired + self.surge if self.desired else 0

    @property
    def least(self) -> int:
        return max(self.desired - self.unavailable, 0)


Counts = Mapping[str, int]
"""Pods to ask of each ReplicaSet, by its name."""


def bounds(spec: types.DeploymentSpec) -> Bounds:
    """Of a defaulted spec. Were both shares 0 of so few pods, an update could never begin: then one pod may be away."""
    desired = 1 if spec.replicas is None else spec.replicas
    rolling = spec.strategy.rolling_update or types.RollingUpdateDeployment(max_unavailable=0, max_surge=0)
    surge = count(rolling.max_surge or 0, desired, up=True)
    unavailable = min(count(rolling.max_unavailable or 0, desired, up=False), desired)
    return Bounds(desired, surge, unavailable if surge or unavailable else min(1, desired))


def rolled(new: Stand, old: Sequence[Stand], limits: Bounds) -> Counts:
    """As far as a rolling update can go before its pods have followed; ``old`` begins with the oldest."""
    counts = {new.name: _grown(new, old, limits), **_shrunk(new, old, limits)}
    if all(counts[each.name] == each.wanted for each in (new, *old)):
        return counts
    # The new one only grows, up to what is desired, and the old ones only shrink: this comes to an end.
    first, *others = (replace(each, wanted=counts[each.name]) for each in (new, *old))
    return rolled(first, others, limits)


def recreated(new: Stand, old: Sequence[Stand], desired: int, *, vacated: bool) -> Counts:
    """All old pods first go; ``vacated`` says that none is left, not even one that is still stopping."""
    emptied = dict.fromkeys((each.name for each in old), 0)
    ready = vacated and not any(each.held for each in old)
    return {**emptied, new.name: desired if ready else min(new.wanted, desired)}


def spread(stands: Sequence[Stand], total: int) -> Counts:
    """Scale all of them alike, so that a bad new version gets no more weight by it; ``stands`` begins with the
    newest, which takes what cannot be parted."""
    held = sum(each.wanted for each in stands)
    if not held:
        return {each.name: total if each is stands[0] else 0 for each in stands}
    counts = {each.name: each.wanted * total // held for each in stands}
    by_need = sorted(stands, key=lambda each: -(each.wanted * total % held))
    for each in by_need[: total - sum(counts.values())]:
        counts[each.name] += 1
    return counts


def _grown(new: Stand, old: Sequence[Stand], limits: Bounds) -> int:
    room = limits.most - sum(each.held for each in old)
    return min(limits.desired, max(new.wanted, room))


def _shrunk(new: Stand, old: Sequence[Stand], limits: Bounds) -> Counts:
    """Old pods that are no use go first, those of the oldest version before others."""
    counts = {each.name: each.wanted for each in old}
    arrived = min(new.healthy, limits.desired)
    spare = sum(counts.values()) + arrived - limits.least
    for each in old:
        gone = max(min(spare, each.wanted - each.healthy), 0)
        counts[each.name] -= gone
        spare -= gone
    spare = sum(each.healthy for each in old) + arrived - limits.least
    for each in old:
        gone = max(min(spare, counts[each.name]), 0)
        counts[each.name] -= gone
        spare -= gone
    return counts
