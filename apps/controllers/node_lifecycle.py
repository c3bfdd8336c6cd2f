"""Marks nodes that fell silent, moves their pods elsewhere in time, and forgets the pods of nodes that are
gone.

Silence is judged with patience: see patience.py. What this does not do: decide where the pods go (others
replace them).
"""

import bisect
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.kinds import NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD, storage
from apps.cluster.log import Change
from apps.controllers.actions import (
    Actions,
    Delete,
    Fingerprint,
    Note,
    Update,
    condition,
    earliest,
    fingerprint,
    with_condition,
)
from apps.controllers.base import Controller
from apps.controllers.patience import Patience
from apps.controllers.reading import Reader
from apps.controllers.taints import NOT_READY, OURS, UNREACHABLE, leaves_at, wanted_taints
from apps.nodes import pace
from apps.nodes.models import Heartbeat

SILENT = "NodeStatusUnknown"
NODE_LOST = "NodeUnreachable"
MOST = 0.5
MOMENT = timedelta(milliseconds=10)
LOOKS_AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How long things may take."""

    grace: timedelta
    """A node may be silent this long."""
    stay: timedelta
    """Pods that do not say otherwise stay this long on a silent node,"""
    stay_unready: timedelta
    """and this long on one that says it is not ready: its engine may just be restarting."""

    def stays(self) -> Mapping[str, timedelta]:
        return {UNREACHABLE: self.stay, NOT_READY: self.stay_unready}


@dataclass(frozen=True, kw_only=True)
class View:
    """One node (None when it is gone), when it was last heard, and, if something is wrong, its pods."""

    name: str
    node: types.Node | None
    heard: datetime | None
    listening_since: datetime
    """From when on silence counts."""
    calm_since: datetime | None
    """From when on most nodes were heard; None while most are silent."""
    pods: tuple[types.Pod, ...] = ()
    pinned: frozenset[str] = frozenset()
    """The uids of those whose data is on this node alone."""

    @property
    def fingerprint(self) -> Fingerprint:
        heard = int(self.heard.timestamp()) if self.heard else 0
        return fingerprint((self.node,), self.pods) | {(f"heard:{self.name}", heard)}


def plan(view: View, now: datetime, rules: Rules) -> Actions:
    """Pure."""
    node = view.node
    if node is None:
        return Actions(deletes=tuple(forgotten(pod, view.name) for pod in view.pods))
    ready = verdict(view, node, now, rules)
    before = ready_status(node)
    status = told_status(node, ready, now)
    taints = wanted_taints(node.spec.taints, ready, now)
    evictions, again = evicted(view, taints, now, rules)
    lost = lost_at(view, node, rules.grace)
    if ready == "True" and lost - rules.grace / 2 < now < lost:
        again = earliest(again, lost + MOMENT)
    return Actions(
        updates=(retainted(node, taints),) if taints != node.spec.taints else (),
        deletes=(*evictions, *(overdue_removals(view, now) if ready == "Unknown" else ())),
        statuses=(
            *(
                (Update(kind=NODE, obj=replace(node, status=status), part="status"),)
                if status != node.status
                else ()
            ),
            *marked_pods(view, ready, now),
        ),
        events=flip_told(node, before, ready),
        again=again,
    )


def ready_status(node: types.Node) -> str:
    found = condition(node.status.conditions, "Ready")
    return found.status if found is not None else ""


def silent(view: View, node: types.Node, now: datetime, grace: timedelta) -> bool:
    """Not heard for the grace, by somebody who listened all that time."""
    return now > lost_at(view, node, grace)


def lost_at(view: View, node: types.Node, grace: timedelta) -> datetime:
    """Until when it may be silent."""
    since = [view.listening_since, node.metadata.creation_timestamp, view.heard]
    return max(time for time in since if time is not None) + grace


def verdict(view: View, node: types.Node, now: datetime, rules: Rules) -> str:
    """The Ready condition the node should have. What the node itself reported stands while it is heard."""
    if silent(view, node, now, rules.grace):
        return "Unknown"
    said = condition(node.status.conditions, "Ready")
    if said is None:
        return ""
    heard = view.heard is not None and now - view.heard <= rules.grace
    if said.status == "Unknown" and said.reason == SILENT and heard:
        return "True"
    return said.status


def told_status(node: types.Node, ready: str, now: datetime) -> types.NodeStatus:
    """The node's status with what is known about it: nothing, while it is silent."""
    if ready == ready_status(node) or not ready:
        return node.status
    conditions = list(node.status.conditions)
    if ready == "Unknown":
        names = {found.type for found in conditions} | {"Ready"}
        told = {name: ("Unknown", SILENT, "The node's agent stopped reporting.") for name in names}
    else:
        told = {
            found.type: (
                "True" if found.type == "Ready" else "False",
                "AgentHeard",
                "The node's agent reports again.",
            )
            for found in conditions
            if found.reason == SILENT
        }
    for name, (status, reason, message) in sorted(told.items()):
        wanted = types.Condition(type=name, status=status, reason=reason, message=message)
        conditions = with_condition(conditions, wanted, now)
    return replace(node.status, conditions=conditions)


