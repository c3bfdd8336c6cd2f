"""What happens inside the write of an application: its plan is settled, rendered, tried, and kept as a revision.

All of it or nothing: when a value, a name, a port or a quota is wrong, the write is refused and nothing is there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from apps.catalog import (
    checking,
    drift,
    parameters,
    pins,
    revisions,
    rollout,
    scaling,
    secrets,
    standing,
    types,
    versions,
)
from apps.catalog.format import Definition
from apps.catalog.render import Identity, Refused, Rendered, render
from apps.catalog.render.metadata import INSTANCE
from apps.cluster import types as api
from apps.cluster.errors import invalid
from apps.cluster.kinds import JOB, POD, SECRET, refusals
from apps.cluster.registry import Kind, by_key, kind_at
from apps.cluster.selectors import LabelSelector
from apps.cluster.transaction import Transaction
from apps.cluster.types import Problem, guess

WHY = "kubernetes.io/change-cause"
TEMPLATES = "applicationtemplates.drover.dev"


def decide(tx: Transaction, old: types.Application | None, new: types.Application) -> None:
    """Settle the definition, make the secrets that are missing, and keep a changed rendering as a new revision."""
    if new.metadata.deletion_timestamp is not None:
        return
    why = _why(old, new)
    new.spec.revision, new.spec.revision_digest = (
        (old.spec.revision, old.spec.revision_digest) if old else (0, "")
    )
    given_up = new.spec.cancel
    if given_up is not None:
        why = why or f"revision {given_up} was cancelled"
        new.spec.rollback_to = _give_up(tx, old, new)
    back = new.spec.rollback_to
    if back is not None:
        why = why or f"back to revision {back}"
        _take_back(tx, new)
    else:
        _take_template(tx, old, new)
        _must_be_for_this_platform(old, new)
    definition = new.spec.definition
    assert definition is not None
    if old is not None and back is None and new.spec.replicas == old.spec.replicas:
        edited = old.spec.definition if new.spec.template == old.spec.template else None
        new.spec.replicas = scaling.kept(definition, new.spec.replicas, edited)
    values = _values(old, new, definition)
    _keep_secrets(tx, old, new, definition)
    rendered = _rendered(new, definition, values)
    parts = rollout.parts(rendered.objects)
    if back is not None:
        new.spec.pins = pins.needed(parts, new.spec.pins, _pods_of(tx, new), _jobs_among(tx, new, parts))
    else:
        new.spec.pins = _pins_kept(parts, old, new)
    if new.spec.pins:
        rendered = _rendered(new, definition, values, new.spec.pins)
    made = _revision_spec(new, definition, rendered, tx.actor.name, why)
    if _is_asked_already(tx, new, made, back):
        if back is not None and given_up is not None:
            words = f"it is the way back to revision {back} already"
            raise _invalid(new, [refusals.invalid("spec.cancel", given_up, words)])
        return
    _rehearse(tx, new, rendered)
    revisions.keep(tx, new, made)


def _rendered(
    app: types.Application, definition: Definition, values: Mapping[str, Any], images: Mapping[str, str] | None = None
) -> Rendered:
    identity = Identity(app.metadata.namespace, app.metadata.name, app.metadata.uid)
    scaled = scaling.applied(definition, app.spec.replicas)
    try:
        return render(identity, scaled, values, app.spec.rotations, images)
    except Refused as refused:
        raise _invalid(app, refused.problems) from refused


def _pins_kept(parts: pins.Parts, old: types.Application | None, new: types.Application) -> dict[str, str]:
    before = old.spec if old is not None else None
    if found := [*pins.problems(parts, before, new.spec)]:
        raise _invalid(new, found)
    return pins.kept(parts, before, new.spec)


def _pods_of(tx: Transaction, app: types.Application) -> list[api.Pod]:
    return tx.list(POD, app.metadata.namespace, LabelSelector.of({INSTANCE: app.metadata.name}))


def _jobs_among(tx: Transaction, app: types.Application, parts: pins.Parts) -> list[str]:
    """Of the parts the jobs that are there: they have run, or are about to, and do not run once more for a pin."""
    names = [one["metadata"]["name"] for one in parts.values() if one["kind"] == JOB.name]
    return [name for name in names if tx.find(JOB, app.metadata.namespace, name) is not None]


def _is_asked_already(
    tx: Transaction, app: types.Application, made: types.RevisionSpec, back: int | None
) -> bool:
    """Whether the current revision says the same. One that was cancelled is taken up again by going back to it."""
    current = revisions.revision_of(tx, app, app.spec.revision)
    if current is None or current.spec.digest() != app.spec.revision_digest:
        return False
    taken_up = back == current.spec.number and current.status.phase == standing.CANCELLED
    return not taken_up and revisions.same(current.spec, made)


def _why(old: types.Application | None, new: types.Application) -> str:
    """The reason that came with this change; one that was there before belongs to an older change."""
    told = new.metadata.annotations.get(WHY, "")
    return "" if old is not None and told == old.metadata.annotations.get(WHY, "") else told


# What is to be installed


def _take_template(tx: Transaction, old: types.Application | None, new: types.Application) -> None:
    """Copy the catalog's definition when the application names another template, or another version of it."""
    wanted, had = new.spec.template, old.spec.template if old else None
    if wanted is None or (new.spec.definition is not None and wanted == had):
        return
    if new.spec.definition is not None and (old is None or new.spec.definition != old.spec.definition):
        return  # a definition of the client's own, which says where it began
    template = tx.find(by_key(TEMPLATES), "", wanted.name)
    if template is None:
        known = [one.metadata.name for one in tx.list(by_key(TEMPLATES))]
        raise _invalid(
            new,
            [
                Problem(
                    "spec.template.name",
                    f"Not found: no template {wanted.name}{guess(wanted.name, known)}",
                    "FieldValueNotFound",
                )
            ],
        )
    if wanted.version and wanted.version != template.spec.version:
        if had is not None and had.name == wanted.name and had.version == wanted.version:
            return
        words = f"the catalog has {wanted.name} {template.spec.version}"
        raise _invalid(new, [refusals.invalid("spec.template.version", wanted.version, words)])
    wanted.version = template.spec.version
    new.spec.definition = _definition_of(template)


