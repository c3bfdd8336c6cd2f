"""Asks pods to leave for one that matters more, and notes for whom which node is being cleared."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from apps.cluster import models, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import Conflict, NotFound
from apps.cluster.kinds import POD
from apps.cluster.transaction import Transaction
from apps.scheduler.bind import COMPONENT
from apps.scheduler.place import Decision


def preempt(actor: Actor, decisions: Sequence[Decision], bound: Mapping[str, frozenset[str]]) -> bool:
    """Let the victims go as they would be deleted, with their own grace, and note where room is made.

    Returns False when a node is no longer as it was seen: then nobody leaves it, and it must be decided anew.
    """
    complete = True
    for decision in decisions:
        if decision.victims or decision.nominated != decision.pod.nominated:
            complete &= store.write(actor, lambda tx, one=decision: _carry_out(tx, one, bound))  # type: ignore[misc]
    return complete


def _carry_out(tx: Transaction, decision: Decision, bound: Mapping[str, frozenset[str]]) -> bool:
    pod = tx.find(POD, decision.pod.namespace, decision.pod.name)
    if pod is None or pod.metadata.uid != decision.pod.uid or pod.spec.node_name:
        return False
    if decision.victims:
        there = models.Object.objects.filter(kind=POD.key, node=decision.nominated).values_list(
            "uid", flat=True
        )
        if set(there) != bound.get(decision.nominated, frozenset()):
            return False
    for victim in decision.victims:
        _dismiss(tx, victim.namespace, victim.name, victim.uid, decision)
    status = replace(pod.status, nominated_node_name=decision.nominated)
    tx.update(POD, replace(pod, status=status), part="status")
    return True


def _dismiss(tx: Transaction, namespace: str, name: str, uid: str, decision: Decision) -> None:
    victim = tx.find(POD, namespace, name)
    options = types.DeleteOptions(preconditions=types.Preconditions(uid=uid))
    try:
        tx.delete(POD, namespace, name, options)
    except (Conflict, NotFound):
        return
    # Whoever has to go need not see the other's name: it may be another tenant's.
    told = f"Preempted by pod {decision.pod.uid} of priority {decision.pod.priority} on node {decision.nominated}"
    tx.record(victim, "Preempted", told, component=COMPONENT)
