"""Writes down where pods go, many in one transaction, and why others go nowhere."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from apps.cluster import models, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import Conflict, NotFound
from apps.cluster.kinds import POD
from apps.cluster.transaction import Transaction
from apps.scheduler.place import Decision

COMPONENT = "default-scheduler"
AT_ONCE = 250
"""The most pods in one transaction: others wait for the Clock meanwhile."""


def bind(actor: Actor, decisions: Sequence[Decision], bound: Mapping[str, frozenset[str]]) -> bool:
    """Give the pods their nodes. Returns False when some must be decided anew.

    A node on which somebody else has bound a pod since the look takes none now: it may be full.
    """
    complete = True
    seen = {node: set(uids) for node, uids in bound.items()}
    for start in range(0, len(decisions), AT_ONCE):
        batch = decisions[start : start + AT_ONCE]
        done = store.write(actor, lambda tx, batch=batch: _bind(tx, batch, seen))  # type: ignore[misc]
        for decision in done:
            seen.setdefault(decision.node, set()).add(decision.pod.uid)
        complete = complete and len(done) == len(batch)
    return complete


def _bind(tx: Transaction, batch: Sequence[Decision], seen: Mapping[str, set[str]]) -> list[Decision]:
    crowded = _changed_nodes({decision.node for decision in batch}, seen)
    tx.read_ahead(POD, ((decision.pod.namespace, decision.pod.name) for decision in batch))
    done = []
    for decision in batch:
        pod = decision.pod
        if decision.node in crowded:
            continue
        try:
            stored = tx.bind(pod.namespace, pod.name, decision.node, uid=pod.uid)
        except (Conflict, NotFound):
            continue
        told = f"Successfully assigned {pod.namespace}/{pod.name} to {decision.node}"
        tx.record(stored, "Scheduled", told, component=COMPONENT)
        done.append(decision)
    return done


def _changed_nodes(nodes: set[str], seen: Mapping[str, set[str]]) -> set[str]:
    """Nodes that are gone, or have pods which the look did not see."""
    there = set(
        models.Object.objects.filter(kind="nodes", name__in=nodes, deleting=False).values_list(
            "name", flat=True
        )
    )
    pods = models.Object.objects.filter(kind=POD.key, node__in=nodes).values_list("node", "uid")
    return (nodes - there) | {node for node, uid in pods if uid not in seen.get(node, ())}


def refuse(actor: Actor, decisions: Sequence[Decision]) -> None:
    """Say in each pod's condition and in an event why it has no node. What was said already is not said
    again."""
    news = [decision for decision in decisions if decision.reason != decision.pod.refusal]
    for start in range(0, len(news), AT_ONCE):
        batch = news[start : start + AT_ONCE]
        store.write(actor, lambda tx, batch=batch: _refuse(tx, batch))  # type: ignore[misc]


def _refuse(tx: Transaction, batch: Sequence[Decision]) -> None:
    tx.read_ahead(POD, ((decision.pod.namespace, decision.pod.name) for decision in batch))
    for decision in batch:
        pod = tx.find(POD, decision.pod.namespace, decision.pod.name)
        if pod is None or pod.metadata.uid != decision.pod.uid or pod.spec.node_name:
            continue
        since = next(
            (c.last_transition_time for c in pod.status.conditions if c.type == "PodScheduled"), None
        )
        refusal = types.Condition(
            type="PodScheduled",
            status="False",
            reason="Unschedulable",
            message=decision.reason,
            last_transition_time=since or tx.now,
        )
        others = [found for found in pod.status.conditions if found.type != "PodScheduled"]
        status = replace(pod.status, conditions=[*others, refusal])
        tx.update(POD, replace(pod, status=status), part="status")
        tx.record(pod, "FailedScheduling", decision.reason, type="Warning", component=COMPONENT)
