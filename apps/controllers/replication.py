"""Keeps as many pods of each ReplicationController running as its spec asks for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.errors import ApiError
from apps.cluster.kinds import POD, REPLICATION_CONTROLLER
from apps.cluster.log import Change
from apps.cluster.selectors import LabelSelector
from apps.controllers import pods as pod_facts
from apps.controllers.actions import (
    Actions,
    Create,
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
from apps.controllers.reading import Reader, key_of, meta_in, namespaced

BURST = 100
"""The most pods made or deleted in one transaction; the rest follow in the next."""
PHASE_ORDER = {"": 0, "Pending": 0, "Unknown": 1, "Running": 2}
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class View:
    """A controller and every pod that it selects or owns."""

    controller: types.ReplicationController
    pods: tuple[types.Pod, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.controller,), self.pods)


@dataclass(frozen=True)
class Herd:
    """The pods of a view, sorted by what is to be done with them."""

    mine: tuple[types.Pod, ...]
    orphans: tuple[types.Pod, ...]
    strays: tuple[types.Pod, ...]


def selector_of(rc: types.ReplicationController) -> Mapping[str, str]:
    return rc.spec.selector or rc.spec.template.metadata.labels


def sort_herd(view: View) -> Herd:
    """Which pods count as replicas, which are adopted and which no longer belong."""
    uid, selector = view.controller.metadata.uid, LabelSelector.of(selector_of(view.controller))
    mine, orphans, strays = [], [], []
    for pod in view.pods:
        owner, fits = pod_facts.controller_of(pod), bool(selector) and selector.matches(pod.metadata.labels)
        if owner is not None and owner.uid == uid:
            if not fits:
                if pod.metadata.deletion_timestamp is None:
                    strays.append(pod)
            elif pod_facts.is_active(pod):
                mine.append(pod)
        elif owner is None and fits and pod_facts.is_active(pod):
            orphans.append(pod)
    return Herd(tuple(mine), tuple(orphans), tuple(strays))


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
    updates = (
        *(adopted(pod, rc) for pod in herd.orphans if pod.metadata.uid not in gone),
        *(released(pod, rc) for pod in herd.strays),
    )
    return Actions(
        updates=updates,
        creates=replicas(rc, missing),
        deletes=tuple(removal(pod, rc) for pod in surplus),
        statuses=told_status(rc, status),
        again=again,
    )


def status_of(
    rc: types.ReplicationController, kept: Sequence[types.Pod], made: int, now: datetime
) -> tuple[types.ReplicationControllerStatus, datetime | None]:
    """The status once the plan is carried out, and when it changes by the mere passing of time."""
    template = LabelSelector.of(rc.spec.template.metadata.labels)
    patience = timedelta(seconds=rc.spec.min_ready_seconds)
    ready = [since for since in map(pod_facts.ready_since, kept) if since is not None]
    status = types.ReplicationControllerStatus(
        replicas=len(kept) + made,
        fully_labeled_replicas=sum(template.matches(pod.metadata.labels) for pod in kept) + made,
        ready_replicas=len(ready),
        available_replicas=sum(since + patience <= now for since in ready),
        observed_generation=rc.metadata.generation,
        conditions=[found for found in rc.status.conditions if found.type != "ReplicaFailure"],
    )
    return status, earliest(*(since + patience for since in ready if since + patience > now))


def told_status(
    rc: types.ReplicationController, status: types.ReplicationControllerStatus
) -> tuple[Update, ...]:
    """The status write, or none when nothing changed."""
    if status == rc.status:
        return ()
    return (Update(kind=REPLICATION_CONTROLLER, obj=replace(rc, status=status), part="status"),)


def owner_reference(rc: types.ReplicationController) -> types.OwnerReference:
    return types.OwnerReference(
        api_version="v1",
        kind="ReplicationController",
        name=rc.metadata.name,
        uid=rc.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def replicas(rc: types.ReplicationController, count: int) -> tuple[Create, ...]:
    """``count`` new pods of the controller's template; the store completes their names."""
    if not count:
        return ()
    template = types.encode(rc.spec.template)
    told = Note(about=rc, reason="SuccessfulCreate", message="Created pod: {name}")
    return tuple(Create(kind=POD, obj=new_pod(rc, template), told=told) for _ in range(count))


def new_pod(rc: types.ReplicationController, template: bytes) -> types.Pod:
    """One pod of the encoded template, sharing nothing with its siblings."""
    made = types.decode(types.PodTemplateSpec, template)
    return types.Pod(
        api_version="v1",
        kind="Pod",
        metadata=types.ObjectMeta(
            generate_name=f"{rc.metadata.name}-",
            namespace=rc.metadata.namespace,
            labels=made.metadata.labels,
            annotations=made.metadata.annotations,
            finalizers=made.metadata.finalizers,
            owner_references=[owner_reference(rc)],
        ),
        spec=made.spec,
    )


def removal(pod: types.Pod, rc: types.ReplicationController) -> Delete:
    meta = pod.metadata
    told = Note(about=rc, reason="SuccessfulDelete", message=f"Deleted pod: {meta.name}")
    return Delete(kind=POD, namespace=meta.namespace, name=meta.name, uid=meta.uid, told=told)


def adopted(pod: types.Pod, rc: types.ReplicationController) -> Update:
    owners = [owner for owner in pod.metadata.owner_references if owner.uid != rc.metadata.uid]
    return with_owners(pod, [*owners, owner_reference(rc)])


def released(pod: types.Pod, rc: types.ReplicationController) -> Update:
    return with_owners(
        pod, [owner for owner in pod.metadata.owner_references if owner.uid != rc.metadata.uid]
    )


def with_owners(pod: types.Pod, owners: list[types.OwnerReference]) -> Update:
    changed = replace(pod, metadata=replace(pod.metadata, owner_references=owners))
    return Update(kind=POD, obj=changed, part="metadata")


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
    watches = (REPLICATION_CONTROLLER, POD)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        if change.kind_key == REPLICATION_CONTROLLER.key:
            return (key_of(change.namespace, change.name),)
        meta = meta_in(change)
        owner = next((owner for owner in meta.owner_references if owner.controller), None)
        if owner is not None:
            return (
                (key_of(change.namespace, owner.name),) if owner.kind == REPLICATION_CONTROLLER.name else ()
            )
        if change.type == "DELETED":
            return ()
        # Nobody's pod: whoever selects it adopts it.
        return (
            key_of(change.namespace, rc.metadata.name)
            for rc in read.remembered(REPLICATION_CONTROLLER, change.namespace)
            if LabelSelector.of(selector_of(rc)).matches(meta.labels)
        )

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(REPLICATION_CONTROLLER)

    def look(self, read: Reader, key: str) -> View | None:
        namespace, name = namespaced(key)
        rc = read.find(REPLICATION_CONTROLLER, namespace, name)
        if rc is None:
            return None
        pods = read.labelled(POD, namespace, selector_of(rc), or_owned_by=rc.metadata.uid)
        return View(rc, tuple(pods))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)

    def refused(self, view: View, error: ApiError, now: datetime) -> Actions:
        return refusal(view, error, now)
