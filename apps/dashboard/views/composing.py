"""The compose canvas: where a draft begins, the canvas itself, what others did meanwhile, and applying it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.catalog.kinds import APP_NAME_LIMIT, APPLICATION, APPLICATION_TEMPLATE
from apps.cluster import names, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, Conflict, Forbidden
from apps.cluster.kinds import ages
from apps.dashboard import access, look, pages, paths, reading
from apps.dashboard.compose import (
    asking,
    checks,
    connecting,
    draft,
    drawing,
    edits,
    fields,
    keeping,
    palette,
    ways,
    whole,
)
from apps.dashboard.compose.deeds import DEEDS, Done, Shown
from apps.dashboard.compose.desk import Desk
from apps.dashboard.views import dialogs


@pages.page("GET", "POST")
def begin(request: HttpRequest, who: Actor) -> HttpResponse:
    """A name and a place for a new application; drafts that were begun before."""
    spaces = [one for one in reading.namespaces(who) if access.may(who, "create", APPLICATION, one).allowed]
    name, place = request.POST.get("name", "").strip(), request.POST.get("namespace", "")
    context: dict[str, Any] = {
        "namespaces": spaces, "name": name, "namespace": place or next(iter(spaces), ""), "problem": "",
        "nowhere": access.NOWHERE, "drafts": [
            (one, paths.of_compose(one.namespace, one.name)) for one in keeping.of_user(request.user)  # type: ignore[arg-type]
        ],
    }  # fmt: skip
    if request.method == "GET":
        return pages.show(request, "dashboard/compose/begin.html", context, here="home")
    access.require(who, "create", APPLICATION, place)
    too_long = f"may not be more than {APP_NAME_LIMIT} characters" if len(name) > APP_NAME_LIMIT else ""
    if problem := names.dns_1035_problem(name) or too_long:
        context["problem"] = problem
        return pages.show(request, "dashboard/compose/begin.html", context, status=422, here="home")
    return dialogs.leave(request, paths.of_compose(place, name))


@pages.page("GET", "POST")
def compose(request: HttpRequest, who: Actor, namespace: str, name: str) -> HttpResponse:
    """The canvas of one application, there already or not; every step is a POST with its word in ``do``."""
    desk = Desk(request, who, namespace, name)
    if request.method != "POST":
        return _shown(request, desk, Done(Shown.of(request.GET)))
    desk.require()
    sent = request.POST
    shown, word, seen = Shown.of(sent), sent.get("do", ""), _whole(sent.get("draft", ""))
    if word == "discard":
        keeping.drop(desk.user, namespace, name)
        where = paths.of_application(namespace, name) if desk.app else "/compose"
        return dialogs.done(request, where, "The draft is discarded.", leave=True)
    try:
        if word not in DEEDS:
            raise BadRequest(f"Nothing is done by {word or 'no word'} here.")
        went = DEEDS[word](desk, sent, shown, seen)
    except ApiError as refusal:
        if isinstance(refusal, Conflict | Forbidden):
            desk = Desk(request, who, namespace, name)  # what was not taken is not shown either
        return _shown(request, desk, Done(shown, refusal.message), status=refusal.code)
    if not pages.is_fragment(request) and not went.wrong:
        return HttpResponseRedirect(f"{desk.href}{went.shown.query}")
    answer = _shown(request, desk, went)
    answer["HX-Replace-Url"] = f"{desk.href}{went.shown.query}"
    return answer


@pages.page("GET", "POST")
def apply(request: HttpRequest, who: Actor, namespace: str, name: str) -> HttpResponse:
    """The staged changes: what they would make and what they cost, then the deed."""
    desk = Desk(request, who, namespace, name)
    desk.require()
    why = request.POST.get("why", "").strip()[:200]
    context: dict[str, Any] = {"why": why, "desk": desk, "theirs": desk.theirs}
    try:
        if desk.theirs is not None:
            raise Conflict(f"{name} has been changed since this draft began.")
        preview = desk.apply(why, dry_run=request.method != "POST")
    except ApiError as refusal:
        found = draft.placed(desk.kept.text, refusal.causes) if desk.reading.definition is not None else []
        context |= {"problem": refusal.message, "problems": found or desk.reading.wrong}
        return _dialog(request, "apply", desk, context, status=409 if isinstance(refusal, Conflict) else 422)
    if request.method == "POST":
        keeping.drop(desk.user, namespace, name)
        told = f"{name} is {'changing' if desk.app else 'being made'}."
        return dialogs.done(request, paths.of_application(namespace, name), told, leave=True)
    context |= {
        "preview": preview, "same": desk.same(), "restarts": sum(one.restarts for one in preview.impact),
        "downtime": any(one.downtime for one in preview.impact),
    }  # fmt: skip
    return _dialog(request, "apply", desk, context)


@pages.page("GET", "POST")
def theirs(request: HttpRequest, who: Actor, namespace: str, name: str) -> HttpResponse:
    """What somebody else did since the draft began; a POST brings it into the draft."""
    desk = Desk(request, who, namespace, name)
    desk.require()
    context = {"desk": desk, "theirs": desk.theirs, "changes": desk.their_changes()}
    if request.method == "GET":
        return _dialog(request, "theirs", desk, context)
    try:
        clashes = desk.bring_in_theirs(_whole(request.POST.get("draft", "")))
    except ApiError as refusal:
        return _dialog(request, "theirs", desk, {**context, "problem": refusal.message}, status=refusal.code)
    told = "Their change is in your draft."
    if clashes:
        told += f" Both of you changed {', '.join(clashes)}: yours is kept."
    return dialogs.done(request, desk.href, told, leave=True)


@pages.page("GET")
def as_object(request: HttpRequest, who: Actor, namespace: str, name: str) -> HttpResponse:
    """The draft as an object for kubectl."""
    desk = Desk(request, who, namespace, name)
    desk.mine()
    return HttpResponse(desk.as_yaml(), content_type="application/yaml")


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _dialog(
    request: HttpRequest, action: str, desk: Desk, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    known = {
        "meta": types.ObjectMeta(name=desk.name, namespace=desk.namespace), "action": action, "href": request.path,
        "template": f"dashboard/compose/{action}.html", "back": desk.href, "about": desk.name, **context,
    }  # fmt: skip
    return pages.show(request, "dashboard/action.html", known, status=status, here="home")


# What the canvas shows


def _shown(request: HttpRequest, desk: Desk, went: Done, *, status: int = 200) -> HttpResponse:
    plan, shown, said = desk.drawn.definition, went.shown, desk.reading
    parts = plan.components if plan is not None else {}
    live = desk.app.spec.definition.components if desk.app and desk.app.spec.definition else {}
    gone = {name: one for name, one in live.items() if name not in parts}
    problems = {name: len(said.about(name)) for name in parts}
    context: dict[str, Any] = {
        "desk": desk, "meta": types.ObjectMeta(name=desk.name, namespace=desk.namespace), "shown": shown,
        "said": said, "older": said.definition is None, "note": went.note, "refused": status >= 400,
        "wrong": said.wrong, "changed": desk.changed, "staged": bool(desk.changed) or said.definition is None,
        "summary": _summary(desk), "theirs": desk.theirs, "others": _others(desk), "starters": palette.starters(),
        "templates": _templates(desk), "app": desk.app, "may": desk.may,
        "topics": f"{APPLICATION.key}/{desk.namespace}/{desk.name}", "number": store.clock(),
        "fine": look.OK, "quiet": look.IDLE, "back": paths.of_application(desk.namespace, desk.name),
        "picture": drawing.of_draft(plan, gone, desk.changed, problems, desk.href, shown.component) if plan else None,
        "rows": _rows(desk, gone), **_chosen(desk, went, gone),
    }  # fmt: skip
    return pages.show(request, "dashboard/compose.html", context, status=status, here="home")


def _summary(desk: Desk) -> str:
    """``1 new, 2 edited``, in words."""
    told = [
        f"{count} {word.lower()}" for word in ("New", "Edited", "Removed")
        if (count := sum(one == word for name, one in desk.changed.items() if name))
    ]  # fmt: skip
    if "" in desk.changed:
        told.append("ways in and settings" if told else "ways in and settings changed")
    return ", ".join(told)


def _others(desk: Desk) -> list[tuple[str, str]]:
    now = pages.now()
    return [
        (one.user.get_username(), ages.human(now - one.changed_at))
        for one in keeping.of_others(desk.user, desk.namespace, desk.name)
    ]


def _templates(desk: Desk) -> list[tuple[str, list[palette.Starter]]]:
    found = reading.everything(desk.who, APPLICATION_TEMPLATE.key)
    return [
        (one.spec.title or one.metadata.name, palette.of_template(one.metadata.name, one.spec))
        for one in found
    ]


def _rows(desk: Desk, gone: Any) -> list[dict[str, Any]]:
    """The same as a list."""
    plan = desk.drawn.definition
    if plan is None:
        return []
    here = [
        {
            "name": name, "image": drawing.short(one.image), "ports": list(one.ports),
            "word": desk.changed.get(name, ""),
            "needs": [tie.on for tie in connecting.ties(plan, name)], "problems": len(desk.reading.about(name)),
        }
        for name, one in plan.components.items()
    ]  # fmt: skip
    return here + [{"name": name, "image": drawing.short(one.image), "word": "Removed"} for name, one in gone.items()]


def _chosen(desk: Desk, went: Done, gone: Any) -> dict[str, Any]:
    """What stands beside the canvas: one component, a line to be drawn, a question, a way in, a check, or what can be
    added."""
    plan, shown = desk.reading.definition, went.shown
    data, name, unkept = went.tried or desk.reading.data, shown.component, went.tried is not None
    wrong = (*desk.reading.wrong, *went.wrong)
    if plan is None:
        return {"removed": name if name in gone else "", "takes": asking.TYPES}
    if shown.question in plan.parameters:
        headings = [one.title or one.id for one in plan.groups]
        about = asking.about(shown.question, wrong)
        return {"question": asking.of(data, shown.question, about), "headings": headings, "unkept": unkept}
    if shown.way in plan.endpoints:
        return {"way": ways.of(data, shown.way, ways.about(shown.way, wrong)), "unkept": unkept}
    if (number := checks.number(data, shown.check)) is not None:
        return {"check": checks.of(data, number, checks.about(number, wrong)), "unkept": unkept}
    if name not in plan.components:
        return {
            "removed": name if name in gone else "", "takes": asking.TYPES, "asked": asking.listed(data, wrong),
            "doors": ways.listed(data, wrong), "checked": checks.listed(data, wrong), "parts": list(plan.components),
            "whole": whole.of(data, wrong) if shown.add == "plan" else None, "unkept": unkept,
        }  # fmt: skip
    others = [other for other in plan.components if other != name]
    if shown.to in others:
        return {"line": _line(desk, shown), "others_named": others}
    about = [*desk.reading.about(name), *went.wrong]
    way = edits.way_of(data, name)
    about += ways.about(way, desk.reading.wrong)
    ties = {one: list(connecting.ties(plan, one)) for one in plan.components}
    return {
        "form": fields.of(data, name, about), "unkept": unkept, "ties": ties[name], "others_named": others,
        "needed_by": [one for one in others if name in {tie.on for tie in ties[one]}], "vias": ways.WORDS,
        "scaled": desk.app.spec.replicas.get(name) if desk.app else None,
    }  # fmt: skip


def _line(desk: Desk, shown: Shown) -> dict[str, Any]:
    plan = desk.reading.definition
    assert plan is not None
    target = plan.components[shown.to]
    port = shown.port if shown.port in target.ports else next(iter(target.ports), "")
    lead = shown.lead or connecting.default_lead(plan, shown.component, shown.to)
    return {
        "of": shown.component, "on": shown.to, "port": port, "ports": list(target.ports), "lead": lead,
        "proposals": connecting.proposals(plan, shown.component, shown.to, port, lead) if port else [],
        "usual": connecting.usual_port(target.image) or ("http", ""), "stage": connecting.stage_of(plan, shown.to),
        "circle": connecting.circle(plan, shown.component, shown.to),
    }  # fmt: skip
