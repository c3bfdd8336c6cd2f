"""How often nodes give a sign of life: rarely enough that thousands of quiet ones cost little. Pure."""

from __future__ import annotations

from apps.cluster.types.agent import PING_SECONDS

NODES_AT_FULL_PACE = 500
SIGNS_BEFORE_LOST = 4
"""So many signs of life must be missing, at the least, before a node counts as lost."""


def ping_seconds(nodes: int) -> float:
    """Between two signs of life of each of so many nodes: five hundred a pace, whatever their number."""
    return PING_SECONDS * max(1.0, nodes / NODES_AT_FULL_PACE)


def grace_seconds(nodes: int, configured: float) -> float:
    """How long one of so many nodes may be silent: what was configured, but never less than its signs take."""
    if nodes <= NODES_AT_FULL_PACE:
        return configured
    return max(configured, SIGNS_BEFORE_LOST * ping_seconds(nodes))
