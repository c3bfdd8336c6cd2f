"""What happens inside the write of an application: its plan is settled, rendered, tried, and kept as a revision.

All of it or nothing: when a value, a name, a port or a quota is wrong, the write is refused and nothing is there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from apps.catalog import checking, drift, parameters, secrets, types
from apps.catalog.format import Definition
from apps.catalog.render import Identity, Refused, Rendered, render
from apps.catalog.render.metadata import INSTANCE
from apps.cluster import types as api
from apps.cluster.errors import invalid
from apps.cluster.kinds import SECRET, refusals
from apps.cluster.registry import Kind, by_key, kind_at
from apps.cluster.transaction import Transaction
from apps.cluster.types import Problem, guess

WHY = "kubernetes.io/change-cause"
TEMPLATES, REVISIONS = "applicationtemplates.drover.dev", "applicationrevisions.drover.dev"


def decide(tx: Transaction, old: types.Application | None, new: types.Application) -> None:
    """Settle the definition, make the secrets that are missing, and keep a changed rendering as a new revision."""
    if new.metadata.deletion_timestamp is not None:
        return
    why = _why(old, new)
    new.spec.revision, new.spec.revision_digest = (
        (old.spec.revision, old.spec.revision_digest) if old else (0, "")
    )
    if new.spec.rollback_to is not None:
        why = why or f"back to revision {new.spec.rollback_to}"
        _take_back(tx, new)
    else:
        _take_template(tx, old, new)
    definition = new.spec.definition
    assert definition is not None
    values = _values(old, new, definition)
    _keep_secrets(tx, old, new, definition)
    identity = Identity(new.metadata.namespace, new.metadata.name, new.metadata.uid)
    try:
        rendered = render(identity, definition, values, new.spec.rotations)
    except Refused as refused:
        raise _invalid(new, refused.problems) from refused
    current = _revision(tx, new, new.spec.revision)
    made = _revision_spec(new, definition, rendered, tx.actor.name, why)
    if (
        current is not None
        and current.spec.digest() == new.spec.revision_digest
        and _same(current.spec, made)
    ):
        return
    _rehearse(tx, new, rendered)
    made.number = new.spec.revision = _latest(tx, new) + 1
    new.spec.revision_digest = made.digest()
    _keep(tx, new, made)


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
    data = api.to_data(template.spec)
    known = set(Definition.__struct_encode_fields__)
    return api.convert(Definition, {name: value for name, value in data.items() if name in known})


def _take_back(tx: Transaction, new: types.Application) -> None:
    """Put the plan and the values of an older revision into the application; secrets stay what they are now."""
    number = new.spec.rollback_to or 0
    revision = _revision(tx, new, number)
    if revision is None:
        numbers = [one.spec.number for one in _revisions(tx, new)]
        words = f"there is no such revision; there are {', '.join(map(str, sorted(numbers))) or 'none'}"
        raise _invalid(new, [refusals.invalid("spec.rollbackTo", number, words)])
    new.spec.definition = revision.spec.definition
    new.spec.template = revision.spec.template
    new.spec.parameters = dict(revision.spec.parameters)
    new.spec.rollback_to = None


def _values(
    old: types.Application | None, new: types.Application, definition: Definition
) -> Mapping[str, Any]:
    found = checking.problems(definition, "spec.definition")
    if found:
        raise _invalid(new, found)
    new.spec.parameters = {name: value for name, value in new.spec.parameters.items() if value is not None}
    values, problems = parameters.resolve(definition.parameters, new.spec.parameters)
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
        parameters=dict(app.spec.parameters), rotations=dict(app.spec.rotations), objects=list(rendered.objects),
        secrets=list(rendered.recipes), waits={name: dict(on) for name, on in rendered.waits.items()}, by=by, why=why,
    )  # fmt: skip


def _same(one: types.RevisionSpec, other: types.RevisionSpec) -> bool:
    """Whether both make the same application, whoever asked for them."""
    fields = ("definition", "parameters", "rotations", "template", "objects", "secrets")
    return all(api.encode(getattr(one, field)) == api.encode(getattr(other, field)) for field in fields)


def revision_name(app: str, number: int) -> str:
    return f"{app}-{number}"


def _revision(tx: Transaction, app: types.Application, number: int) -> types.ApplicationRevision | None:
    name = revision_name(app.metadata.name, number)
    found: types.ApplicationRevision | None = tx.find(by_key(REVISIONS), app.metadata.namespace, name)
    return found if found and _belongs(found, app) else None


def _revisions(tx: Transaction, app: types.Application) -> list[types.ApplicationRevision]:
    return [one for one in tx.list(by_key(REVISIONS), app.metadata.namespace) if _belongs(one, app)]


def _belongs(revision: types.ApplicationRevision, app: types.Application) -> bool:
    return any(owner.uid == app.metadata.uid for owner in revision.metadata.owner_references)


def _latest(tx: Transaction, app: types.Application) -> int:
    return max((one.spec.number for one in _revisions(tx, app)), default=app.spec.revision)


def _keep(tx: Transaction, app: types.Application, made: types.RevisionSpec) -> None:
    identity = Identity(app.metadata.namespace, app.metadata.name, app.metadata.uid)
    name = revision_name(app.metadata.name, made.number)
    manifest = identity.manifest("drover.dev/v1", "ApplicationRevision", name)
    revision = api.convert(types.ApplicationRevision, manifest)
    revision.spec = made
    tx.create(by_key(REVISIONS), revision)


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
