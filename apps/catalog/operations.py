"""What people do to applications: install, change, take back, exchange a secret, repair. Each is one write.

Whoever calls has asked ``accounts.policy`` already; the store refuses what the rules of the kind forbid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.catalog import drift, pins, scaling, standing, versions
from apps.catalog.admission import WHY, complete
from apps.catalog.changes import Change, Field, Impact, between, impact_of, values_between
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION, APPLICATION_TEMPLATE
from apps.catalog.render import Identity
from apps.catalog.revisions import revision_name, revision_of
from apps.catalog.types import Application, ApplicationRevision, ApplicationTemplate, RevisionSpec
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.registry import Kind, kind_at
from apps.cluster.transaction import Transaction, missing


@dataclass(frozen=True)
class Preview:
    """What a write would make: the revision, what differs from the one before, and what that costs."""

    app: Application
    revision: RevisionSpec | None
    changes: tuple[Change, ...]
    impact: tuple[Impact, ...]
    values: tuple[Field, ...]
    warnings: tuple[str, ...] = ()
    """What the template tells those who come from the version that was installed."""


def install(
    actor: Actor, app: Application, secrets: Mapping[str, str] | None = None, *, dry_run: bool = False
) -> Preview:
    """Create an application, with secrets that a person chose; the others are rolled. Raises what the store raises."""

    def work(tx: Transaction) -> Preview:
        if secrets:
            complete(tx, Identity(app.metadata.namespace, app.metadata.name), secrets, owned=False)
        return _previewed(tx, None, tx.create(APPLICATION, app))

    return store.write(actor, work, dry_run=dry_run)


def change(
    actor: Actor,
    namespace: str,
    name: str,
    work: Callable[[Application], None],
    *,
    why: str = "",
    seen: str = "",
    dry_run: bool = False,
) -> Preview:
    """Change an application in place. ``seen`` is the resourceVersion it was changed from: Conflict when that moved."""

    def write(tx: Transaction) -> Preview:
        app = _get(tx, namespace, name)
        before = _revision(tx, app)
        work(app)
        app.metadata.resource_version = seen
        app.metadata.annotations = {key: text for key, text in app.metadata.annotations.items() if key != WHY}
        if why:
            app.metadata.annotations[WHY] = why
        return _previewed(tx, before, tx.update(APPLICATION, app))

    return store.write(actor, write, dry_run=dry_run)


def take_back(
    actor: Actor, namespace: str, name: str, number: int, *, why: str = "", dry_run: bool = False
) -> Preview:
    """Go back to the state of a revision, as a new one."""

    def work(app: Application) -> None:
        app.spec.rollback_to = number

    return change(actor, namespace, name, work, why=why, dry_run=dry_run)


def under_way(app: Application) -> bool:
    """Whether the application is on its way to a revision: what ``cancel`` ends."""
    status = app.status
    return app.spec.revision != status.revision and status.phase != standing.CANCELLED


def cancel(
    actor: Actor, namespace: str, name: str, number: int = 0, *, why: str = "", dry_run: bool = False
) -> Preview:
    """Give up what is under way, revision ``number`` or whichever it is, and go back to the last good revision."""

    def work(app: Application) -> None:
        app.spec.cancel = number or app.spec.revision

    return change(actor, namespace, name, work, why=why, dry_run=dry_run)


def scale(
    actor: Actor, namespace: str, name: str, replicas: Mapping[str, int], *, dry_run: bool = False
) -> Preview:
    """Give components so many replicas, as a revision."""

    def work(app: Application) -> None:
        for component, count in replicas.items():
            scaling.scale(app.spec, component, count)

    why = ", ".join(f"{component} to {count}" for component, count in replicas.items())
    return change(actor, namespace, name, work, why=f"scaled {why}", dry_run=dry_run)


def set_image(
    actor: Actor, namespace: str, name: str, component: str, image: str, *, dry_run: bool = False
) -> Preview:
    """Have a component run another image, as a revision; the next version of the template says its own again."""

    def work(app: Application) -> None:
        if app.spec.definition is not None and component in app.spec.definition.components:
            app.spec.definition.components[component].image = image
            app.spec.pins = {name: pin for name, pin in app.spec.pins.items() if name != component}

    return change(actor, namespace, name, work, why=f"{component} with {image}", dry_run=dry_run)


def rotate(
    actor: Actor, namespace: str, name: str, parameter: str, *, dry_run: bool = False
) -> Preview:
    """Exchange a secret; what uses it restarts."""

    def work(app: Application) -> None:
        app.spec.rotations = {**app.spec.rotations, parameter: app.spec.rotations.get(parameter, 0) + 1}

    return change(actor, namespace, name, work, why=f"exchanged {parameter}", dry_run=dry_run)


@dataclass(frozen=True)
class PutBack:
    """An object that somebody changed beside the application, as data: as it was found and as it is again.
    ``fields`` are those that differed."""

    kind: Kind
    name: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    fields: tuple[Field, ...]


def repair(actor: Actor, namespace: str, name: str, *, dry_run: bool = False) -> list[PutBack]:
    """Put back what somebody changed beside the application."""

    def work(tx: Transaction) -> list[PutBack]:
        revision = _revision(tx, _get(tx, namespace, name))
        found = []
        for manifest in revision.spec.objects if revision else ():
            kind = kind_at(manifest["apiVersion"], manifest["kind"])
            live = tx.find(kind, namespace, manifest["metadata"]["name"])
            if live is None or not (fields := drift.differences(kind, manifest, live)):
                continue
            before = types.to_data(live)
            stored = tx.update(kind, drift.onto(live, drift.wanted(kind, manifest), manifest))
            found.append(PutBack(kind, live.metadata.name, before, types.to_data(stored), tuple(fields)))
        return found

    return store.write(actor, work, dry_run=dry_run)


def differences(namespace: str, name: str, old: int, new: int) -> tuple[Change, ...]:
    """What lies between two revisions. Raises NotFound."""

    def revision(number: int) -> ApplicationRevision:
        found: ApplicationRevision = store.get(
            APPLICATION_REVISION, namespace, revision_name(name, number)
        ).object
        return found

    return between(*pins.compared(revision(old), revision(new)))


def _get(tx: Transaction, namespace: str, name: str) -> Application:
    app: Application | None = tx.find(APPLICATION, namespace, name)
    if app is None:
        raise missing(APPLICATION, name)
    return app


def _revision(tx: Transaction, app: Application) -> ApplicationRevision | None:
    """What is to run."""
    return revision_of(tx, app, app.spec.revision)


def _previewed(tx: Transaction, old: ApplicationRevision | None, app: Application) -> Preview:
    new = _revision(tx, app)
    if new is None:
        return Preview(app, None, (), (), ())
    before, after = old.spec if old else None, new.spec
    return Preview(
        app, after, between(*pins.compared(old, new)) if old else between(None, after), impact_of(before, after),
        values_between(before, after), _warnings(tx, before, after),
    )  # fmt: skip


def _warnings(tx: Transaction, before: RevisionSpec | None, after: RevisionSpec) -> tuple[str, ...]:
    old, new = before.template if before else None, after.template
    if old is None or new is None or old.name != new.name or old.version == new.version:
        return ()
    template: ApplicationTemplate | None = tx.find(APPLICATION_TEMPLATE, "", new.name)
    if template is None or template.spec.version != new.version:
        return ()
    return tuple(one.note for one in template.spec.upgrades if versions.is_among(old.version, one.from_))
