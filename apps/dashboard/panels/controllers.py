"""Panels of controllers and of whatever owns pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.cluster import types
from apps.cluster.kinds import DEPLOYMENT, POD, REPLICA_SET
from apps.cluster.revisions import CAUSE, REVISION, revision
from apps.cluster.rows import Stored
from apps.dashboard import access, listing, paths, reading
from apps.dashboard.panels.base import Subject, panel

COLUMNS = ("Name", "Ready", "Status", "Restarts", "Age", "Node")


OWNERS = ("replicationcontrollers", "replicasets.apps", "jobs.batch")


@panel(*OWNERS, template="pods.html", topics=("pods/{namespace}",))
def pods(subject: Subject) -> Mapping[str, Any]:
    """The pods that carry the controller's labels and name it as their owner."""
    rows = [row for row in reading.dependents(subject.who, subject.stored.uid) if row.kind.key == POD.key]
    return pods_table(rows, subject) | {"empty": "It has no pods now."}


@panel(DEPLOYMENT.key, template="pods.html", topics=("pods/{namespace}",))
def pods_of_versions(subject: Subject) -> Mapping[str, Any]:
    """The pods of all its versions."""
    sets = [row for row in versions_of(subject) if row.object.spec.replicas or row.object.status.replicas]
    owned = [row for each in sets for row in reading.dependents(subject.who, each.uid)]
    return pods_table([row for row in owned if row.kind is POD], subject) | {"empty": "It has no pods now."}


@panel(DEPLOYMENT.key, template="versions.html", topics=(f"{REPLICA_SET.key}/{{namespace}}",))
def versions(subject: Subject) -> Mapping[str, Any] | None:
    """Every version that is kept, the newest first, each with the way back to it."""
    rows = versions_of(subject)
    if not rows:
        return None
    current = subject.obj.metadata.annotations.get(REVISION, "")
    may = access.may(subject.who, "patch", DEPLOYMENT, subject.namespace, subject.name)
    return {
        "rows": [_version(row, current) for row in rows],
        "href": paths.of_action("rollout", DEPLOYMENT, subject.namespace, subject.name),
        "refused": "" if may.allowed else may.reason,
    }


def versions_of(subject: Subject) -> list[Stored]:
    rows = [row for row in reading.dependents(subject.who, subject.stored.uid) if row.kind is REPLICA_SET]
    return sorted(rows, key=lambda row: revision(row.object), reverse=True)


def _version(row: Stored, current: str) -> dict[str, Any]:
    replica_set: types.ReplicaSet = row.object
    number = revision(replica_set)
    return {
        "number": number,
        "current": str(number) == current,
        "images": ", ".join(each.image for each in replica_set.spec.template.spec.containers),
        "cause": replica_set.metadata.annotations.get(CAUSE, ""),
        "pods": f"{replica_set.status.ready_replicas}/{replica_set.spec.replicas or 0}",
        "made": replica_set.metadata.creation_timestamp,
        "href": paths.of_object(REPLICA_SET, row.namespace, row.name),
    }


@panel(*OWNERS, DEPLOYMENT.key, template="template.html", aside=True)
def template(subject: Subject) -> Mapping[str, Any]:
    selector = subject.kind.selects(subject.obj)
    return {
        "containers": subject.obj.spec.template.spec.containers,
        "selector": str(selector),
        "pods_href": paths.of_list(POD, namespace=subject.namespace, labels=str(selector)),
    }


def pods_table(rows: Sequence[Any], subject: Subject) -> dict[str, Any]:
    """Pods as a small table inside a page."""
    columns = [column for column in POD.columns if column.name in COLUMNS]
    shown = [listing.row_of(POD, row, columns, "Name", subject.now) for row in rows]
    return {"rows": shown, "headings": COLUMNS, "count": len(shown)}
