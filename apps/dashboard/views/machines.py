"""Adding a machine: one line to paste there, how long it is good, and the machine as it arrives."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.cluster import store
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, NotFound
from apps.cluster.kinds import NODE
from apps.dashboard import access, pages, paths, sentences
from apps.nodes import invitations
from apps.nodes.models import Invitation

GOOD_FOR = {"15m": "15 minutes", "30m": "30 minutes", "2h": "2 hours", "1d": "a day"}
USUALLY = "30m"


@pages.page("GET", "POST")
def add(request: HttpRequest, who: Actor) -> HttpResponse:
    """Asks what the machine is to be, then shows its line: once, for only its digest is kept."""
    access.require(who, "create", NODE)
    given = {name: request.POST.get(name, "").strip() for name in ("name", "labels", "taints", "ttl")}
    context: dict[str, Any] = {"given": given, "good_for": GOOD_FOR, "chosen": given["ttl"] or USUALLY}
    status = 200
    if request.method == "POST":
        try:
            context |= _made(request, who, given)
        except ApiError as refusal:
            context |= {"problem": refusal.message}
            status = refusal.code
    answer = pages.show(request, "dashboard/machine.html", context, status=status, here=NODE.key)
    answer["Cache-Control"] = "no-store"
    return answer


@pages.page("GET")
def arrival(request: HttpRequest, who: Actor, number: int) -> HttpResponse:
    """What became of a line: nobody came yet, it ended, or who joined and how that node is."""
    access.require(who, "create", NODE)
    found = Invitation.objects.filter(pk=number).first()
    if found is None:
        raise NotFound("This line is not known any more.")
    return pages.show(request, "dashboard/arrival.html", _arrival(found), here=NODE.key)


def _made(request: HttpRequest, who: Actor, given: dict[str, str]) -> dict[str, Any]:
    wish = invitations.Wish(
        name=given["name"],
        labels=invitations.read_labels(given["labels"]),
        taints=invitations.read_taints(given["taints"]),
        ttl=invitations.read_ttl(given["ttl"] or USUALLY),
    )
    text, made = invitations.invite(who, wish, pages.now())
    return {"line": invitations.line(_server(request), text)} | _arrival(made)


def _server(request: HttpRequest) -> str:
    """Where this very page was reached, if that is a name that the server can prove; else its own address."""
    try:
        return invitations.server_place(request.get_host() if request.is_secure() else "")
    except BadRequest:
        return invitations.server_place()


def _arrival(made: Invitation) -> dict[str, Any]:
    number, row = store.clock(), store.find(NODE, "", made.node) if made.node else None
    return {
        "made": made,
        "number": number,
        "address": f"/machines/{made.pk}",
        "topics": NODE.key,
        "over": made.used_at is None and made.expires_at <= pages.now(),
        "node": row,
        "state": sentences.of_object(NODE.key, row.object, pages.now()) if row is not None else None,
        "node_href": paths.of_object(NODE, "", made.node) if made.node else "",
    }
