"""Panels of controllers and of whatever owns pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.cluster import types
from apps.cluster.kinds import POD
from apps.cluster.selectors import LabelSelector
from apps.dashboard import listing, paths, reading
from apps.dashboard.panels.base import Subject, panel

COLUMNS = ("Name", "Ready", "Status", "Restarts", "Age", "Node")


@panel("replicationcontrollers", template="pods.html", topics=("pods/{namespace}",))
def pods(subject: Subject) -> Mapping[str, Any]:
    """The pods that carry the controller's labels and name it as their owner."""
    rows = [row for row in reading.dependents(subject.who, subject.stored.uid) if row.kind.key == POD.key]
    return pods_table(rows, subject) | {"empty": "It has no pods now."}


@panel("replicationcontrollers", template="template.html", aside=True)
def template(subject: Subject) -> Mapping[str, Any]:
    controller: types.ReplicationController = subject.obj
    selector = LabelSelector.of(controller.spec.selector)
    return {
        "containers": controller.spec.template.spec.containers,
        "selector": str(selector),
        "pods_href": paths.of_list(POD, namespace=subject.namespace, labels=str(selector)),
    }


def pods_table(rows: Sequence[Any], subject: Subject) -> dict[str, Any]:
    """Pods as a small table inside a page."""
    columns = [column for column in POD.columns if column.name in COLUMNS]
    shown = [listing.row_of(POD, row, columns, "Name", subject.now) for row in rows]
    return {"rows": shown, "headings": COLUMNS, "count": len(shown)}
