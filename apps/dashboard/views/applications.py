"""Applications: the first page, one application's pages, and what can be done to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.catalog import changes, operations, pins, removal, standing
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION
from apps.catalog.render.metadata import INSTANCE
from apps.catalog.types import Application, ApplicationRevision
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, NotFound
from apps.dashboard import access, commands, gone, look, overview, pages, paths, questions, reading, topology
from apps.dashboard.views import components, dialogs

TABS = ("overview", "settings", "revisions", "logs")
TITLES = {"overview": "Topology", "settings": "Settings", "revisions": "Revisions", "logs": "Logs"}
WORST_FIRST = ("Failing", "Degraded", standing.CANCELLED, "Installing", "Updating", "Deleting", "", "Running")


@pages.page("GET")
def home(request: HttpRequest, who: Actor) -> HttpResponse:
    """Applications, problems first, above the cluster's vital signs."""
    number = store.clock()
    apps: list[Application] = [*reading.everything(who, APPLICATION.key)]
    apps.sort(key=lambda app: (_rank(app), app.metadata.namespace, app.metadata.name))
    context = {
        "cards": [_card(app) for app in apps],
        "overview": overview.of_cluster(who, pages.now()),
        "number": number,
        "topics": f"{APPLICATION.key} pods nodes",
        "may_see": access.visible_at_all(who, APPLICATION),
    }  # fmt: skip
    return pages.show(request, "dashboard/home.html", context, here="home")


def _card(app: Application) -> tuple[Application, look.Look, str]:
    where = paths.of_application(app.metadata.namespace, app.metadata.name)
    return app, topology.of_state(app.status.phase or "Installing"), where


def _rank(app: Application) -> int:
    phase = "Deleting" if app.metadata.deletion_timestamp else app.status.phase
    return WORST_FIRST.index(phase) if phase in WORST_FIRST else 0


@pages.page("GET")
def application(request: HttpRequest, who: Actor, namespace: str, name: str) -> HttpResponse:
    try:
        stored = access.seen(who, APPLICATION, namespace, name)
    except NotFound as missing:
        return pages.refused(request, missing, gone.of(who, APPLICATION, namespace, name))
    app: Application = stored.object
    tab = request.GET.get("tab", "overview")
    tab = tab if tab in TABS else "overview"
    href = paths.of_application(namespace, name)
    context = {
        **_frame(who, app, stored.number),
        "tab": tab,
        "tabs": [
            (TITLES[one], href if one == "overview" else f"{href}?tab={one}", one == tab) for one in TABS
        ],
        **_ABOUT[tab](who, app, request),
    }
    return pages.show(request, "dashboard/application.html", context, here="home")


def _frame(who: Actor, app: Application, number: int) -> dict[str, Any]:
    meta = app.metadata
    phase = "Deleting" if meta.deletion_timestamp else app.status.phase or "Installing"
    return {
        "app": app,
        "meta": meta,
        "number": number,
        "href": paths.of_application(meta.namespace, meta.name),
        "object_href": paths.of_object(APPLICATION, meta.namespace, meta.name, tab="yaml"),
        "phase": phase,
        "look": topology.of_state(phase),
        "topics": " ".join((
            f"{APPLICATION.key}/{meta.namespace}/{meta.name}", f"pods/{meta.namespace}",
            f"{APPLICATION_REVISION.key}/{meta.namespace}",
        )),
        "may_change": access.may(who, "update", APPLICATION, meta.namespace, meta.name),
        "may_delete": access.may(who, "delete", APPLICATION, meta.namespace, meta.name),
        "commands": _commands(meta.namespace, meta.name),
        "under_way": operations.under_way(app) and not meta.deletion_timestamp,
    }  # fmt: skip


def _commands(namespace: str, name: str) -> list[tuple[str, str]]:
    """The same from a terminal."""
    return [
        ("See it", f"kubectl -n {namespace} get app {name}"),
        ("Wait for it", f"kubectl -n {namespace} wait --for=condition=Ready app/{name}"),
        ("Its revisions", f"kubectl -n {namespace} get apprev"),
        ("All of its logs", f"kubectl -n {namespace} logs -f --prefix -l {INSTANCE}={name}"),
    ]


