"""Brings each Application to its revision: what is needed first comes first, what no revision wants goes last.

A revision that does not become ready in time is answered by going back to the last one that did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from apps.catalog import drift, reach, rollout, standing
from apps.catalog.admission import WHY
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION
from apps.catalog.render import Identity
from apps.catalog.render.metadata import COMPONENT, INSTANCE, Manifest
from apps.catalog.render.payload import Recipe
from apps.catalog.revisions import revision_name
from apps.catalog.types import Application, ApplicationRevision, ApplicationStatus, RevisionStatus
from apps.cluster import types
from apps.cluster.errors import ApiError
from apps.cluster.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    INGRESS,
    JOB,
    NODE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE,
)
from apps.cluster.log import Change
from apps.cluster.registry import Kind, kind_at, kind_for
from apps.cluster.selectors import LabelSelector
from apps.controllers.actions import (
    Actions,
    Create,
    Delete,
    Fingerprint,
    Note,
    Update,
    earliest,
    fingerprint,
    told_status,
    with_condition,
)
from apps.controllers.base import Controller
from apps.controllers.reading import Reader, key_of, meta_in, namespaced

MOST_DEPENDENTS = 2000
HISTORY = 20
"""Revisions that are kept."""

MADE = (
    SERVICE, INGRESS, CONFIG_MAP, SECRET, PERSISTENT_VOLUME_CLAIM, DEPLOYMENT, JOB, HORIZONTAL_POD_AUTOSCALER,
)  # fmt: skip
"""Kinds that applications are rendered to."""
REMEMBERED = 10_000

Key = tuple[str, str]
"""An object's kind, as rows name it, and its name."""


