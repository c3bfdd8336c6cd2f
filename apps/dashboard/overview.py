"""The cluster at a glance: counts, problems first, controllers, what is reachable from outside, what happened last."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.cluster import types, why
from apps.cluster.actors import Actor
from apps.cluster.conditions import is_ready
from apps.cluster.exposure import exposures
from apps.cluster.kinds import DEPLOYMENT, INGRESS, NODE, POD, REPLICA_SET, REPLICATION_CONTROLLER, SERVICE
from apps.cluster.kinds.pod_columns import status as pod_word
from apps.cluster.registry import kind_for
from apps.dashboard import access, exposed, look, paths, reading, sentences
from apps.dashboard.exposed import WayIn

SHOWN = 8
COUNTED = (NODE, POD, REPLICATION_CONTROLLER, SERVICE)
PATIENCE = timedelta(seconds=60)
"""How long something may be on its way before it counts as a problem."""


@dataclass(frozen=True)
class Trouble:
    """One problem, or several equal ones as one."""

    look: look.Look
    title: str
    text: str
    href: str
    count: int = 1
    since: datetime | None = None


@dataclass(frozen=True)
class Pip:
    name: str
    word: str
    tone: str


@dataclass(frozen=True)
class Work:
    """A controller and its pods."""

    name: str
    namespace: str
    href: str
    ready: int
    wanted: int
    sentence: sentences.Sentence | None
    pips: list[Pip]
    images: str


@dataclass(frozen=True)
class Overview:
    nodes: int
    nodes_ready: int
    cordoned: int
    pods: Counter[str]
    services: int
    namespaces: int
    troubles: list[Trouble]
    more: int
    works: list[Work]
    exposed: list[WayIn]
    events: list[types.Event]
    hidden: frozenset[str]
    """Kinds of which this person may see nothing at all: their counts say nothing."""

    @property
    def pods_total(self) -> int:
        return self.pods.total()

    @property
    def empty(self) -> bool:
        return not self.works and not self.pods.total()


def of_cluster(who: Actor, now: datetime) -> Overview:
    """Everything the first page shows; the number of queries does not grow with the cluster."""
    nodes: Sequence[types.Node] = reading.everything(who, "nodes")
    pods = reading.pods_of(who)
    controllers, homes = _controllers(who)
    services: Sequence[types.Service] = reading.everything(who, "services")
    troubles = [*_of_nodes(nodes), *_of_pods(who, pods, now), *_of_controllers(controllers, pods, now)]
    ready = [node for node in nodes if is_ready(node.status.conditions)]
    return Overview(
        nodes=len(nodes),
        nodes_ready=len(ready),
        cordoned=sum(bool(node.spec.unschedulable) for node in nodes),
        pods=Counter(_bucket(pod, now) for pod in pods),
        services=len(services),
        namespaces=len(reading.namespaces(who)),
        troubles=troubles[:SHOWN],
        more=max(0, len(troubles) - SHOWN),
        works=_works(controllers, homes, pods, now),
        exposed=exposed.plain(exposures(services, pods, nodes, reading.everything(who, INGRESS.key))[:SHOWN]),
        events=reading.latest(who, "events", 8),
        hidden=frozenset(kind.key for kind in COUNTED if not access.visible_at_all(who, kind)),
    )


def _bucket(pod: types.Pod, now: datetime) -> str:
    """Where a pod counts: running, pending, failed, done."""
    tone = look.of_word(pod_word(pod, now)).tone
    if tone == "bad" or pod.status.phase == "Failed":
        return "failed"
    if pod.status.phase == "Succeeded":
        return "done"
    return "running" if tone == "ok" else "pending"


def _of_nodes(nodes: Sequence[types.Node]) -> list[Trouble]:
    found = []
    for node in nodes:
        if not is_ready(node.status.conditions):
            sentence = sentences.of_object("nodes", node, node.metadata.creation_timestamp or datetime.min)
            ready = next((each for each in node.status.conditions if each.type == "Ready"), None)
            found.append(
                Trouble(
                    look.BAD if ready else look.WARN,
                    f"Node {node.metadata.name} is not ready",
                    sentence.text if sentence else "",
                    paths.of_object(NODE, "", node.metadata.name),
                    since=ready.last_transition_time if ready else node.metadata.creation_timestamp,
                )
            )
    return found


def _of_pods(who: Actor, pods: Sequence[types.Pod], now: datetime) -> list[Trouble]:
    unwell = [pod for pod in pods if look.of_word(pod_word(pod, now)).tone not in {"ok", "idle"}]
    told = _events_by_uid(who, unwell) if unwell else {}
    groups: dict[tuple[str, str], list[tuple[types.Pod, why.Why]]] = defaultdict(list)
    for pod in unwell:
        reason = why.of_pod(pod, told.get(pod.metadata.uid, ()), now)
        if reason is None or (reason.tone == "busy" and not _overdue(pod, now)):
            continue
        owner = next((ref.uid for ref in pod.metadata.owner_references if ref.controller), pod.metadata.uid)
        groups[owner, reason.sentence].append((pod, reason))
    found = [_trouble(group) for group in groups.values()]
    return sorted(found, key=lambda trouble: trouble.look.tone != "bad")


def _trouble(group: Sequence[tuple[types.Pod, why.Why]]) -> Trouble:
    pod, reason = group[0]
    meta = pod.metadata
    owner = next((ref for ref in meta.owner_references if ref.controller), None)
    if len(group) > 1 and owner:
        title, href = f"{len(group)} pods of {owner.name}", paths.referred(owner, meta.namespace)
    else:
        title, href = f"Pod {meta.name}", paths.of_object(POD, meta.namespace, meta.name)
    evidence = f" {reason.evidence[0]}" if reason.evidence else ""
    sight = look.BAD if reason.tone == "bad" else look.WAITING
    return Trouble(sight, title, f"{reason.sentence}{evidence}", href, len(group), meta.creation_timestamp)


def _overdue(pod: types.Pod, now: datetime) -> bool:
    began = pod.metadata.deletion_timestamp or pod.metadata.creation_timestamp
    return began is not None and now - began > PATIENCE


def _events_by_uid(who: Actor, pods: Sequence[types.Pod]) -> Mapping[str, list[types.Event]]:
    told: dict[str, list[types.Event]] = defaultdict(list)
    for event in reading.events_of(who, [pod.metadata.uid for pod in pods[:200]], count=400):
        told[event.involved_object.uid].append(event)
    return told


def _controllers(who: Actor) -> tuple[list[Any], dict[str, str]]:
    """What keeps pods running and belongs to nobody else; and whose a replica set's pods are, by its uid."""
    sets: Sequence[types.ReplicaSet] = reading.everything(who, REPLICA_SET.key)
    homes = {each.metadata.uid: ref.uid for each in sets for ref in each.metadata.owner_references if ref.controller}
    deployments: Sequence[types.Deployment] = reading.everything(who, DEPLOYMENT.key)
    replicated: Sequence[types.ReplicationController] = reading.everything(who, REPLICATION_CONTROLLER.key)
    alone = [each for each in sets if each.metadata.uid not in homes]
    return [*deployments, *alone, *replicated], homes


