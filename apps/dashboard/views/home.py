"""The cluster at a glance, finding anything by name, and the guide to the design."""

from __future__ import annotations

from django.db.models import Case, When
from django.http import HttpRequest, HttpResponse

from apps.cluster import models, store
from apps.cluster.actors import Actor
from apps.cluster.registry import all_kinds, by_key
from apps.dashboard import access, look, overview, pages, paths

FOUND = 20
_FIRST = (paths.APPLICATIONS, "deployments.apps", "services", "pods", "nodes")
"""What people look for most, before what is made of it."""


@pages.page("GET")
def cluster(request: HttpRequest, who: Actor) -> HttpResponse:
    number = store.clock()  # read first: what is written meanwhile is told as a change
    seen = overview.of_cluster(who, pages.now())
    context = {
        "overview": seen,
        "events": [(event, paths.referred(event.involved_object)) for event in seen.events],
        "number": number,
        "topics": "pods nodes deployments.apps replicationcontrollers services events namespaces",
        "who": who,
    }
    return pages.show(request, "dashboard/cluster.html", context, here="cluster")


@pages.page("GET")
def find(request: HttpRequest, who: Actor) -> HttpResponse:
    """Pages and objects whose name holds what was typed."""
    text = request.GET.get("q", "").strip()[:253].lower()
    every = [*paths.SCREENS, *(place for _, group in paths.navigation() for place in group)]
    places = [place for place in every if text in place.title.lower() or text in place.key]
    found = []
    if text:
        rows = models.Object.objects.filter(access.any_of(who, all_kinds()), name__contains=text).exclude(
            kind="events"
        )
        rank = Case(*(When(kind=key, then=at) for at, key in enumerate(_FIRST)), default=len(_FIRST))
        rows = rows.order_by(rank, "kind", "name")[:FOUND]
        for key, namespace, name in rows.values_list("kind", "namespace", "name"):
            kind = by_key(key)
            found.append((kind, namespace, name, paths.home_of(kind, namespace, name), paths.icon(kind)))
    context = {"text": text, "places": places[:8], "found": found, "full": len(found) == FOUND}
    return pages.show(request, "dashboard/find.html", context)


@pages.page("GET")
def styleguide(request: HttpRequest, who: Actor) -> HttpResponse:
    """Every part of the design on one page, to look at in both themes."""
    words = (
        "Running",
        "ContainerCreating",
        "Pending",
        "CrashLoopBackOff",
        "Completed",
        "Terminating",
        "Warning",
    )
    tokens = ("ground", "surface", "sunken", "line", "ink", "accent", "ok", "warn", "bad", "busy")
    context = {"words": [(word, look.of_word(word)) for word in words], "tokens": tokens}
    return pages.show(request, "dashboard/styleguide.html", context, here="styleguide")
