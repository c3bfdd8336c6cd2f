"""The catalog, and installing from it: the form, what it would make, and off it goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.catalog import bundled, operations
from apps.catalog.kinds import APPLICATION, APPLICATION_TEMPLATE
from apps.catalog.types import Application, ApplicationSpec, ApplicationTemplate, TemplateReference
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError
from apps.dashboard import access, capacity, commands, pages, paths, questions, reading
from apps.dashboard.views import dialogs


@pages.page("GET")
def catalog(request: HttpRequest, who: Actor) -> HttpResponse:
    """Every template, by category; ``q`` narrows."""
    text = request.GET.get("q", "").strip().lower()
    templates: Sequence[ApplicationTemplate] = reading.everything(who, APPLICATION_TEMPLATE.key)
    found = [
        one for one in templates
        if text in f"{one.metadata.name} {one.spec.title} {one.spec.summary} {' '.join(one.spec.categories)}".lower()
    ]  # fmt: skip
    cards = [(one, bundled.stamp(one)) for one in found]
    context = {"cards": cards, "text": text, "total": len(templates)}
    return pages.show(request, "dashboard/catalog.html", context, here="catalog")


@pages.page("GET", "POST")
def install(request: HttpRequest, who: Actor, name: str) -> HttpResponse:
    """The form of one template. ``do`` is "preview" or "install"; nothing is there when anything is wrong."""
    template: ApplicationTemplate = access.seen(who, APPLICATION_TEMPLATE, "", name).object
    namespaces = [
        one for one in reading.namespaces(who) if access.may(who, "create", APPLICATION, one).allowed
    ]
    values, secrets = questions.typed(template.spec, request.POST)
    place = request.POST.get("namespace") or (
        "default" if "default" in namespaces else next(iter(namespaces), "")
    )
    called = request.POST.get("name", name).strip()
    room = capacity.compared(who, template.spec)
    context: dict[str, Any] = {
        "cramped": any(not one.enough for one in room), "nowhere": access.NOWHERE,
        "template": template, "namespaces": namespaces, "namespace": place, "called": called,
        "stamp": bundled.stamp(template), "room": room, "secrets": bool(secrets),
    }  # fmt: skip
    problems: list[types.Problem] = []
    status = 200
    if request.method == "POST":
        access.require(who, "create", APPLICATION, place)
        dry = request.POST.get("do") != "install"
        try:
            seen = operations.install(
                who, _application(template, place, called, values), secrets, dry_run=dry
            )
        except ApiError as refusal:
            problems, status = [*refusal.causes] or [types.Problem("", refusal.message)], 422
        else:
            if not dry:
                return dialogs.leave(request, paths.of_application(place, called))
            context["preview"] = seen
            spec = {"template": {"name": name}, "parameters": values}
            context["same"] = commands.of_installation(place, called, name, spec)
    context["sections"] = questions.sections(
        template.spec, values if request.method == "POST" else {}, problems
    )
    context["problems"] = questions.unplaced(problems, template.spec)
    context["refused"] = bool(problems)
    return pages.show(request, "dashboard/install.html", context, status=status, here="catalog")


def _application(
    template: ApplicationTemplate, namespace: str, name: str, values: dict[str, Any]
) -> Application:
    reference = TemplateReference(name=template.metadata.name, version=template.spec.version)
    return Application(
        metadata=types.ObjectMeta(name=name, namespace=namespace),
        spec=ApplicationSpec(template=reference, parameters=values),
    )
