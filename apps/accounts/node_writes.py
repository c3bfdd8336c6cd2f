"""What a node's agent may say of its node, checked inside the write: of itself only, and nothing that draws pods to it.

Labels and taints decide which pods, with which secrets, a machine is given; so its agent sets only what it observes.
"""

from __future__ import annotations

from apps.cluster import types
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import NODE
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.registry import guard
from apps.cluster.types.agent import NODE_LABEL_PREFIXES


def watch_over_nodes() -> None:
    """From now on every write of a node is held to this."""
    guard(NODE, check_node)


def check_node(tx: Transaction, old: types.Node | None, new: types.Node) -> None:
    """Raises Forbidden for what is not a node's own to say. People and controllers are not concerned."""
    if not tx.actor.node:
        return
    why = _refusal(tx.actor.node, old or types.Node(), new)
    if why:
        name = new.metadata.name
        raise Forbidden(f'nodes "{name}" is forbidden: {tx.actor.name} {why}', name=name, kind="nodes")


def _refusal(node: str, old: types.Node, new: types.Node) -> str:
    if new.metadata.name != node:
        return "speaks for itself only"
    before, after = old.metadata.labels, new.metadata.labels
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    foreign = [key for key in changed if not key.startswith(NODE_LABEL_PREFIXES)]
    if foreign:
        return f"may not set the label {foreign[0]}"
    if any(taint not in old.spec.taints for taint in new.spec.taints):
        return "may not add taints"
    if bool(new.spec.unschedulable) != bool(old.spec.unschedulable):
        return "may not open or close itself for pods"
    return ""