def _definition_of(template: types.ApplicationTemplate) -> Definition:
    return Definition(**{name: getattr(template.spec, name) for name in Definition.__struct_fields__})


def _give_up(tx: Transaction, old: types.Application | None, new: types.Application) -> int | None:
    """End what is under way; returns the revision to go back to, None when none was ever good."""
    if new.spec.rollback_to is not None:
        why = "going back ends what is under way already"
        raise _invalid(new, [refusals.forbidden("spec.cancel", why)])
    good, problems = revisions.give_up(tx, old, new)
    if problems:
        raise _invalid(new, problems)
    return good


def _take_back(tx: Transaction, new: types.Application) -> None:
    """Put the plan and the values of an older revision into the application, and what it ran; secrets stay what they
    are now."""
    number = new.spec.rollback_to or 0
    revision = revisions.revision_of(tx, new, number)
    if revision is None:
        numbers = [one.spec.number for one in revisions.revisions_of(tx, new)]
        words = f"there is no such revision; there are {', '.join(map(str, sorted(numbers))) or 'none'}"
        raise _invalid(new, [refusals.invalid("spec.rollbackTo", number, words)])
    new.spec.definition = revision.spec.definition
    new.spec.template = revision.spec.template
    new.spec.parameters = dict(revision.spec.parameters)
    new.spec.replicas = dict(revision.spec.replicas)
    new.spec.pins = pins.known(revision)
    new.spec.rollback_to = None


def _must_be_for_this_platform(old: types.Application | None, new: types.Application) -> None:
    """A definition that comes in; what was there before is there still, whichever version it was for."""
    definition, had = new.spec.definition, old.spec.definition if old else None
    needed = definition.requires.platform if definition is not None and definition != had else ""
    if versions.are_some(needed) and not versions.is_among(settings.PLATFORM_VERSION, needed):
        words = f"this is Drover {settings.PLATFORM_VERSION}"
        raise _invalid(new, [refusals.invalid("spec.definition.requires.platform", needed, words)])


def _values(
    old: types.Application | None, new: types.Application, definition: Definition
) -> Mapping[str, Any]:
    found = checking.problems(definition, "spec.definition")
    if found:
        raise _invalid(new, found)
    new.spec.parameters = {name: value for name, value in new.spec.parameters.items() if value is not None}
    values, problems = parameters.resolve(definition.parameters, new.spec.parameters)
    problems += scaling.problems(definition, new.spec.replicas)
    if old is not None:
        problems += parameters.fixed_problems(definition.parameters, old.spec.parameters, new.spec.parameters)
        problems += secrets.rotation_problems(definition.parameters, old.spec.rotations, new.spec.rotations)
    if problems:
        raise _invalid(new, problems)
    return values


