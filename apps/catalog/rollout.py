"""How a revision comes to be: which objects may be written, whether it became ready, whether it has failed. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from apps.catalog import graph, pins, standing
from apps.catalog.render import Identity
from apps.catalog.render.metadata import COMPONENT, Manifest
from apps.catalog.render.payload import Recipe, parts_in
from apps.catalog.types import (
    Application,
    ApplicationRevision,
    ApplicationStatus,
    ComponentStatus,
    RevisionSpec,
    RevisionStatus,
)
from apps.cluster import types

DEADLINE = 300
"""Seconds that a revision has to become ready."""
FAILING = 60
"""Seconds that pods of a change may fail, where there is a good revision to go back to and nobody said otherwise:
an image that cannot be had does not come by waiting."""
OPEN = frozenset({"", "RollingOut"})
"""Phases of a revision that is not over."""


def parts(objects: Iterable[Manifest]) -> dict[str, Manifest]:
    """What runs each component, in the order of their start."""
    return {one["metadata"]["labels"][COMPONENT]: one for one in objects if one["kind"] in standing.WORKLOADS}


def allowed(objects: Iterable[Manifest], open_: Sequence[str]) -> Iterator[Manifest]:
    """The objects that may be written now: services and data at once, so that names are there before anyone asks;
    what runs a component once nothing holds it back."""
    for one in objects:
        if one["kind"] not in standing.WORKLOADS or one["metadata"]["labels"][COMPONENT] in open_:
            yield one


def reached(live: Any, stage: str) -> bool:
    """Whether a component has come as far as another one waits for."""
    match stage:
        case graph.STARTED:
            return bool(live.status.replicas)
        case graph.COMPLETE:
            return any(one.type == "Complete" and one.status == "True" for one in live.status.conditions)
    wanted = 1 if live.spec.replicas is None else live.spec.replicas
    seen = live.status.observed_generation >= live.metadata.generation
    return bool(seen and live.status.updated_replicas >= wanted and live.status.ready_replicas >= wanted)


def secret_of(app: Application, recipe: Recipe, kept: types.Secret) -> types.Secret:
    """The Secret of a recipe, with the values that the application keeps. A value that is gone is empty."""
    values = {name: base64.b64decode(text).decode() for name, text in kept.data.items()}
    missing = {
        part.secret: "" for parts in recipe.data.values() for part in parts if not isinstance(part, str)
    }
    identity = Identity(app.metadata.namespace, app.metadata.name, app.metadata.uid)
    manifest = identity.manifest("v1", "Secret", recipe.name, recipe.component, type="Opaque")
    made = types.convert(types.Secret, manifest)
    made.string_data = parts_in(recipe, {**missing, **values})
    return made


@dataclass(frozen=True)
class Verdict:
    """``ready``: all is as the revision wants it. ``failed``: it will not be; ``words`` say why."""

    ready: bool = False
    failed: bool = False
    words: str = ""
    deadline: datetime | None = None


def verdict(
    app: Application,
    revision: ApplicationRevision,
    components: Sequence[ComponentStatus],
    pods: Iterable[types.Pod],
    *,
    settled: bool,
    now: datetime,
) -> Verdict:
    """A revision that became ready once cannot fail any more: what comes later is no fault of the change."""
    if settled:
        return Verdict(ready=True)
    if revision.status.phase not in OPEN:
        return Verdict()
    began = revision.status.started_at or now
    deadline = began + timedelta(seconds=app.spec.progress_deadline_seconds or DEADLINE)
    since = _failing_since(components, pods, began)
    if since is not None and app.status.revision and app.spec.progress_deadline_seconds is None:
        deadline = min(deadline, since + timedelta(seconds=FAILING))
    if now < deadline:
        return Verdict(deadline=deadline)
    words = standing.sentence("Failing", components)
    return Verdict(failed=True, words=f"not ready after {round((now - began).total_seconds())} s: {words}")


def _failing_since(
    components: Sequence[ComponentStatus], pods: Iterable[types.Pod], began: datetime
) -> datetime | None:
    """When the first pod of the change was made that keeps a component failing. Pods know whole seconds only."""
    bad = {one.name for one in components if one.state == standing.FAILING}
    made = [pod.metadata.creation_timestamp for pod in pods if pod.metadata.labels.get(COMPONENT) in bad]
    return min((at for at in made if at is not None and at >= began.replace(microsecond=0)), default=None)


def revision_status(
    revision: ApplicationRevision, found: Verdict, pods: Iterable[types.Pod], now: datetime
) -> RevisionStatus:
    """When it began, when it became ready, and which images it ran then."""
    before = revision.status
    if before.phase not in OPEN:
        return before
    begun = replace(before, phase="RollingOut", started_at=before.started_at or now)
    if not found.ready:
        return begun
    return replace(begun, phase="Ready", finished_at=now, images=pins.ran(parts(revision.spec.objects), pods))


def conditions(status: ApplicationStatus, found: Verdict) -> Iterator[types.Condition]:
    """What machines wait for: ``kubectl wait --for=condition=Ready app/shop``."""
    served = all(one.ready or not one.desired for one in status.components)
    settled = status.phase == "Running"
    for name, holds in (
        ("Ready", settled),
        ("Available", served),
        ("Progressing", not settled and status.phase != standing.CANCELLED),
        ("Drifted", bool(status.drift)),
    ):
        yield types.Condition(
            type=name, status="True" if holds else "False", reason=status.phase, message=status.message
        )


def primary(spec: RevisionSpec, endpoint: str) -> bool:
    """Whether this is the endpoint that opens the application; the only one is, without saying so."""
    endpoints = spec.definition.endpoints
    marked = [name for name, one in endpoints.items() if one.primary] or list(endpoints)[:1]
    return endpoint in marked
