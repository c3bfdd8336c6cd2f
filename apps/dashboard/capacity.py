"""Whether the cluster has room for what a template asks: said before anything is installed."""

from __future__ import annotations

from dataclasses import dataclass

from apps.catalog.format import Definition
from apps.cluster import quantities, types
from apps.cluster.actors import Actor
from apps.cluster.conditions import is_ready
from apps.cluster.kinds import NODE
from apps.dashboard import access, reading


@dataclass(frozen=True)
class Room:
    """One amount: what is asked for, what is free, in words; ``enough`` None when this person may not see nodes."""

    what: str
    asked: str
    free: str
    enough: bool | None


def compared(who: Actor, definition: Definition) -> list[Room]:
    """What the template says it requires against what ready nodes have left. Empty when it requires nothing."""
    wanted = definition.requires
    if not access.visible_at_all(who, NODE):
        return []
    nodes: list[types.Node] = [node for node in reading.everything(who, "nodes") if _takes_pods(node)]
    pods: list[types.Pod] = [pod for pod in reading.everything(who, "pods") if pod.spec.node_name]
    rooms = []
    if wanted.nodes:
        rooms.append(Room("Nodes", str(wanted.nodes), str(len(nodes)), len(nodes) >= wanted.nodes))
    for name, text in (("cpu", wanted.cpu), ("memory", wanted.memory)):
        if text:
            free = max(_left(nodes, pods, name), 0)
            rooms.append(
                Room(
                    name.capitalize() if name != "cpu" else "CPU",
                    text,
                    _shown(name, free),
                    free >= quantities.exact(text),
                )
            )
    return rooms


def _takes_pods(node: types.Node) -> bool:
    ready = is_ready(node.status.conditions)
    return ready and not node.spec.unschedulable


def _left(nodes: list[types.Node], pods: list[types.Pod], name: str) -> int:
    total = sum(quantities.exact(node.status.allocatable.get(name, 0)) for node in nodes)
    there = {node.metadata.name for node in nodes}
    promised = sum(
        quantities.exact(container.resources.requests.get(name, 0))
        for pod in pods
        if pod.spec.node_name in there and not pod.status.is_finished
        for container in pod.spec.containers
    )
    return total - promised


def _shown(name: str, nanos: int) -> str:
    whole = nanos / quantities.NANO
    if name == "cpu":
        return f"{whole:.1f}"
    return f"{whole / 2**30:.1f}Gi" if whole >= 2**30 else f"{whole / 2**20:.0f}Mi"
