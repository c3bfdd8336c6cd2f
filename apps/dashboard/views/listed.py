"""One kind, one page of it: a whole page for a browser, only its table for htmx."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.catalog.kinds import APPLICATION_REVISION
from apps.cluster.actors import Actor
from apps.cluster.errors import NotFound
from apps.cluster.kinds import ENDPOINT_SLICE, ENDPOINTS, EVENT, NODE
from apps.cluster.registry import Kind, UnknownKind, by_key
from apps.dashboard import access, listing, pages, paths, reading, teaching

_MADE_BY_ITSELF = (EVENT, NODE, ENDPOINTS, ENDPOINT_SLICE, APPLICATION_REVISION)
"""Kinds that nobody writes by hand, though the API would let them."""


def kind_or_404(key: str) -> Kind:
    try:
        return by_key(key)
    except UnknownKind:
        raise NotFound(f"There is no kind called {key} here.") from None


@pages.page("GET")
def resource_list(request: HttpRequest, who: Actor, key: str) -> HttpResponse:
    kind = kind_or_404(key)
    question = listing.Question.of(request.GET)
    table = listing.table(who, kind, question, pages.now())
    topic = f"{kind.key}/{question.namespace}" if kind.namespaced and question.namespace else kind.key
    context = {
        "kind": kind,
        "title": paths.title(kind),
        "icon": paths.icon(kind),
        "table": table,
        "question": question,
        "topics": topic,
        "namespaces": reading.namespaces(who) if kind.namespaced else [],
        "teaching": teaching.of(kind),
        "allowed": access.visible_at_all(who, kind),
        "command": _command(kind, question),
        "address": question.address(kind),
        "makes": kind not in _MADE_BY_ITSELF,
        "joins": access.may(who, "create", NODE) if kind is NODE else None,
    }
    return pages.show(request, "dashboard/list.html", context, here=kind.key)


def _command(kind: Kind, question: listing.Question) -> str:
    """The same list in a terminal."""
    place = f" -n {question.namespace}" if question.namespace else " -A" if kind.namespaced else ""
    labels = f" -l '{question.labels}'" if question.labels else ""
    return f"kubectl get {kind.plural}{place}{labels}"
