"""Edge nodes: those that the outside reaches the cluster by. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from apps.cluster import types
from apps.cluster.conditions import is_ready
from apps.cluster.types import ways


def edge_nodes(nodes: Iterable[types.Node]) -> list[types.Node]:
    """The edge, as far as it is ready and not about to go, in the order of the names."""
    known = sorted(nodes, key=lambda node: node.metadata.name)
    chosen = [node for node in known if ways.on_edge(node)] or known
    return [node for node in chosen if is_ready(node.status.conditions) and node.metadata.deletion_timestamp is None]


def address_of(node: types.Node) -> str:
    """Where the outside reaches it; "" for nowhere."""
    told = {one.type: one.address for one in node.status.addresses if ":" not in one.address}
    return told.get("ExternalIP") or told.get("InternalIP", "")