def flip_told(node: types.Node, before: str, ready: str) -> tuple[Note, ...]:
    if ready == before or ready not in {"True", "Unknown"}:
        return ()
    name = node.metadata.name
    if ready == "Unknown":
        message = f"Node {name} status is now: NodeNotReady (its agent stopped reporting)"
        return (Note(about=node, reason="NodeNotReady", message=message, warning=True),)
    return (Note(about=node, reason="NodeReady", message=f"Node {name} status is now: NodeReady"),)


def retainted(node: types.Node, taints: list[types.Taint]) -> Update:
    return Update(kind=NODE, obj=replace(node, spec=replace(node.spec, taints=taints)), part="spec")


def marked_pods(view: View, ready: str, now: datetime) -> Iterator[Update]:
    """Pods of a silent node are not ready; when it is heard again they are what their containers are."""
    for pod in view.pods:
        found = condition(pod.status.conditions, "Ready")
        if found is None or pod.status.is_finished:
            continue
        if ready == "Unknown" and found.status == "True":
            wanted = types.Condition(
                type="Ready", status="False", reason=NODE_LOST, message=lost_words(view, pod)
            )
        elif ready == "True" and found.reason == NODE_LOST:
            containers = condition(pod.status.conditions, "ContainersReady")
            wanted = types.Condition(
                type="Ready", status=containers.status if containers is not None else "True"
            )
        else:
            continue
        status = replace(pod.status, conditions=with_condition(pod.status.conditions, wanted, now))
        yield Update(kind=POD, obj=replace(pod, status=status), part="status")


def lost_words(view: View, pod: types.Pod) -> str:
    words = f"Node {view.name} is not heard."
    if pod.metadata.uid in view.pinned:
        words += " The pod is left to it and not replaced: its data is there and nowhere else."
    return words


def evicted(
    view: View, taints: list[types.Taint], now: datetime, rules: Rules
) -> tuple[tuple[Delete, ...], datetime | None]:
    """The pods whose time on this node is over, and when the next one's is."""
    theirs = [taint for taint in taints if taint.key not in OURS]
    hold = view.calm_since is None or now - max(view.calm_since, view.listening_since) < rules.grace
    counted = theirs if hold else taints
    deletes, later = [], []
    for pod in view.pods:
        due = leaves_at(pod, theirs if pod.metadata.uid in view.pinned else counted, rules.stays())
        if due is None or pod.metadata.deletion_timestamp is not None or pod.status.is_finished:
            continue
        if due > now:
            later.append(due)
            continue
        meta = pod.metadata
        told = Note(
            about=pod, reason="TaintManagerEviction", message=f"Evicted from node {view.name}", warning=True
        )
        deletes.append(Delete(kind=POD, namespace=meta.namespace, name=meta.name, uid=meta.uid, told=told))
    return tuple(deletes), earliest(*later)


def overdue_removals(view: View, now: datetime) -> Iterator[Delete]:
    """Pods that should be gone by now, on a node that cannot say so."""
    for pod in view.pods:
        if pod.metadata.uid in view.pinned:
            continue  # it may still write what its successor would read
        if pod.metadata.deletion_timestamp is not None and pod.metadata.deletion_timestamp <= now:
            yield forgotten(pod, view.name)


def forgotten(pod: types.Pod, node: str) -> Delete:
    meta = pod.metadata
    told = Note(about=pod, reason="NodeGone", message=f"Deleted for good: node {node} is gone", warning=True)
    return Delete(kind=POD, namespace=meta.namespace, name=meta.name, uid=meta.uid, grace=0, told=told)


