"""The panel of a pod that has no node: why not, node by node, and what would help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.cluster import types
from apps.cluster.kinds import NODE
from apps.dashboard import access, paths
from apps.dashboard.panels.base import Subject, panel
from apps.scheduler.why import Explainer

MOST = 200

_explainer = Explainer()


@panel("pods", template="refused_by.html", topics=("nodes", "pods"))
def refused_by(subject: Subject) -> Mapping[str, Any] | None:
    """Only for those who may see the nodes: their names and states are told."""
    pod: types.Pod = subject.obj
    waits = not pod.spec.node_name and pod.metadata.deletion_timestamp is None and not pod.status.is_finished
    if not waits or pod.spec.scheduling_gates or not access.may(subject.who, "list", NODE).allowed:
        return None
    told = _explainer.why_not(subject.namespace, subject.name)
    shown = sorted(told, key=lambda each: (bool(each.words), each.node))[:MOST]
    rows = [(each, paths.of_object(NODE, "", each.node)) for each in shown]
    return {"rows": rows, "more": len(told) - len(rows)} if rows else None
