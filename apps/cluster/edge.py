"""Edge nodes: those that the outside reaches the cluster by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from apps.cluster import types
from apps.cluster.conditions import is_ready
from apps.cluster.types import ways
from apps.cluster.types.agent import EDGE_UNAVAILABLE


def edge_nodes(nodes: Iterable[types.Node]) -> list[types.Node]:
    """The edge, as far as it is ready and not about to go, in the order of the names."""
    known = sorted(nodes, key=lambda node: node.metadata.name)
    chosen = [node for node in known if ways.on_edge(node)] or known
    return [node for node in chosen if is_ready(node.status.conditions) and node.metadata.deletion_timestamp is None]


def address_of(node: types.Node) -> str:
    """Where the outside reaches it; "" for nowhere."""
    told = {one.type: one.address for one in node.status.addresses if ":" not in one.address}
    return told.get("ExternalIP") or told.get("InternalIP", "")


def serving(nodes: Iterable[types.Node]) -> tuple[list[types.Node], dict[str, types.Condition]]:
    """The edge nodes that serve Ingresses, and by name those that say why they cannot."""
    edge = edge_nodes(nodes)
    stopped = {
        node.metadata.name: why
        for node in edge
        for why in node.status.conditions
        if (why.type, why.status) == (EDGE_UNAVAILABLE, "True")
    }
    return [node for node in edge if node.metadata.name not in stopped and address_of(node)], stopped


def unserved(able: Sequence[types.Node], stopped: Mapping[str, types.Condition]) -> tuple[str, str] | None:
    """Of what ``serving`` found: reason and words where an edge node, or all of them, cannot serve an Ingress."""
    if not able:
        words = "; ".join(f"{name}: {why.message}" for name, why in stopped.items())
        return "NoEdgeNode", f"no edge node can serve it: {words}" if words else "no edge node is ready"
    return next(((why.reason, f"node {name} does not serve it: {why.message}") for name, why in stopped.items()), None)
