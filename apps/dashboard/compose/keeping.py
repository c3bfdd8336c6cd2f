"""Drafts in the database: one for each person and application, changed step by step."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError

from apps.catalog.types import Application
from apps.cluster.errors import Conflict
from apps.dashboard.compose import draft
from apps.dashboard.models import Draft

MOST = 50
"""Drafts of one person; the oldest go."""


def find(user: User, namespace: str, name: str) -> Draft | None:
    return Draft.objects.filter(user=user, namespace=namespace, name=name).first()


def fresh(user: User, namespace: str, name: str, app: Application | None) -> Draft:
    """A draft that says what is there; not kept before something is changed."""
    text = draft.written(app.spec.definition if app else None)
    made = Draft(user=user, namespace=namespace, name=name, text=text, before=text, number=0)
    begin_at(made, app)
    return made


def begin_at(kept: Draft, app: Application | None) -> None:
    """From now on it is a change of the application as it is now."""
    kept.base_uid = app.metadata.uid if app else ""
    kept.base_revision = app.spec.revision if app else 0


def is_current(kept: Draft, app: Application | None) -> bool:
    """Whether nobody has changed the application since the draft began."""
    return (
        (app.metadata.uid, app.spec.revision) == (kept.base_uid, kept.base_revision)
        if app
        else not kept.base_uid
    )


def keep(kept: Draft, seen: int, now: datetime) -> None:
    """Keep a step. Raises Conflict when another tab made one since ``seen``."""
    kept.number, kept.changed_at = seen + 1, now
    if seen == 0:
        try:
            kept.save(force_insert=True)
        except IntegrityError:
            raise _elsewhere(kept) from None
        _forget_old(kept.user)
        return
    fields = ("text", "before", "number", "base_uid", "base_revision", "changed_at")
    values = {field: getattr(kept, field) for field in fields}
    if not Draft.objects.filter(pk=kept.pk, number=seen).update(**values):
        raise _elsewhere(kept)


def drop(user: User, namespace: str, name: str) -> None:
    Draft.objects.filter(user=user, namespace=namespace, name=name).delete()


def of_others(user: User, namespace: str, name: str) -> list[Draft]:
    """Who else has begun something here, latest first."""
    found = Draft.objects.filter(namespace=namespace, name=name).exclude(user=user).select_related("user")
    return list(found.order_by("-changed_at")[:MOST])


def of_user(user: User) -> list[Draft]:
    return list(Draft.objects.filter(user=user).order_by("-changed_at")[:MOST])


def _forget_old(user: User) -> None:
    for old in Draft.objects.filter(user=user).order_by("-changed_at")[MOST:]:
        old.delete()


def _elsewhere(kept: Draft) -> Conflict:
    return Conflict(
        f"The draft of {kept.name} was changed in another tab. This step was not taken; here is what it is now."
    )