def in_trouble(node: types.Node) -> bool:
    return ready_status(node) != "True" or any(taint.effect == "NoExecute" for taint in node.spec.taints)


def is_pinned(read: Reader, pod: types.Pod, node: str) -> bool:
    """Whether a volume of the pod has its data on this node alone."""
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is None:
            continue
        name = volume.persistent_volume_claim.claim_name
        claim = read.find(PERSISTENT_VOLUME_CLAIM, pod.metadata.namespace, name)
        held = read.find(PERSISTENT_VOLUME, "", claim.spec.volume_name) if claim is not None else None
        if held is not None and storage.node_of(held) == node:
            return True
    return False


class NodeLifecycle(Controller[View]):
    """One key per node: its name. Also of nodes that are gone while pods still name them."""

    name = "node-lifecycle"
    component = "node-controller"
    watches = (NODE,)
    every = 1.0

    def __init__(self) -> None:
        self.rules = Rules(
            grace=timedelta(seconds=settings.NODE_GRACE),
            stay=timedelta(seconds=settings.NODE_EVICTION),
            stay_unready=timedelta(seconds=getattr(settings, "NODE_UNREADY_EVICTION", 60)),
        )
        self.patience = Patience(self.rules.grace)
        self._known: dict[str, tuple[int, types.Node]] = {}
        self._last_turn = ""

    def keys(self, change: Change, read: Reader) -> Iterable[str]:  # noqa: ARG002
        return (change.name,)

    def all_keys(self, read: Reader) -> Iterable[str]:
        return {key.removeprefix("/") for key in read.keys(NODE)} | read.nodes_of(POD)

    def overdue(self, read: Reader, now: datetime) -> Iterable[str]:
        """Listens: notes who is silent, and names the nodes where something may have to be done."""
        nodes = {node.metadata.name: node for node in read.cached(NODE, self._known)}
        self._keep_pace(len(nodes))
        heard = dict(Heartbeat.objects.values_list("node", "at"))
        late = {name for name in nodes if name not in heard or now - heard[name] > self.rules.grace}
        waning = {name for name in heard.keys() & nodes if now - heard[name] > self.rules.grace / 2} - late
        unready = {name for name, node in nodes.items() if ready_status(node) != "True"}
        self.patience.observe(now, time.monotonic(), storm=len(late | unready) > MOST * len(nodes))
        unknown = {name for name in unready if ready_status(nodes[name]) == "Unknown"}
        flipped = (unknown - late) | (late - unknown if self.patience.lasted(now) else set())
        return flipped | waning | (read.nodes_of(POD) - nodes.keys()) | self._in_turn(nodes)

    def _keep_pace(self, nodes: int) -> None:
        """Many nodes give their signs of life more slowly."""
        grace = timedelta(seconds=pace.grace_seconds(nodes, settings.NODE_GRACE))
        if grace != self.rules.grace:
            self.rules = Rules(grace=grace, stay=self.rules.stay, stay_unready=self.rules.stay_unready)
            self.patience.grace = grace

    def _in_turn(self, nodes: Mapping[str, types.Node]) -> set[str]:
        """Some of the nodes in trouble, others the next time: each look costs, and there may be a thousand."""
        troubled = sorted(name for name, node in nodes.items() if in_trouble(node))
        start = bisect.bisect_right(troubled, self._last_turn)
        turn = [*troubled[start:], *troubled[:start]][:LOOKS_AT_ONCE]
        self._last_turn = turn[-1] if turn else ""
        return set(turn)

    def look(self, read: Reader, key: str) -> View | None:
        node = read.find(NODE, "", key)
        heard = Heartbeat.objects.filter(node=key).values_list("at", flat=True).first()
        silence = heard is None or datetime.now(UTC) - heard > self.rules.grace
        pods = read.on_node(POD, key) if node is None or silence or in_trouble(node) else []
        if node is None and not pods:
            return None
        return View(
            name=key,
            node=node,
            heard=heard,
            listening_since=self.patience.since or datetime.now(UTC),
            calm_since=self.patience.calm_since,
            pods=tuple(pods),
            pinned=frozenset(pod.metadata.uid for pod in pods if node is not None and is_pinned(read, pod, key)),
        )

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now, self.rules)
