"""What agents report, brought into the store. A node speaks for its own pods and itself only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from apps.cluster import store, types
from apps.cluster.actors import node as node_actor
from apps.cluster.conditions import is_ready
from apps.cluster.errors import ApiError
from apps.cluster.kinds import NODE, PERSISTENT_VOLUME, POD, storage
from apps.cluster.transaction import Transaction
from apps.cluster.types import agent
from apps.cluster.types.persistent import ON_NODE
from apps.nodes import merging

Report = agent.StatusBatch | agent.EventBatch | agent.VolumeBatch | agent.NodeReport
Item = TypeVar("Item", agent.PodReport, agent.EventReport)
OF_PODS = (agent.StatusBatch, agent.EventBatch)

MOST_PER_WRITE = 200
COMPONENT = "kubelet"
"""As events name it in every Kubernetes cluster; people and tools look for it."""
LOST = frozenset({"node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"})
"""Taints that say a node is away: they end when it is ready again."""


def parts(report: Report) -> list[Report]:
    """The report in pieces that one write may hold."""
    if isinstance(report, agent.NodeReport):
        return [report]
    starts = range(0, len(report.items), MOST_PER_WRITE)
    return [replace(report, items=report.items[start : start + MOST_PER_WRITE]) for start in starts]


def size(part: Report) -> int:
    """How many objects it may change."""
    return 1 if isinstance(part, agent.NodeReport) else len(part.items)


def take(told: Sequence[tuple[str, Report]]) -> list[list[str] | ApiError]:
    """Store what nodes told, all in one write. Returns for each a note for every item that was not taken, in words,
    or why nothing of it was."""
    items = [item for _, part in told if isinstance(part, OF_PODS) for item in part.items]
    return store.write_all(
        [(node_actor(node), partial(_take, node, part)) for node, part in told],
        ahead=lambda tx: tx.read_ahead(POD, ((item.namespace, item.name) for item in items)),
    )


def _take(node: str, report: Report, tx: Transaction) -> list[str]:
    if isinstance(report, agent.NodeReport):
        _describe(tx, node, report)
        return []
    if isinstance(report, agent.VolumeBatch):
        return [f"{item.name}: {note}" for item in report.items if (note := _let_go(tx, node, item))]
    if isinstance(report, agent.StatusBatch):
        return _each(report.items, _report, node, tx)
    return _each(report.items, _tell, node, tx)


def _each(
    items: Sequence[Item], take: Callable[[Transaction, str, Item], str], node: str, tx: Transaction
) -> list[str]:
    notes = []
    for item in items:
        try:
            note = take(tx, node, item)
        except ApiError as refusal:
            note = refusal.message  # one bad item must not hold back the others, nor come again for ever
        if note:
            notes.append(f"{item.namespace}/{item.name}: {note}")
    return notes


def _report(tx: Transaction, node: str, item: agent.PodReport) -> str:
    pod, note = _own_pod(tx, node, item)
    if pod is None:
        return note
    if item.gone:
        if pod.metadata.deletion_timestamp is None:
            return "its containers are gone, but nobody deleted it: report its state instead"
        options = types.DeleteOptions(grace_period_seconds=0, preconditions=types.Preconditions(uid=item.uid))
        tx.delete(POD, item.namespace, item.name, options)
        return ""
    status = merging.pod_status(pod.status, item.status, tx.now)
    if status is None:
        return f"it has ended ({pod.status.phase}) and does not come back"
    tx.update(POD, replace(pod, status=status), part="status")
    return ""


def _let_go(tx: Transaction, node: str, item: agent.VolumeReport) -> str:
    volume: types.PersistentVolume | None = tx.find(PERSISTENT_VOLUME, "", item.name)
    if volume is None or volume.metadata.uid != item.uid:
        return ""  # it was heard before
    if storage.node_of(volume) != node:
        return f"its data is on node {storage.node_of(volume)}"
    if volume.metadata.deletion_timestamp is None:
        return "nobody deleted it"
    meta = volume.metadata
    meta.finalizers = [each for each in meta.finalizers if each != ON_NODE]
    tx.update(PERSISTENT_VOLUME, volume, part="metadata")
    return ""


def _field_path(pod: types.Pod | types.ObjectReference | None, container: str) -> str:
    field = "containers"
    if isinstance(pod, types.Pod):
        for name in ("init_containers", "ephemeral_containers"):
            if container in {each.name for each in getattr(pod.spec, name)}:
                field = types.wire_name(name)
    return f"spec.{field}{{{container}}}"


def _tell(tx: Transaction, node: str, item: agent.EventReport) -> str:
    about: types.Pod | types.ObjectReference | None
    field_path, note = "", ""
    if item.uid:
        about, note = _own_pod(tx, node, item)
        if item.container:
            field_path = _field_path(about, item.container)
    else:
        found = tx.find(NODE, "", node)
        about = types.ObjectReference(
            kind="Node", api_version="v1", name=node, uid=found.metadata.uid if found else ""
        )
    if about is not None:
        type_ = item.type if item.type in {"Normal", "Warning"} else "Normal"
        tx.record(
            about,
            item.reason,
            item.message,
            type=type_,
            component=COMPONENT,
            host=node,
            field_path=field_path,
        )
    return note


def _own_pod(
    tx: Transaction, node: str, item: agent.PodReport | agent.EventReport
) -> tuple[types.Pod | None, str]:
    """The pod an agent means, when it is this node's to speak of; else None and why not."""
    row = tx.row(POD, item.namespace, item.name)
    if row is None or row.uid != item.uid:
        return None, "it is no more"
    if row.node != node:
        return None, f"it belongs to node {row.node or 'nobody'}"
    return row.object, ""


def _describe(tx: Transaction, name: str, report: agent.NodeReport) -> None:
    """What the node is and can. Makes its object when there is none; writes nothing when nothing changed."""
    labels = {key: value for key, value in report.labels.items() if key.startswith(agent.NODE_LABEL_PREFIXES)}
    labels["kubernetes.io/hostname"] = name
    node: types.Node | None = tx.find(NODE, "", name)
    if node is None:
        node = tx.create(NODE, types.Node(metadata=types.ObjectMeta(name=name, labels=labels)))
    status = merging.node_status(node.status, report.status, report.door_port, tx.now)
    node.metadata.labels |= labels
    if is_ready(status.conditions):
        node.spec.taints = [taint for taint in node.spec.taints if taint.key not in LOST]
    node = tx.update(NODE, node)
    node.status = status
    tx.update(NODE, node, part="status")