def _of_controllers(controllers: Sequence[Any], pods: Sequence[types.Pod], now: datetime) -> list[Trouble]:
    """Controllers that cannot make their pods; those whose pods have troubles are told by the pods."""
    found = []
    for controller in controllers:
        failed = [each for each in controller.status.conditions if each.type == "ReplicaFailure"]
        for failure in (each for each in failed if each.status == "True"):
            meta = controller.metadata
            href = paths.of_object(kind_for(controller), meta.namespace, meta.name)
            text = f"Pods cannot be made: {failure.message}"
            found.append(
                Trouble(look.BAD, f"{_named(controller)} {meta.name}", text, href, since=failure.last_transition_time)
            )
    return found


def _named(controller: Any) -> str:
    return "Controller" if controller.kind == REPLICATION_CONTROLLER.name else str(controller.kind)


def _works(
    controllers: Sequence[Any], homes: Mapping[str, str], pods: Sequence[types.Pod], now: datetime
) -> list[Work]:
    owned: dict[str, list[types.Pod]] = defaultdict(list)
    for pod in pods:
        for ref in pod.metadata.owner_references:
            owned[homes.get(ref.uid, ref.uid)].append(pod)
    found = []
    for controller in controllers[:60]:
        meta = controller.metadata
        found.append(
            Work(
                name=meta.name,
                namespace=meta.namespace,
                href=paths.of_object(kind_for(controller), meta.namespace, meta.name),
                ready=controller.status.ready_replicas,
                wanted=controller.spec.replicas or 0,
                sentence=sentences.of_object(kind_for(controller).key, controller, now),
                pips=[_pip(pod, now) for pod in owned[meta.uid][:40]],
                images=", ".join(container.image for container in controller.spec.template.spec.containers),
            )
        )
    return found


def _pip(pod: types.Pod, now: datetime) -> Pip:
    word = pod_word(pod, now)
    return Pip(pod.metadata.name, word, look.of_word(word).tone)
