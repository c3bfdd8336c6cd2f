"""Moves each Deployment's pods from ReplicaSet to ReplicaSet, one for each template it ever had."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.errors import AlreadyExists, ApiError
from apps.cluster.kinds import DEPLOYMENT, POD, REPLICA_SET
from apps.cluster.kinds.deployments import RECREATE
from apps.cluster.log import Change
from apps.cluster.revisions import HELD, REVISION, bare, revision
from apps.controllers import revisions, rollout, rollout_status
from apps.controllers.actions import (
    Actions,
    Create,
    Delete,
    Fingerprint,
    Note,
    Update,
    condition,
    fingerprint,
    told_status,
)
from apps.controllers.base import Controller
from apps.controllers.owners import concerned, family, reference
from apps.controllers.reading import Reader, key_of, meta_in, namespaced
from apps.controllers.rollout import Counts, Stand


@dataclass(frozen=True)
class View:
    """A Deployment and the ReplicaSets that it selects or owns; ``pods`` of theirs where old ones must go first."""

    deployment: types.Deployment
    sets: tuple[types.ReplicaSet, ...]
    pods: tuple[types.Pod, ...] = ()

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.deployment,), self.sets, self.pods)


@dataclass(frozen=True)
class Versions:
    """The ReplicaSets of a Deployment: the one of its template, if it is there, and the others, oldest first."""

    new: types.ReplicaSet | None
    old: tuple[types.ReplicaSet, ...]

    @property
    def all(self) -> tuple[types.ReplicaSet, ...]:
        return (*self.old, self.new) if self.new is not None else self.old


def versions(view: View) -> Versions:
    deployment = view.deployment
    kin = family(deployment, DEPLOYMENT.selects(deployment), view.sets)
    sets = [each for each in (*kin.mine, *kin.orphans) if each.metadata.deletion_timestamp is None]
    sets.sort(key=lambda each: (revision(each), each.metadata.creation_timestamp, each.metadata.name))
    wanted = bare(deployment.spec.template)
    new = next((each for each in reversed(sets) if bare(each.spec.template) == wanted), None)
    return Versions(new, tuple(each for each in sets if each is not new))


def plan(view: View, now: datetime) -> Actions:
    """Pure. A Deployment that is being deleted moves nothing; garbage collection sees to its ReplicaSets."""
    deployment = view.deployment
    if deployment.metadata.deletion_timestamp is not None:
        return Actions()
    found = versions(view)
    paused = deployment.spec.paused
    made = revisions.made(deployment, found.old) if found.new is None and not paused else None
    new = found.new or made
    counts = _counts(view, found, new)
    creates = () if made is None else (_creation(deployment, made, counts[made.metadata.name]),)
    kept = {each.metadata.name: _kept(deployment, each, found, counts) for each in found.all}
    updates = [Update(kind=REPLICA_SET, obj=each) for old in found.all if (each := kept[old.metadata.name]) != old]
    numbered = [] if new is None or paused else _numbered(deployment, kept.get(new.metadata.name, new))
    status, again = rollout_status.of(deployment, found.new, found.old, _begins(made, found.new, bool(numbered)), now)
    return Actions(
        updates=(*updates, *numbered),
        creates=creates,
        deletes=tuple(map(_removal, _outdated(deployment, found, status))),
        statuses=told_status(deployment, status),
        events=tuple(
            _scaling(deployment, old, counts[old.metadata.name])
            for old in found.all
            if counts[old.metadata.name] != (old.spec.replicas or 0)
        ),
        again=again,
    )


def _counts(view: View, found: Versions, new: types.ReplicaSet | None) -> Counts:
    spec = view.deployment.spec
    limits = rollout.bounds(spec)
    old = [stand(each) for each in found.old]
    newest = [stand(new)] if new is not None else []
    active = [each for each in (*newest, *reversed(old)) if each.wanted]
    resized = {revisions.desired(each) for each in found.all if each.spec.replicas} - {limits.desired, None}
    if new is None or spec.paused:
        return _resized(old, newest, active, limits.desired if len(active) < 2 else limits.most, bool(resized))
    if spec.strategy.type == RECREATE:
        theirs = {each.metadata.uid for each in found.old}
        left = any(owner.uid in theirs for pod in view.pods if not pod.status.is_finished
                   for owner in pod.metadata.owner_references)  # fmt: skip
        return rollout.recreated(newest[0], old, limits.desired, vacated=not left)
    if len(active) > 1 and newest[0].wanted and any(was < limits.desired for was in resized if was is not None):
        return {each.name: each.wanted for each in old} | dict(rollout.spread(active, limits.most))
    return rollout.rolled(newest[0], old, limits)


def _resized(old: list[Stand], newest: list[Stand], active: list[Stand], total: int, resized: bool) -> Counts:
    """While an update is held, only a new number of pods moves anything."""
    counts = {each.name: each.wanted for each in (*old, *newest)}
    changed = active or newest or old[-1:]
    return counts | dict(rollout.spread(changed, total)) if changed and (resized or not active) else counts


def stand(replica_set: types.ReplicaSet) -> Stand:
    status = replica_set.status
    return Stand(
        replica_set.metadata.name, replica_set.spec.replicas or 0, status.replicas, status.available_replicas
    )


def _creation(deployment: types.Deployment, made: types.ReplicaSet, replicas: int) -> Create:
    sized = replace(made, spec=replace(made.spec, replicas=replicas))
    return Create(kind=REPLICA_SET, obj=sized, told=_scaling(deployment, made, replicas) if replicas else None)


def _kept(
    deployment: types.Deployment, old: types.ReplicaSet, found: Versions, counts: Counts
) -> types.ReplicaSet:
    """A ReplicaSet that is there, as it is to be: owned, sized and, the newest, numbered."""
    meta, spec = old.metadata, old.spec
    if all(owner.uid != deployment.metadata.uid for owner in meta.owner_references):
        meta = replace(meta, owner_references=[*meta.owner_references, reference(deployment)])
    notes = {**meta.annotations, **revisions.sizes(deployment)} if counts[meta.name] else meta.annotations
    if old is found.new and not deployment.spec.paused:
        notes = revisions.renewed({**old.metadata.annotations, **notes}, deployment, found.old)
        spec = replace(spec, min_ready_seconds=deployment.spec.min_ready_seconds)
    if old is not found.new and not counts[meta.name]:
        # Who comes back to it by a change asks for what the tag means then; going back brings its own pin.
        notes = {key: text for key, text in notes.items() if key != HELD}
    spec = replace(spec, replicas=counts[meta.name])
    return replace(old, metadata=replace(meta, annotations=notes), spec=spec)


def _numbered(deployment: types.Deployment, new: types.ReplicaSet) -> list[Update]:
    """The Deployment tells the revision it is at."""
    number = new.metadata.annotations[REVISION]
    meta = deployment.metadata
    if meta.annotations.get(REVISION) == number:
        return []
    told = replace(meta, annotations={**meta.annotations, REVISION: number})
    return [Update(kind=DEPLOYMENT, obj=replace(deployment, metadata=told), part="metadata")]


def _begins(made: types.ReplicaSet | None, new: types.ReplicaSet | None, numbered: bool) -> types.Condition | None:
    """Whether with this look an update begins: the template is another than the last one."""
    if made is not None:
        return rollout_status.created(made.metadata.name)
    return rollout_status.found(new.metadata.name) if new is not None and numbered else None


def _scaling(deployment: types.Deployment, old: types.ReplicaSet, count: int) -> Note:
    before = old.spec.replicas or 0
    way = "up" if count > before else "down"
    message = f"Scaled {way} replica set {old.metadata.name} from {before} to {count}"
    return Note(about=deployment, reason="ScalingReplicaSet", message=message)


def _outdated(
    deployment: types.Deployment, found: Versions, status: types.DeploymentStatus
) -> list[types.ReplicaSet]:
    """Old versions beyond the history that is kept, once the update is through."""
    limit = deployment.spec.revision_history_limit
    if limit is None or not rollout_status.is_complete(deployment, status):
        return []
    empty = [
        each
        for each in found.old
        if not each.spec.replicas
        and not each.status.replicas
        and each.status.observed_generation >= each.metadata.generation
    ]
    return empty[: max(len(empty) - limit, 0)]


def _removal(replica_set: types.ReplicaSet) -> Delete:
    meta = replica_set.metadata
    return Delete(kind=REPLICA_SET, namespace=meta.namespace, name=meta.name, uid=meta.uid)


def refusal(view: View, error: ApiError, now: datetime) -> Actions:
    """A name that is taken is made anew with the next look; anything else is said where the user looks."""
    deployment = view.deployment
    if isinstance(error, AlreadyExists):
        counted = replace(deployment.status, collision_count=(deployment.status.collision_count or 0) + 1)
        return Actions(statuses=told_status(deployment, counted))
    status = rollout_status.failed(deployment, error.message, now)
    before = condition(deployment.status.conditions, rollout_status.PROGRESSING)
    told = Note(about=deployment, reason=rollout_status.CREATE_ERROR, message=error.message, warning=True)
    new = before is None or before.message != error.message
    return Actions(statuses=told_status(deployment, status), events=(told,) if new else ())


class Deployments(Controller[View]):
    """One key per Deployment: its namespace and name."""

    name = "deployment"
    component = "deployment-controller"
    watches = (DEPLOYMENT, REPLICA_SET, POD)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        if change.kind_key != POD.key:
            return concerned(DEPLOYMENT, change, read)
        if change.type != "DELETED":
            return ()
        # Some Deployment may wait for the last of its old pods.
        labels = meta_in(change).labels
        return (
            key_of(change.namespace, each.metadata.name)
            for each in read.remembered(DEPLOYMENT, change.namespace)
            if each.spec.strategy.type == RECREATE and DEPLOYMENT.selects(each).matches(labels)
        )

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(DEPLOYMENT)

    def look(self, read: Reader, key: str) -> View | None:
        namespace, name = namespaced(key)
        deployment = read.find(DEPLOYMENT, namespace, name)
        if deployment is None:
            return None
        selector = DEPLOYMENT.selects(deployment)
        sets = read.labelled(REPLICA_SET, namespace, selector, or_owned_by=deployment.metadata.uid)
        pods = read.labelled(POD, namespace, selector) if deployment.spec.strategy.type == RECREATE else ()
        return View(deployment, tuple(sets), tuple(pods))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)

    def refused(self, view: View, error: ApiError, now: datetime) -> Actions:
        return refusal(view, error, now)
