"""What an operator gives a node besides its work: labels, taints, and images to have ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.kinds import NODE
from apps.cluster.transaction import Transaction
from apps.cluster.types.agent import IMAGES_AHEAD


def put(
    who: Actor, name: str, labels: Mapping[str, str], taints: Sequence[types.Taint], images: Sequence[str] = ()
) -> None:
    """Add to what the node has. Raises NotFound or Invalid."""

    def change(tx: Transaction) -> None:
        node: types.Node = tx.get(NODE, "", name)
        add(node, labels, taints)
        if images:
            node.metadata.annotations[IMAGES_AHEAD] = ",".join(images)
        tx.update(NODE, node)

    store.write(who, change)


def add(node: types.Node, labels: Mapping[str, str], taints: Sequence[types.Taint]) -> None:
    """In place; a taint takes the place of one with the same key and effect."""
    node.metadata.labels |= labels
    given = {(taint.key, taint.effect) for taint in taints}
    kept = [taint for taint in node.spec.taints if (taint.key, taint.effect) not in given]
    node.spec.taints = [*kept, *taints]