# Secrets


def _keep_secrets(
    tx: Transaction, old: types.Application | None, new: types.Application, definition: Definition
) -> None:
    """Roll what is missing or exchanged. The Secret outlives an application whose volumes do: they belong together."""
    identity = Identity(new.metadata.namespace, new.metadata.name, new.metadata.uid)
    if not secrets.wanted(definition.parameters):
        return
    kept: api.Secret | None = tx.find(SECRET, new.metadata.namespace, identity.secret)
    rolled, problems = secrets.missing(definition.parameters, kept.data if kept else (), identity.secret)
    if problems:
        raise _invalid(new, problems)
    before = old.spec.rotations if old else {}
    for name, count in new.spec.rotations.items():
        how = definition.parameters[name].generate
        if old is not None and count > before.get(name, 0) and how is not None:
            rolled[name] = how
    if not rolled:
        return
    owned = not any(component.volumes for component in definition.components.values())
    complete(tx, identity, {name: secrets.roll(how) for name, how in rolled.items()}, owned=owned)


def complete(tx: Transaction, identity: Identity, values: Mapping[str, str], *, owned: bool) -> None:
    """Put secrets into the application's Secret; what it keeps besides them stays."""
    data = {name: base64.b64encode(text.encode()).decode() for name, text in values.items()}
    kept: api.Secret | None = tx.find(SECRET, identity.namespace, identity.secret)
    if kept is not None:
        kept.data = {**kept.data, **data}
        tx.update(SECRET, kept)
        return
    manifest = identity.manifest("v1", "Secret", identity.secret, owned=owned, type="Opaque")
    secret = api.convert(api.Secret, manifest)
    secret.data = data
    tx.create(SECRET, secret)


# Revisions


def _revision_spec(
    app: types.Application, definition: Definition, rendered: Rendered, by: str, why: str
) -> types.RevisionSpec:
    return types.RevisionSpec(
        application=app.metadata.name, number=0, definition=definition, template=app.spec.template,
        parameters=dict(app.spec.parameters), replicas=dict(app.spec.replicas), pins=dict(app.spec.pins),
        rotations=dict(app.spec.rotations),
        objects=list(rendered.objects),
        secrets=list(rendered.recipes), waits={name: dict(on) for name, on in rendered.waits.items()}, by=by, why=why,
    )  # fmt: skip


# Trying


def _rehearse(tx: Transaction, app: types.Application, rendered: Rendered) -> None:
    """Every object as if it were written now, so that what cannot be there is refused before anything is."""
    for manifest in rendered.objects:
        kind = _kind(app, manifest)
        here = f"{kind.name} {manifest['metadata']['name']}"
        if found := api.problems(kind.schema, manifest):
            raise _invalid(app, [problem._replace(path=f"{here}: {problem.path}") for problem in found])
        wanted = api.convert(kind.schema, manifest)
        there = tx.find(kind, app.metadata.namespace, wanted.metadata.name)
        if there is not None and not app.spec.adopt and not is_of(there, app):
            why = "is there already and is not this application's: choose another name, or set spec.adopt"
            raise _invalid(app, [Problem(here, why, "FieldValueForbidden")])
        if there is None or kind.name not in drift.TAKEN_AS_IS:
            tx.rehearse(kind, wanted)


def is_of(obj: Any, app: types.Application) -> bool:
    """Whether an object is the application's: owned by it, or kept under its name from an earlier installation."""
    owners = [owner.uid for owner in obj.metadata.owner_references]
    return app.metadata.uid in owners or (
        not owners and obj.metadata.labels.get(INSTANCE) == app.metadata.name
    )


def _kind(app: types.Application, manifest: Mapping[str, Any]) -> Kind:
    try:
        return kind_at(manifest["apiVersion"], manifest["kind"])
    except KeyError:
        words = f"this cluster knows no {manifest['kind']}"
        raise _invalid(app, [Problem("spec.definition", words, "FieldValueNotSupported")]) from None


def _invalid(app: types.Application, problems: list[Problem]) -> Exception:
    return invalid("Application", app.metadata.name, problems, group="drover.dev")
