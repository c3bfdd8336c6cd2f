"""Asking a pod to leave: allowed while each budget that covers it keeps as many healthy pods as it wants.

The count is taken inside the write that deletes, behind the Clock: two at once cannot both take the last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from apps.cluster import types
from apps.cluster.conditions import is_ready
from apps.cluster.errors import TooManyRequests
from apps.cluster.kinds import DEPLOYMENT, POD, POD_DISRUPTION_BUDGET, REPLICA_SET, REPLICATION_CONTROLLER
from apps.cluster.kinds.budgets import ALWAYS, covers
from apps.cluster.kinds.shares import count
from apps.cluster.registry import Kind
from apps.cluster.transaction import Transaction
from apps.cluster.types import Problem

OWNERS = {kind.name: kind for kind in (REPLICATION_CONTROLLER, REPLICA_SET, DEPLOYMENT)}
"""Whose number of replicas says how many pods there should be."""
UNDER_WAY = types.FINISHED_PHASES | {"Pending"}
"""Phases in which a pod serves nobody: it may always go."""
CAUSE = "DisruptionBudget"


class Finds(Protocol):
    """A transaction, or a controller's reader."""

    def find(self, kind: Kind, namespace: str, name: str) -> Any | None: ...


@dataclass(frozen=True)
class Room:
    """How a budget stands: pods there should be, that are ready and stay, and that must be. ``why`` it is unknown."""

    expected: int = 0
    healthy: int = 0
    desired: int = 0
    why: str = ""

    @property
    def allowed(self) -> int:
        """Pods that may leave now."""
        return max(0, self.healthy - self.desired) if self.expected else 0


def room(budget: types.PodDisruptionBudget, pods: Iterable[types.Pod], read: Finds) -> Room:
    """Of the pods that the budget covers. What a share is of, their owners say."""
    covered = [pod for pod in pods if covers(budget, pod) and not pod.status.is_finished]
    healthy = sum(is_healthy(pod) for pod in covered)
    least, most = budget.spec.min_available, budget.spec.max_unavailable
    if isinstance(least, int):
        return Room(len(covered), healthy, least)
    owners = {owner.metadata.uid: owner for pod in covered if (owner := _owner(pod, read)) is not None}
    stray = next((pod for pod in covered if _owner(pod, read) is None), None)
    if stray is not None:
        return Room(healthy=healthy, why=f'pod "{stray.metadata.name}" has no owner that says how many pods there are')
    expected = sum(1 if owner.spec.replicas is None else owner.spec.replicas for owner in owners.values())
    desired = count(least or 0, expected, up=True) if most is None else expected - count(most, expected, up=True)
    return Room(expected, healthy, max(0, desired))


def is_healthy(pod: types.Pod) -> bool:
    """Ready, and not about to leave already."""
    return is_ready(pod.status.conditions) and pod.metadata.deletion_timestamp is None


def _owner(of: Any, read: Finds) -> Any | None:
    """The topmost owner with a number of replicas."""
    reference = next((each for each in of.metadata.owner_references if each.controller), None)
    kind = OWNERS.get(reference.kind) if reference is not None else None
    if reference is None or kind is None:
        return None
    found = read.find(kind, of.metadata.namespace, reference.name)
    if found is None or found.metadata.uid != reference.uid:
        return None
    return _owner(found, read) or found


def evict(tx: Transaction, namespace: str, name: str, options: types.DeleteOptions) -> None:
    """Delete the pod with its grace. Raises TooManyRequests, naming the budget, while it is needed."""
    pod: types.Pod = tx.get(POD, namespace, name)
    if pod.status.phase not in UNDER_WAY and pod.metadata.deletion_timestamp is None:
        for budget in tx.list(POD_DISRUPTION_BUDGET, namespace):
            if covers(budget, pod):
                _let_go(tx, budget, pod)
    tx.delete(POD, namespace, name, options)


def _let_go(tx: Transaction, budget: types.PodDisruptionBudget, pod: types.Pod) -> None:
    found = room(budget, tx.list(POD, pod.metadata.namespace), tx)
    useless = not is_healthy(pod)
    always = budget.spec.unhealthy_pod_eviction_policy == ALWAYS
    if found.allowed or (useless and (always or found.healthy >= found.desired > 0)):
        return
    named = budget.metadata.name
    why = found.why or f"needs {found.desired} healthy pods and has {found.healthy} currently"
    raise TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        causes=[Problem("", f"The disruption budget {named} {why}", CAUSE)],
        name=pod.metadata.name,
        kind=POD.plural,
    )
