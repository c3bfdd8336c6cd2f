"""An application's revisions in the store: found, numbered, kept, given up."""

from __future__ import annotations

from apps.catalog import standing, types
from apps.catalog.render import Identity
from apps.cluster import types as api
from apps.cluster.kinds import refusals
from apps.cluster.registry import by_key
from apps.cluster.transaction import Transaction
from apps.cluster.types import Problem

REVISIONS = "applicationrevisions.drover.dev"


def revision_name(app: str, number: int) -> str:
    return f"{app}-{number}"


def revision_of(tx: Transaction, app: types.Application, number: int) -> types.ApplicationRevision | None:
    """The application's own revision of this number, if it is there."""
    name = revision_name(app.metadata.name, number)
    found: types.ApplicationRevision | None = tx.find(by_key(REVISIONS), app.metadata.namespace, name)
    return found if found and _belongs(found, app) else None


def revisions_of(tx: Transaction, app: types.Application) -> list[types.ApplicationRevision]:
    return [one for one in tx.list(by_key(REVISIONS), app.metadata.namespace) if _belongs(one, app)]


def keep(tx: Transaction, app: types.Application, made: types.RevisionSpec) -> None:
    """Make it the one that is to run, under the next number."""
    latest = max((one.spec.number for one in revisions_of(tx, app)), default=app.spec.revision)
    made.number = app.spec.revision = latest + 1
    app.spec.revision_digest = made.digest()
    identity = Identity(app.metadata.namespace, app.metadata.name, app.metadata.uid)
    name = revision_name(app.metadata.name, made.number)
    manifest = identity.manifest("drover.dev/v1", "ApplicationRevision", name)
    revision = api.convert(types.ApplicationRevision, manifest)
    revision.spec = made
    tx.create(by_key(REVISIONS), revision)


def same(one: types.RevisionSpec, other: types.RevisionSpec) -> bool:
    """Whether both make the same application, whoever asked for them."""
    fields = ("definition", "parameters", "replicas", "rotations", "template", "objects", "secrets")
    return all(api.encode(getattr(one, field)) == api.encode(getattr(other, field)) for field in fields)


def give_up(
    tx: Transaction, old: types.Application | None, new: types.Application
) -> tuple[int | None, list[Problem]]:
    """End what ``spec.cancel`` names, if it is under way; the good revision to go back to, and what is wrong.

    What is cancelled already stays so, without a word: asking twice is harmless.
    """
    number, new.spec.cancel = new.spec.cancel or 0, None
    revision = revision_of(tx, new, number)
    if revision is not None and revision.status.phase == standing.CANCELLED:
        return None, []
    current, good = (old.spec.revision, old.status.revision) if old else (0, 0)
    if revision is None or number != current or number == good:
        words = f"revision {good} is ready" if good == current else f"revision {current} is under way"
        told = f"revision {number} is not under way: {words}" if current else "nothing is under way yet"
        return None, [refusals.invalid("spec.cancel", number, told)]
    revision.status.phase = standing.CANCELLED
    revision.status.message = f"cancelled by {tx.actor.name}"
    revision.status.finished_at = api.now()
    tx.update(by_key(REVISIONS), revision, part="status")
    return (good if revision_of(tx, new, good) is not None else None), []


def _belongs(revision: types.ApplicationRevision, app: types.Application) -> bool:
    return any(owner.uid == app.metadata.uid for owner in revision.metadata.owner_references)