@dataclass(frozen=True)
class View:
    """An application, its revision, and all that is there of it."""

    app: Application
    revision: ApplicationRevision
    revisions: tuple[ApplicationRevision, ...]
    live: Mapping[Key, Any]
    owned: frozenset[Key]
    pods: tuple[types.Pod, ...] = ()
    secret: types.Secret | None = None
    address: str = field(default="", compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether the revision was given up, and there was none to go back to."""
        return self.revision.status.phase == standing.CANCELLED

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.app, self.secret), self.revisions, self.live.values(), self.pods)


class Applications(Controller[View]):
    """One key per application."""

    name = "application"
    component = "application-controller"
    watches = (APPLICATION, APPLICATION_REVISION, *MADE, POD)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:  # noqa: ARG002
        if change.kind_key == APPLICATION.key:
            return (key_of(change.namespace, change.name),)
        app = meta_in(change).labels.get(INSTANCE)
        return (key_of(change.namespace, app),) if app else ()

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(APPLICATION)

    def look(self, read: Reader, key: str) -> View | None:
        namespace, name = namespaced(key)
        app: Application | None = read.find(APPLICATION, namespace, name)
        if app is None:
            return None
        revision = read.find(APPLICATION_REVISION, namespace, revision_name(name, app.spec.revision))
        if revision is None or revision.spec.digest() != app.spec.revision_digest:
            return None
        live: dict[Key, Any] = {}
        owned: set[Key] = set()
        revisions = []
        for kind, obj in read.dependents(app.metadata.uid, MOST_DEPENDENTS):
            if kind.key == APPLICATION_REVISION.key:
                revisions.append(obj)
                continue
            live[kind.key, obj.metadata.name] = obj
            owned.add((kind.key, obj.metadata.name))
        for manifest in revision.spec.objects:
            kind = kind_of(manifest)
            place = (kind.key, manifest["metadata"]["name"])
            if place not in live and (there := read.find(kind, namespace, place[1])) is not None:
                live[place] = there
        identity = Identity(namespace, name)
        secret = live.pop((SECRET.key, identity.secret), None) or read.find(
            SECRET, namespace, identity.secret
        )
        pods = read.labelled(POD, namespace, LabelSelector.of({INSTANCE: name}))
        return View(
            app, revision, tuple(revisions), live, frozenset(owned - {(SECRET.key, identity.secret)}),
            tuple(pods), secret, reach.address_of(read.remembered(NODE, "")),
        )  # fmt: skip

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now, self.actor.name)

    def refused(self, view: View, error: ApiError, now: datetime) -> Actions:
        """An object that cannot be written fails the revision; its words are the application's."""
        return failed(view, error.message, now, self.actor.name)


def kind_of(manifest: Mapping[str, Any]) -> Kind:
    return kind_at(manifest["apiVersion"], manifest["kind"])


def plan(view: View, now: datetime, me: str) -> Actions:
    """Pure. Makes and changes what may be, tells how it stands, clears away once all is as it should be.

    Of a revision that was cancelled it only tells.
    """
    if view.app.metadata.deletion_timestamp is not None:
        return Actions()
    parts = rollout.parts(view.revision.spec.objects)
    pods = {
        name: tuple(pod for pod in view.pods if pod.metadata.labels.get(COMPONENT) == name) for name in parts
    }
    found = {name: _standing(view, name, parts[name], pods[name], parts, now) for name in parts}
    components = list(found.values())
    settled = (
        not view.cancelled and all(one.state in standing.SETTLED for one in components) and _all_applied(view)
    )
    verdict = rollout.verdict(view.app, view.revision, components, view.pods, settled=settled, now=now)
    if verdict.failed:
        return failed(view, verdict.words, now, me)
    status = _status(view, components, verdict, now)
    told = (*told_status(view.app, status), *_told_revisions(view, verdict, now))
    if view.cancelled:
        return Actions(statuses=told)
    open_ = [name for name in parts if not _waits(view, name, parts)]
    made = [_applied(view, manifest) for manifest in rollout.allowed(view.revision.spec.objects, open_)]
    mixed = [_mixed(view, recipe) for recipe in view.revision.spec.secrets if recipe.component in open_]
    return Actions(
        creates=tuple(one for one in (*mixed, *made) if isinstance(one, Create)),
        updates=tuple(one for one in made if isinstance(one, Update)),
        deletes=tuple(_surplus(view)) if settled else (),
        statuses=told,
        again=earliest(verdict.deadline),
    )


# What is to be written


def _applied(view: View, manifest: Manifest) -> Create | Update | None:
    """What brings one object to its manifest; None when it was made from it, whatever somebody did since."""
    kind = kind_of(manifest)
    live = view.live.get((kind.key, manifest["metadata"]["name"]))
    if live is None:
        told = Note(about=view.app, reason="Created", message=f"Created {kind.name} {{name}}")
        return Create(kind=kind, obj=drift.wanted(kind, manifest), told=told)
    if drift.made_from(live) == drift.fingerprint(manifest) or live.metadata.deletion_timestamp is not None:
        return None
    if kind.name in drift.TAKEN_AS_IS:
        return None
    return Update(kind=kind, obj=drift.onto(live, drift.wanted(kind, manifest), manifest))


def _all_applied(view: View) -> bool:
    return all(_applied(view, manifest) is None for manifest in view.revision.spec.objects)


def _mixed(view: View, recipe: Recipe) -> Create | None:
    """A Secret that is made of text and secret parameters; its content never changes under its name."""
    if (SECRET.key, recipe.name) in view.live or view.secret is None:
        return None
    return Create(kind=SECRET, obj=rollout.secret_of(view.app, recipe, view.secret))


def _surplus(view: View) -> Iterator[Delete]:
    """What no part of the revision wants any more, and the oldest revisions."""
    kept = {(kind_of(one).key, one["metadata"]["name"]) for one in view.revision.spec.objects}
    kept |= {(SECRET.key, recipe.name) for recipe in view.revision.spec.secrets}
    for place in sorted(view.owned - kept):
        obj = view.live[place]
        if obj.metadata.deletion_timestamp is None:
            told = Note(about=view.app, reason="Removed", message=f"Removed {obj.kind} {place[1]}")
            yield _removal(kind_for(obj), obj, told)
    limit = view.app.spec.history_limit or HISTORY
    numbered = sorted(view.revisions, key=lambda one: one.spec.number)
    needed = {view.app.spec.revision, view.app.status.revision}
    for old in numbered[: max(len(numbered) - limit, 0)]:
        if old.spec.number not in needed:
            yield _removal(APPLICATION_REVISION, old, None)


def _removal(kind: Kind, obj: Any, told: Note | None) -> Delete:
    meta = obj.metadata
    return Delete(
        kind=kind, namespace=meta.namespace, name=meta.name, uid=meta.uid, propagation="Background", told=told
    )


# How it stands


def _standing(
    view: View,
    name: str,
    manifest: Manifest,
    pods: tuple[types.Pod, ...],
    parts: Mapping[str, Manifest],
    now: datetime,
) -> Any:
    live = view.live.get((kind_of(manifest).key, manifest["metadata"]["name"]))
    return standing.of_component(name, manifest, live, pods, _waits(view, name, parts), now)


def _waits(view: View, name: str, parts: Mapping[str, Manifest]) -> str:
    """What holds a component back, in words; "" when nothing does."""
    for other, stage in view.revision.spec.waits.get(name, {}).items():
        manifest = parts.get(other)
        if manifest is None:
            continue
        live = view.live.get((kind_of(manifest).key, manifest["metadata"]["name"]))
        current = live is not None and drift.made_from(live) == drift.fingerprint(manifest)
        if not current or not rollout.reached(live, stage):
            return f"waits until {other} is {stage}"
    return ""


def _status(view: View, components: list[Any], verdict: rollout.Verdict, now: datetime) -> ApplicationStatus:
    app, before = view.app, view.app.status
    phase = standing.phase_of(components, first=not before.revision and not verdict.ready, deleting=False)
    message = standing.sentence(phase, components)
    if view.cancelled:
        phase, left, meta = (
            standing.CANCELLED,
            [view.live[one].kind for one in sorted(view.owned)],
            app.metadata,
        )
        message = standing.cancelled(app.spec.revision, left, namespace=meta.namespace, name=meta.name)
    endpoints = reach.endpoints(app, view.revision.spec, view.live, view.address)
    changed = [
        f"{obj.kind} {obj.metadata.name}: {path}"
        for manifest in view.revision.spec.objects
        if (obj := view.live.get((kind_of(manifest).key, manifest["metadata"]["name"]))) is not None
        for path in _drifted(manifest, obj)
    ]
    status = ApplicationStatus(
        phase=phase,
        message=message,
        url=next(
            (one.url for one in endpoints if one.url and rollout.primary(view.revision.spec, one.name)), ""
        ),
        revision=app.spec.revision if verdict.ready else before.revision,
        observed_generation=app.metadata.generation,
        components=components,
        endpoints=endpoints,
        drift=changed[:20],
        conditions=before.conditions,
    )
    for condition in rollout.conditions(status, verdict):
        status.conditions = with_condition(status.conditions, condition, now)
    return status


_drift: dict[str, tuple[tuple[str, str], list[str]]] = {}


def _drifted(manifest: Manifest, obj: Any) -> list[str]:
    """What somebody changed of one object. Compared once for each version of it: most looks find most unmoved."""
    wanted, meta = drift.fingerprint(manifest), obj.metadata
    if drift.made_from(obj) != wanted:
        return []
    at = (meta.resource_version, wanted)
    known = _drift.get(meta.uid)
    if known is None or known[0] != at:
        if len(_drift) >= REMEMBERED:
            del _drift[next(iter(_drift))]
        known = _drift[meta.uid] = (at, [one.path for one in drift.differences(kind_of(manifest), manifest, obj)])
    return known[1]


def _told_revisions(view: View, verdict: rollout.Verdict, now: datetime) -> Iterator[Update]:
    status = rollout.revision_status(view.revision, verdict, view.pods, now)
    yield from told_status(view.revision, status)
    for other in view.revisions:
        if other.spec.number != view.revision.spec.number and other.status.phase in rollout.OPEN:
            yield from told_status(other, replace(other.status, phase="Superseded", finished_at=now))


def failed(view: View, words: str, now: datetime, me: str) -> Actions:
    """Say so; and go back to the last revision that became ready, unless this one was such a return itself."""
    app, revision = view.app, view.revision
    good = app.status.revision
    status = RevisionStatus(
        phase="Failed", message=words, started_at=revision.status.started_at or now, finished_at=now,
        images=revision.status.images,
    )  # fmt: skip
    told = tuple(told_status(revision, status)) if revision.status.phase != "Failed" else ()
    there = any(one.spec.number == good for one in view.revisions)
    if not there or good == revision.spec.number or revision.spec.by == me:
        message = f"Revision {revision.spec.number} has failed: {words.rstrip('.')}."
        stands = replace(
            app.status, phase="Failing", message=message, observed_generation=app.metadata.generation
        )
        return Actions(statuses=(*told_status(app, stands), *told), again=now + timedelta(seconds=30))
    why = f"revision {revision.spec.number} has failed: {words.rstrip('.')}"
    spec = replace(app.spec, rollback_to=good)
    metadata = replace(app.metadata, annotations={**app.metadata.annotations, WHY: why})
    note = Note(about=app, reason="WentBack", message=f"Went back to revision {good}: {why}", warning=True)
    return Actions(
        updates=(Update(kind=APPLICATION, obj=replace(app, spec=spec, metadata=metadata)),),
        statuses=told,
        events=(note,),
    )
