"""What can be done to an object: delete, scale, reveal. Each asks policy and writes through the store."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.catalog.kinds import APPLICATION
from apps.catalog.render.metadata import COMPONENT
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, NotFound
from apps.cluster.quantities import number_in
from apps.cluster.registry import Kind
from apps.cluster.transaction import Transaction
from apps.dashboard import access, commands, pages, paths, removal
from apps.dashboard.panels import Subject
from apps.dashboard.views import dialogs
from apps.dashboard.views.listed import kind_or_404

logger = logging.getLogger(__name__)
MOST_REPLICAS = 1000
_COMMANDS = {"delete": "Delete it", "scale": "Scale it", "drain": "Drain it"}


def subject_of(who: Actor, key: str, namespace: str, name: str) -> Subject:
    kind = kind_or_404(key)
    place = "" if namespace == paths.NOWHERE else namespace
    return Subject(who, kind, access.seen(who, kind, place, name), pages.now())


@pages.page("GET", "POST")
def delete(request: HttpRequest, who: Actor, key: str, namespace: str, name: str) -> HttpResponse:
    """Says exactly what goes, then deletes."""
    subject = subject_of(who, key, namespace, name)
    access.require(who, "delete", subject.kind, subject.namespace, name)
    told = removal.of(subject)
    if request.method == "GET":
        return dialog(request, "delete", subject, {"removal": told})
    if told.type_name and request.POST.get("typed", "") != name:
        problem = f"Type {name} to confirm: what it holds is lost for good."
        return dialog(request, "delete", subject, {"removal": told, "problem": problem}, status=422)
    options = types.DeleteOptions(
        propagation_policy="Orphan" if "keep" in request.POST else "Background",
        preconditions=types.Preconditions(uid=request.POST.get("uid") or None),
    )
    try:
        left = store.write(who, lambda tx: tx.delete(subject.kind, subject.namespace, name, options))
    except ApiError as refusal:
        return dialog(
            request, "delete", subject, {"removal": told, "problem": refusal.message}, status=refusal.code
        )
    word = "is being deleted" if left is not None else "is deleted"
    return done(request, subject, f"{subject.kind.name} {name} {word}.", leave=left is None)


@pages.page("GET", "POST")
def scale(request: HttpRequest, who: Actor, key: str, namespace: str, name: str) -> HttpResponse:
    """The number of replicas, for kinds that have one."""
    subject = subject_of(who, key, namespace, name)
    if "scale" not in subject.kind.subresources:
        raise NotFound(f"{subject.kind.name} objects cannot be scaled.")
    access.require(who, "update", subject.kind, subject.namespace, name, "scale")
    keeper = _keeper(subject)
    if request.method == "GET":
        return dialog(request, "scale", subject, {"wanted": subject.obj.spec.replicas, "keeper": keeper})
    given = request.POST.get("replicas", "")
    wanted = number_in(given)
    if wanted is None or wanted > MOST_REPLICAS:
        problem = f"The number of replicas must be between 0 and {MOST_REPLICAS}."
        return dialog(request, "scale", subject, {"wanted": given, "problem": problem}, status=422)

    def change(tx: Transaction) -> Any:
        obj = types.decode(subject.kind.schema, types.encode(tx.get(subject.kind, subject.namespace, name)))
        obj.spec.replicas = wanted
        return tx.update(subject.kind, obj, part="spec")

    try:
        store.write(who, change)
    except ApiError as refusal:
        return dialog(
            request, "scale", subject, {"wanted": wanted, "problem": refusal.message}, status=refusal.code
        )
    return done(request, subject, f"{name} is scaling to {wanted}.")


def _keeper(subject: Subject) -> tuple[str, str, str] | None:
    """The application that says how many replicas there are to be, its component, and where that is changed."""
    meta = subject.obj.metadata
    component = meta.labels.get(COMPONENT, "")
    for ref in meta.owner_references:
        if ref.kind == APPLICATION.name and component:
            where = f"{paths.of_application(meta.namespace, ref.name)}/scale/{quote(component)}"
            return ref.name, component, where
    return None


@pages.page("POST")
def reveal(request: HttpRequest, who: Actor, key: str, namespace: str, name: str) -> HttpResponse:
    """One value of a sealed object, when asked for by someone who may read it. The asking is logged, not the value."""
    subject = subject_of(who, key, namespace, name)
    if "data" not in subject.kind.sealed:
        raise NotFound(f"{subject.kind.name} objects have no sealed values.")
    entry = request.POST.get("entry", "")
    encoded = subject.obj.data.get(entry)
    if encoded is None:
        raise NotFound(f"{subject.kind.name} {name} has no key {entry}.")
    try:
        value = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadRequest("This value is no text; fetch it with kubectl.") from None
    logger.info(
        "%s revealed key %s of %s %s/%s", who.name, entry, subject.kind.singular, subject.namespace, name
    )
    answer = render(request, "dashboard/_value.html", {"entry": entry, "value": value})
    answer["Cache-Control"] = "no-store"
    return answer


def dialog(
    request: HttpRequest, action: str, subject: Subject, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    kind: Kind = subject.kind
    told = dict(commands.of(kind, subject.namespace, subject.name))
    known = {
        "subject": subject,
        "about": subject.name,
        "action": action,
        "template": f"dashboard/actions/{action}.html",
        "href": paths.of_action(action, kind, subject.namespace, subject.name),
        "back": paths.of_object(kind, subject.namespace, subject.name),
        "command": told.get(_COMMANDS.get(action, ""), ""),
        **context,
    }
    return pages.show(request, "dashboard/action.html", known, status=status, here=kind.key)


def done(request: HttpRequest, subject: Subject, text: str, *, leave: bool = False) -> HttpResponse:
    where = (
        paths.of_list(subject.kind)
        if leave
        else paths.of_object(subject.kind, subject.namespace, subject.name)
    )
    here = f"/{subject.name}" in request.headers.get("HX-Current-URL", "")
    return dialogs.done(request, where, text, leave=leave and here)
