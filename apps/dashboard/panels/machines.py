"""Panels of nodes and namespaces: what they hold and how much room is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.cluster import quantities, store, types
from apps.cluster.kinds import POD
from apps.cluster.selectors import FieldSelector
from apps.dashboard import access, paths, reading
from apps.dashboard.excerpts import size
from apps.dashboard.panels.base import Subject, panel
from apps.dashboard.panels.controllers import pods_table


@dataclass(frozen=True)
class Share:
    """How much of something the pods on a node have asked for."""

    name: str
    asked: str
    of: str
    percent: int


@panel("nodes", template="room.html")
def room(subject: Subject) -> Mapping[str, Any]:
    node: types.Node = subject.obj
    pods = [
        pod
        for pod in reading.pods_on(subject.who, subject.name)
        if pod.status.phase in {"Pending", "Running"}
    ]
    room = node.status.allocatable or node.status.capacity
    cpu, memory = quantities.cpu_milli, quantities.bytes_of
    shares = [
        _share("CPU", sum(_asked(pod, "cpu", cpu) for pod in pods), _of(room, "cpu", cpu), _cores),
        _share(
            "Memory", sum(_asked(pod, "memory", memory) for pod in pods), _of(room, "memory", memory), size
        ),
        _share("Pods", len(pods), _of(room, "pods", int), str),
    ]
    return {"shares": [share for share in shares if share], "node": node}


@panel("nodes", template="pods.html", topics=("pods",))
def pods(subject: Subject) -> Mapping[str, Any]:
    on_it = FieldSelector.of({"spec.nodeName": subject.name})
    rows = store.list(POD, fields=on_it, visible=access.visible(subject.who, POD), limit=reading.MOST).rows
    return pods_table(rows, subject) | {"empty": "No pods run here now.", "places": True}


@panel("namespaces", template="inside.html")
def inside(subject: Subject) -> Mapping[str, Any]:
    counted = reading.inside(subject.who, subject.name)
    lists = [(kind, count, paths.of_list(kind, namespace=subject.name)) for kind, count in counted]
    return {"counted": [(paths.title(kind), count, href, paths.icon(kind)) for kind, count, href in lists]}


def _asked(pod: types.Pod, name: str, read: Any) -> int:
    return sum(_of(container.resources.requests, name, read) for container in pod.spec.containers)


def _of(amounts: Mapping[str, types.Quantity], name: str, read: Any) -> int:
    try:
        return int(read(amounts.get(name, 0)))
    except (ValueError, TypeError):
        return 0


def _share(name: str, asked: int, total: int, words: Any) -> Share | None:
    if not total:
        return None
    return Share(name, words(asked), words(total), min(100, round(100 * asked / total)))


def _cores(milli: int) -> str:
    return f"{milli / 1000:g} cores" if milli != 1000 else "1 core"
