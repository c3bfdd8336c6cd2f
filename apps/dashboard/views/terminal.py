"""The ticket that opens a terminal in a pod's container."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.cluster.actors import Actor
from apps.cluster.errors import NotFound
from apps.cluster.kinds import POD
from apps.dashboard import pages, terminal
from apps.dashboard.views import actions


@pages.page("POST")
def ticket(request: HttpRequest, who: Actor, key: str, namespace: str, name: str) -> HttpResponse:
    """Good for one websocket, for half a minute, for this person and this container only."""
    subject = actions.subject_of(who, key, namespace, name)
    if subject.kind is not POD:
        raise NotFound("Only pods have containers to run something in.")
    target = terminal.Target(subject.namespace, name, subject.stored.uid, request.POST.get("container", ""))
    terminal.allowed(who, target)
    answer = JsonResponse({"ticket": terminal.ticket(who, target)})
    answer["Cache-Control"] = "no-store"
    return answer
