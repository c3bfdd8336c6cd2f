"""What the scheduler sees: nodes, pods that run, pods that wait. Texts are read again only when an object
changed."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.db.models import Q

from apps.cluster import models, store, types
from apps.cluster.kinds import (
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SERVICE,
)
from apps.cluster.registry import Kind
from apps.cluster.rows import COLUMNS, Stored
from apps.cluster.selectors import LabelSelector
from apps.scheduler.claims import ClaimFacts, Claims, claim_facts, volume_facts
from apps.scheduler.needs import NodeFacts, PodNeeds, facts_of, needs_of
from apps.scheduler.snapshot import Snapshot

T = TypeVar("T")
CHUNK = 500


class Remembered(Generic[T]):
    """What was read out of objects of one kind, by uid, as long as they keep their number."""

    def __init__(self, kind: Kind, read: Callable[[Any], T]) -> None:
        self.kind, self.read = kind, read
        self._known: dict[str, tuple[int, T]] = {}

    def of(self, wanted: Q) -> list[T]:
        """The facts of the objects that fit, in no order."""
        numbers = dict(models.Object.objects.filter(wanted, kind=self.kind.key).values_list("uid", "number"))
        known = self._known
        stale = [uid for uid, number in numbers.items() if uid not in known or known[uid][0] != number]
        fresh: dict[str, tuple[int, T]] = {}
        for start in range(0, len(stale), CHUNK):
            rows = models.Object.objects.filter(uid__in=stale[start : start + CHUNK]).values_list(*COLUMNS)
            for row in (Stored(self.kind, *values) for values in rows):
                fresh[row.uid] = (row.number, self.read(row.object))
        # What was deleted between the two reads is in neither; what is no longer asked for is forgotten.
        self._known = {uid: fresh.get(uid) or known[uid] for uid in numbers if uid in fresh or uid in known}
        return [facts for _, facts in self._known.values()]


@dataclass(frozen=True)
class View:
    """One moment: ``bound`` are the uids of the pods that name each node, whether they still run or not."""

    snapshot: Snapshot
    pending: Sequence[PodNeeds]
    bound: dict[str, frozenset[str]]


class Eye:
    """Takes views. One per process: it remembers."""

    def __init__(self) -> None:
        self._nodes: Remembered[NodeFacts] = Remembered(NODE, facts_of)
        self._waiting: Remembered[PodNeeds] = Remembered(POD, needs_of)
        self._placed: Remembered[PodNeeds] = Remembered(POD, needs_of)
        self._claims: Remembered[ClaimFacts] = Remembered(PERSISTENT_VOLUME_CLAIM, claim_facts)
        self._volumes: Remembered[tuple[str, str]] = Remembered(PERSISTENT_VOLUME, volume_facts)
        self._namespaces: Remembered[tuple[str, Mapping[str, str]]] = Remembered(NAMESPACE, _labels_of)

    def look(self) -> View | None:
        """What is there now, or None when no pod waits for this scheduler."""
        waiting = self._waiting.of(Q(node="", deleting=False))
        pending = [pod for pod in waiting if pod.ours and not pod.gated and not pod.finished and not pod.node]
        if not pending:
            return None
        placed: Sequence[PodNeeds] = self._placed.of(Q(node__gt=""))
        groups = ServiceGroups({pod.namespace for pod in pending if not pod.group})
        pending, placed = groups.given(pending), groups.given(placed)
        return self._view(pending, placed)

    def consider(self, namespace: str, name: str) -> View | None:
        """What is there now for one pod alone, or None when it is gone or has a node."""
        row = store.find(POD, namespace, name)
        pod = needs_of(row.object) if row is not None else None
        if pod is None or pod.node:
            return None
        return self._view([pod], self._placed.of(Q(node__gt="")))

    def _view(self, pending: Sequence[PodNeeds], placed: Sequence[PodNeeds]) -> View:
        bound: dict[str, set[str]] = {}
        for pod in placed:
            bound.setdefault(pod.node, set()).add(pod.uid)
        namespaces = dict(self._namespaces.of(Q()))
        claims = None
        if any(pod.claims for pod in pending):
            claims = Claims(self._claims.of(Q()), self._volumes.of(Q()))
        snapshot = Snapshot(self._nodes.of(Q()), placed, namespaces, claims)
        return View(snapshot, pending, {node: frozenset(uids) for node, uids in bound.items()})


def _labels_of(namespace: types.Namespace) -> tuple[str, Mapping[str, str]]:
    name = namespace.metadata.name
    return name, {"kubernetes.io/metadata.name": name, **namespace.metadata.labels}


class ServiceGroups:
    """Pods that nobody controls are spread with the others of the first service that selects them."""

    def __init__(self, namespaces: Set[str]) -> None:
        rows = models.Object.objects.filter(kind=SERVICE.key, namespace__in=namespaces)
        self._services: dict[str, list[tuple[LabelSelector, str]]] = {}
        for values in rows.order_by("namespace", "name").values_list(*COLUMNS) if namespaces else ():
            service = Stored(SERVICE, *values).object
            if service.spec.selector:
                chosen = LabelSelector.of(service.spec.selector), service.metadata.uid
                self._services.setdefault(service.metadata.namespace, []).append(chosen)

    def given(self, pods: Sequence[PodNeeds]) -> list[PodNeeds]:
        return [self._given(pod) for pod in pods]

    def _given(self, pod: PodNeeds) -> PodNeeds:
        if pod.group or pod.namespace not in self._services:
            return pod
        for selector, uid in self._services[pod.namespace]:
            if selector.matches(pod.labels):
                return replace(pod, group=uid)
        return pod
