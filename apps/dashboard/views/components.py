"""One component of an application: what its panel shows; its replicas and its image as changes of the application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from msgspec.structs import replace

from apps.catalog import operations, rollout, scaling
from apps.catalog.format import Component
from apps.catalog.kinds import APPLICATION, APPLICATION_REVISION
from apps.catalog.render.metadata import COMPONENT, INSTANCE
from apps.catalog.revisions import revision_name
from apps.catalog.types import Application, ApplicationSpec, ComponentStatus
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, NotFound
from apps.cluster.kinds import DEPLOYMENT, POD
from apps.cluster.quantities import number_in
from apps.cluster.selectors import LabelSelector
from apps.dashboard import access, commands, look, pages, paths, reading, sentences, topology
from apps.dashboard.views import dialogs

MOST_PODS = 12


@dataclass(frozen=True)
class Button:
    """Something to do with it; ``refused`` says why this person may not."""

    title: str
    icon: str
    href: str
    refused: str


def panel(who: Actor, app: Application, name: str) -> dict[str, Any]:
    """All that the page shows of the component called ``name``; nothing when there is none."""
    definition = app.spec.definition
    component = definition.components.get(name) if definition is not None else None
    if component is None:
        return {"chosen": ""}
    found = next((one for one in app.status.components if one.name == name), None)
    wanted, workload = _asked_for(app, name)
    return {
        "chosen": name,
        "component": component,
        "pin": app.spec.pins.get(name, ""),
        "standing": found,
        "component_look": topology.of_state(found.state if found else "Waiting"),
        "scaling_to": wanted if found is not None and wanted not in {None, found.desired} else None,
        "workload_href": paths.of_object(DEPLOYMENT, app.metadata.namespace, workload) if workload else "",
        "buttons": _buttons(who, app, name, component, found, workload),
        **_pods(who, app, name),
    }


def _pods(who: Actor, app: Application, name: str) -> dict[str, Any]:
    """Its pods, those that are not well first, and as many of them as a panel has room for."""
    now, meta = pages.now(), app.metadata
    told = [
        (pod, sentences.of_object(POD.key, pod, now), paths.of_object(POD, meta.namespace, pod.metadata.name))
        for pod in pods_of(who, app, name)
    ]
    told.sort(key=lambda one: one[1] is not None and one[1].look is look.OK)
    everything = paths.of_list(POD, namespace=meta.namespace, labels=f"{INSTANCE}={meta.name},{COMPONENT}={name}")
    return {"pods": told[:MOST_PODS], "pods_left": len(told) - MOST_PODS, "pods_href": everything}


def pods_of(who: Actor, app: Application, component: str = "") -> Sequence[types.Pod]:
    """Its pods, of one component or of all."""
    labels = {INSTANCE: app.metadata.name} | ({COMPONENT: component} if component else {})
    return reading.pods_of(who, namespace=app.metadata.namespace, labels=LabelSelector.of(labels))


def _asked_for(app: Application, name: str) -> tuple[int | None, str]:
    """The replicas that the newest revision asks for, which the controller may not have read yet, and of which
    deployment."""
    name_of = revision_name(app.metadata.name, app.spec.revision)
    row = store.find(APPLICATION_REVISION, app.metadata.namespace, name_of)
    manifest = rollout.parts(row.object.spec.objects).get(name) if row is not None else None
    if manifest is None or manifest["kind"] != DEPLOYMENT.name:
        return None, ""
    return manifest["spec"].get("replicas"), manifest["metadata"]["name"]


def _buttons(
    who: Actor,
    app: Application,
    name: str,
    component: Component,
    found: ComponentStatus | None,
    workload: str,
) -> list[Button]:
    meta = app.metadata
    if not workload:
        return []
    change = access.may(who, "update", APPLICATION, meta.namespace, meta.name)
    restart = access.may(who, "patch", DEPLOYMENT, meta.namespace, workload)
    why, here = scaling.refusal(component), paths.of_application(meta.namespace, meta.name)
    return [
        Button(
            "Scale", "scale", f"{here}/scale/{name}",
            f"{name} cannot be scaled: {why}." if why else "" if change.allowed else change.reason,
        ),
        Button("Image", "pod", f"{here}/image/{name}", "" if change.allowed else change.reason),
        Button(
            "Restart", "again",
            f"{paths.of_action('rollout', DEPLOYMENT, meta.namespace, workload)}?do=restart",
            "" if restart.allowed and found is not None else restart.reason or f"{name} is not there yet.",
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class Step:
    """Something to do with a component: carried out (or only tried), told, and the same in a terminal."""

    action: str
    told: str
    carry: Callable[[bool], operations.Preview]
    same: commands.Same


@pages.page("GET", "POST")
def scale(request: HttpRequest, who: Actor, namespace: str, name: str, component: str) -> HttpResponse:
    """What another number of replicas means, for the number that is typed; then the deed."""
    app, plan = _chosen(who, namespace, name, component)
    kept, _ = _asked_for(app, component)
    given = _given(request, "replicas", str(kept or 0))
    found = next((one for one in app.status.components if one.name == component), None)
    context: dict[str, Any] = {
        "component": component, "standing": found, "wanted": given, "kept": kept, "most": scaling.most(plan),
    }  # fmt: skip
    count = number_in(given)
    if count is None or count > scaling.MOST:
        problem = f"The number of pods must be between 0 and {context['most']}."
        return dialogs.of_application(request, "scale", app, {**context, "problem": problem}, status=422)
    changed = ApplicationSpec(definition=app.spec.definition)
    scaling.scale(changed, component, count)
    spec = types.to_data(replace(changed, definition=None))
    step = Step(
        "scale",
        f"Scaling {component} to {count}…",
        lambda dry: operations.scale(who, namespace, name, {component: count}, dry_run=dry),
        commands.of_application(namespace, name, spec, "scale", f"{component}={count}"),
    )
    return _taken(request, app, component, step, context)


@pages.page("GET", "POST")
def image(request: HttpRequest, who: Actor, namespace: str, name: str, component: str) -> HttpResponse:
    """Another image, as a revision of the application's own plan."""
    app, plan = _chosen(who, namespace, name, component)
    given = _given(request, "image", plan.image).strip()
    context = {"component": component, "wanted": given, "current": app.spec.pins.get(component) or plan.image}
    step = Step(
        "image",
        f"{component} changes to {given}…",
        lambda dry: operations.set_image(who, namespace, name, component, given, dry_run=dry),
        commands.of_application(namespace, name, _said(app, component, given)),
    )
    return _taken(request, app, component, step, context)