def _overview(who: Actor, app: Application, request: HttpRequest) -> dict[str, Any]:
    chosen = request.GET.get("component", "")
    definition = app.spec.definition
    if definition is None:
        return {}
    urls = {one.name: one.url for one in app.status.endpoints}
    href = paths.of_application(app.metadata.namespace, app.metadata.name)
    return {
        "picture": topology.of_application(definition, app.status, urls, href, chosen),
        "as_list": request.GET.get("view") == "list",
        "unwell": [one for one in app.status.components if one.state not in standing.SETTLED],
        "states": [(one, topology.of_state(one.state)) for one in app.status.components],
        **components.panel(who, app, chosen),
    }


def _settings(who: Actor, app: Application, request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    definition = app.spec.definition
    if definition is None:
        return {"sections": []}
    return {
        "sections": questions.sections(definition, app.spec.parameters, installed=True),
        "seen": app.metadata.resource_version,
    }


def _revisions(who: Actor, app: Application, request: HttpRequest) -> dict[str, Any]:
    numbered = {one.spec.number: one for one in _of(who, app)}
    new = _number(request.GET.get("new"), app.spec.revision)
    old = _number(request.GET.get("old"), max((one for one in numbered if one < new), default=0))
    before, after = numbered.get(old), numbered.get(new)
    told = before is not None and after is not None
    return {
        "revisions": [(one, pins.known(one)) for _, one in sorted(numbered.items(), reverse=True)],
        "old": old if told else 0,
        "new": new,
        "changes": changes.between(*pins.compared(before, after)) if before and after else (),
        "values": changes.values_between(before.spec, after.spec) if before and after else (),
    }


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def _of(who: Actor, app: Application) -> list[ApplicationRevision]:
    found: list[ApplicationRevision] = [
        *reading.everything(who, APPLICATION_REVISION.key, namespace=app.metadata.namespace)
    ]
    return [one for one in found if one.spec.application == app.metadata.name]


def _logs(who: Actor, app: Application, request: HttpRequest) -> dict[str, Any]:
    return {
        "components": sorted(app.spec.definition.components) if app.spec.definition else [],
        "chosen": request.GET.get("component", ""),
        "gone": "gone" in request.GET or "component" not in request.GET,
    }


_ABOUT = {"overview": _overview, "settings": _settings, "revisions": _revisions, "logs": _logs}


# What can be done


@pages.page("POST")
def change(request: HttpRequest, who: Actor, namespace: str, name: str) -> HttpResponse:
    """New values for its parameters: ``do`` is "preview" or "apply"."""
    app: Application = access.seen(who, APPLICATION, namespace, name).object
    access.require(who, "update", APPLICATION, namespace, name)
    definition = app.spec.definition
    if definition is None:
        raise BadRequest("This application has no definition.")
    values, _ = questions.typed(definition, request.POST)
    dry = request.POST.get("do") != "apply"
    seen = request.POST.get("seen", "")

    def work(found: Application) -> None:
        found.spec.parameters = values

    problems: list[types.Problem] = []
    preview = None
    try:
        preview = operations.change(
            who, namespace, name, work, why=request.POST.get("why", "").strip()[:200], seen=seen, dry_run=dry
        )
    except ApiError as refusal:
        problems = [*refusal.causes] or [types.Problem("", refusal.message)]
    if not problems and not dry:
        return dialogs.done(request, paths.of_application(namespace, name), f"{name} is changing.", leave=True)
    context = {
        **_frame(who, app, 0),
        "sections": questions.sections(definition, values, problems, installed=True),
        "problems": questions.unplaced(problems, definition),
        "preview": preview,
        "same": _same(namespace, name, preview) if preview is not None else None,
        "seen": seen,
        "why": request.POST.get("why", ""),
    }
    return pages.show(
        request, "dashboard/settings.html", context, status=422 if problems else 200, here="home"
    )


def _same(namespace: str, name: str, preview: operations.Preview) -> commands.Same:
    """The values that differ; null takes one out."""
    changed = {one.path: one.after for one in preview.values}
    words = [word for key, value in changed.items() for word in ("--set", f"{key}={value}")]
    return commands.of_application(namespace, name, {"parameters": changed}, "update", *words)


@pages.page("GET", "POST")
def take_back(request: HttpRequest, who: Actor, namespace: str, name: str, number: str) -> HttpResponse:
    """Back to a revision: what that changes, then the deed."""
    told = f"{name} goes back to revision {number}."
    return _to_another(request, who, (namespace, name, number), "rollback", operations.take_back, told)


@pages.page("GET", "POST")
def cancel(request: HttpRequest, who: Actor, namespace: str, name: str, number: str) -> HttpResponse:
    """Give up a revision that is under way: where that leads, then the deed."""
    told = f"Revision {number} of {name} is cancelled."
    return _to_another(request, who, (namespace, name, number), "cancel", operations.cancel, told)


_SAID = {"rollback": "rollbackTo", "cancel": "cancel"}
"""Where an application says which revision is meant."""


def _to_another(
    request: HttpRequest,
    who: Actor,
    place: tuple[str, str, str],
    action: str,
    work: Callable[..., operations.Preview],
    told: str,
) -> HttpResponse:
    namespace, name, number = place
    app: Application = access.seen(who, APPLICATION, namespace, name).object
    access.require(who, "update", APPLICATION, namespace, name)
    wanted = _number(number, 0)
    words = () if action == "cancel" else (str(wanted),)
    same = commands.of_application(namespace, name, {_SAID[action]: wanted}, action, *words)
    context: dict[str, Any] = {"wanted": wanted, "same": same}
    dry = request.method == "GET"
    try:
        preview = work(who, namespace, name, wanted, dry_run=dry)
    except ApiError as refusal:
        return dialogs.of_application(
            request, action, app, {**context, "problem": dialogs.words(refusal)}, status=refusal.code
        )
    if dry:
        return dialogs.of_application(request, action, app, {**context, "preview": preview})
    return dialogs.done(request, paths.of_application(namespace, name), told, leave=True)


@pages.page("GET", "POST")
def delete(request: HttpRequest, who: Actor, namespace: str, name: str) -> HttpResponse:
    """Exactly what goes and what stays; data only when it is asked for and the name is typed."""
    app: Application = access.seen(who, APPLICATION, namespace, name).object
    access.require(who, "delete", APPLICATION, namespace, name)
    volumes = "volumes" in request.POST
    kept, everything = removal.of(app, volumes=False), removal.of(app, volumes=True)
    context = {"kept": kept, "everything": everything, "volumes": volumes}
    if request.method == "GET":
        return dialogs.of_application(request, "delete", app, context)
    if volumes and everything.loses and request.POST.get("typed", "") != name:
        problem = f"Type {name} to confirm: its data is lost for good."
        return dialogs.of_application(request, "delete", app, {**context, "problem": problem}, status=422)
    removal.carry_out(who, namespace, name, volumes=volumes)
    return dialogs.done(request, "/", f"{name} is being deleted.", leave=True)


@pages.page("GET", "POST")
def repair(request: HttpRequest, who: Actor, namespace: str, name: str) -> HttpResponse:
    """What was changed beside the application; then it is put back."""
    app: Application = access.seen(who, APPLICATION, namespace, name).object
    access.require(who, "update", APPLICATION, namespace, name)
    found = operations.repair(who, namespace, name, dry_run=request.method == "GET")
    if request.method == "GET":
        patches = [(one.kind, one.name, commands.patch_between(one.before, one.after)) for one in found]
        same = commands.of_objects(namespace, patches, ["manage.py", "app", "repair", "-n", namespace, name])
        return dialogs.of_application(request, "repair", app, {"found": found, "same": same})
    count = sum(len(one.fields) for one in found)
    return dialogs.done(
        request, paths.of_application(namespace, name), f"{count} field{'s' * (count != 1)} put back."
    )


@pages.page("GET", "POST")
def rotate(request: HttpRequest, who: Actor, namespace: str, name: str, parameter: str) -> HttpResponse:
    """What uses a secret and restarts; then it is exchanged."""
    app: Application = access.seen(who, APPLICATION, namespace, name).object
    access.require(who, "update", APPLICATION, namespace, name)
    if app.spec.definition is None or parameter not in app.spec.definition.parameters:
        raise NotFound(f"{name} has no parameter {parameter}.")
    count = app.spec.rotations.get(parameter, 0) + 1
    same = commands.of_application(namespace, name, {"rotations": {parameter: count}}, "update", "--rotate", parameter)
    context = {"same": same, "label": app.spec.definition.parameters[parameter].label or parameter}
    try:
        preview = operations.rotate(who, namespace, name, parameter, dry_run=request.method == "GET")
    except ApiError as refusal:
        return dialogs.of_application(
            request, "rotate", app, {**context, "problem": dialogs.words(refusal)}, status=refusal.code
        )
    if request.method == "GET":
        return dialogs.of_application(request, "rotate", app, {**context, "preview": preview})
    return dialogs.done(request, paths.of_application(namespace, name), f"{parameter} is exchanged.", leave=True)
