"""Keeps as many pods of each ReplicationController and ReplicaSet running as its spec asks for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from apps.catalog import pins
from apps.cluster import types
from apps.cluster.errors import ApiError
from apps.cluster.kinds import POD, REPLICA_SET, REPLICATION_CONTROLLER
from apps.cluster.log import Change
from apps.cluster.registry import Kind, kind_for
from apps.cluster.selectors import LabelSelector
from apps.controllers import pods as pod_facts
from apps.controllers.actions import (
    Actions,
    Create,
    Fingerprint,
    Note,
    condition,
    earliest,
    fingerprint,
    told_status,
    with_condition,
)
from apps.controllers.base import Controller
from apps.controllers.owners import Family, adopted, concerned, family, noted, pod_of, pod_removal, released
from apps.controllers.reading import Reader, namespaced

BURST = 100
"""The most pods made or deleted in one transaction; the rest follow in the next."""
PHASE_ORDER = {"": 0, "Pending": 0, "Unknown": 1, "Running": 2}
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


Replicated = types.ReplicationController | types.ReplicaSet


@dataclass(frozen=True)
class View:
    """A controller and every pod that it selects or owns."""

    controller: Replicated
    pods: tuple[types.Pod, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.controller,), self.pods)

    @property
    def kind(self) -> Kind:
        return kind_for(self.controller)


def sort_herd(view: View) -> Family[types.Pod]:
    """Which pods count as replicas, which are adopted and which no longer belong."""
    found = family(view.controller, view.kind.selects(view.controller), view.pods)
    return Family(
        mine=tuple(filter(pod_facts.is_active, found.mine)),
        orphans=tuple(filter(pod_facts.is_active, found.orphans)),
        strays=found.strays,
    )


def deletion_order(pod: types.Pod) -> tuple[bool, int, bool, float, int, float, str]:
    """Sorts pods so that those whose loss costs least come first."""
    since = pod_facts.ready_since(pod)
    created = pod.metadata.creation_timestamp or LONG_AGO
    return (
        bool(pod.spec.node_name),
        PHASE_ORDER.get(pod.status.phase, 2),
        since is not None,
        -(since.timestamp() if since else 0.0),
        -pod_facts.restarts(pod),
        -created.timestamp(),
        pod.metadata.name,
    )


def plan(view: View, now: datetime) -> Actions:
    """Pure. A controller that is being deleted makes and removes nothing; garbage collection sees to its
    pods."""
    rc = view.controller
    if rc.metadata.deletion_timestamp is not None:
        return Actions()
    herd = sort_herd(view)
    running = (*herd.mine, *herd.orphans)
    wanted = 1 if rc.spec.replicas is None else rc.spec.replicas
    missing = min(max(wanted - len(running), 0), BURST)
    surplus = sorted(running, key=deletion_order)[: min(max(len(running) - wanted, 0), BURST)]
    gone = {pod.metadata.uid for pod in surplus}
    kept = [pod for pod in running if pod.metadata.uid not in gone]
    status, again = status_of(rc, kept, missing, now)
    pin = pins.held(rc, (pod for pod in kept if pod_facts.ready_since(pod) is not None))
    updates = (
        *(noted(rc, pin) if status.ready_replicas == wanted else ()),
        *(adopted(POD, pod, rc) for pod in herd.orphans if pod.metadata.uid not in gone),
        *(released(POD, pod, rc) for pod in herd.strays),
    )
    return Actions(
        updates=updates,
        creates=replicas(rc, missing, pin),
        deletes=tuple(pod_removal(pod, rc) for pod in surplus),
        statuses=told_status(rc, status),
        again=again,
    )


def status_of(
    rc: Replicated, kept: Sequence[types.Pod], made: int, now: datetime
) -> tuple[types.ReplicationControllerStatus, datetime | None]:
    """The status once the plan is carried out, and when it changes by the mere passing of time."""
    template = LabelSelector.of(rc.spec.template.metadata.labels)
    patience = timedelta(seconds=rc.spec.min_ready_seconds)
    ready = [since for since in map(pod_facts.ready_since, kept) if since is not None]
    status = type(rc.status)(
        replicas=len(kept) + made,
        fully_labeled_replicas=sum(template.matches(pod.metadata.labels) for pod in kept) + made,
        ready_replicas=len(ready),
        available_replicas=sum(since + patience <= now for since in ready),
        observed_generation=rc.metadata.generation,
        conditions=[found for found in rc.status.conditions if found.type != "ReplicaFailure"],
    )
    return status, earliest(*(since + patience for since in ready if since + patience > now))


def replicas(rc: Replicated, count: int, pin: str) -> tuple[Create, ...]:
    """``count`` new pods of the controller's template, held by the pin; the store completes their names."""
    if not count:
        return ()
    template = types.encode(pins.holding(rc.spec.template, pin))
    told = Note(about=rc, reason="SuccessfulCreate", message="Created pod: {name}")
    return tuple(Create(kind=POD, obj=pod_of(rc, template), told=told) for _ in range(count))


def refusal(view: View, error: ApiError, now: datetime) -> Actions:
    """The pods could not be made: say so where the user looks, in the controller's events and status."""
    rc = view.controller
    # The refused pod's name was made up anew, and would make the same refusal a new one each time.
    why = error.message.replace(error.name, f"{rc.metadata.name}-") if error.name else error.message
    told = Note(about=rc, reason="FailedCreate", message=f"Error creating: {why}", warning=True)
    failure = types.Condition(type="ReplicaFailure", status="True", reason="FailedCreate", message=why)
    counted, _ = status_of(rc, sort_herd(view).mine, 0, now)
    status = replace(counted, conditions=with_condition(rc.status.conditions, failure, now))
    before = condition(rc.status.conditions, "ReplicaFailure")
    return Actions(
        statuses=told_status(rc, status),
        events=(told,) if before is None or before.message != why else (),
    )


class Replication(Controller[View]):
    """One key per ReplicationController: its namespace and name."""

    name = "replication"
    component = "replication-controller"
    kind = REPLICATION_CONTROLLER
    watches = (REPLICATION_CONTROLLER, POD)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        return concerned(self.kind, change, read)

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(self.kind)

    def look(self, read: Reader, key: str) -> View | None:
        namespace, name = namespaced(key)
        rc = read.find(self.kind, namespace, name)
        if rc is None:
            return None
        pods = read.labelled(POD, namespace, self.kind.selects(rc), or_owned_by=rc.metadata.uid)
        return View(rc, tuple(pods))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)

    def refused(self, view: View, error: ApiError, now: datetime) -> Actions:
        return refusal(view, error, now)


class ReplicaSets(Replication):
    """One key per ReplicaSet: its namespace and name."""

    name = "replicaset"
    component = "replicaset-controller"
    kind = REPLICA_SET
    watches = (REPLICA_SET, POD)