def _said(app: Application, component: str, image: str) -> dict[str, Any]:
    """Null takes out the pin that going back had left."""
    pin: dict[str, Any] = {"pins": {component: None}} if component in app.spec.pins else {}
    return {"definition": {"components": {component: {"image": image}}}, **pin}


def _chosen(who: Actor, namespace: str, name: str, component: str) -> tuple[Application, Component]:
    """What is to be changed, by somebody who may."""
    app: Application = access.seen(who, APPLICATION, namespace, name).object
    access.require(who, "update", APPLICATION, namespace, name)
    if app.spec.definition is None or component not in app.spec.definition.components:
        raise NotFound(f"{name} has no component {component}.")
    return app, app.spec.definition.components[component]


def _given(request: HttpRequest, field: str, otherwise: str) -> str:
    return (request.POST if request.method == "POST" else request.GET).get(field, otherwise)


def _taken(
    request: HttpRequest, app: Application, component: str, step: Step, context: dict[str, Any]
) -> HttpResponse:
    """Tried for the dialog, or done."""
    dry = request.method == "GET"
    context["same"] = step.same
    try:
        preview = step.carry(dry)
    except ApiError as refusal:
        context["problem"] = dialogs.words(refusal)
        return dialogs.of_application(request, step.action, app, context, status=refusal.code)
    if dry:
        return dialogs.of_application(request, step.action, app, {**context, "preview": preview})
    where = paths.of_application(app.metadata.namespace, app.metadata.name)
    return dialogs.done(request, f"{where}?component={component}", step.told)
