"""One object of any kind: how it is, why, what happened, what it belongs to, and itself as YAML."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse

from apps.cluster import types, why
from apps.cluster.actors import Actor
from apps.cluster.errors import NotFound
from apps.cluster.kinds import CONFIG_MAP, DEPLOYMENT, NODE, POD
from apps.cluster.registry import Kind
from apps.cluster.rows import Stored
from apps.dashboard import access, commands, gone, listing, look, manifest, pages, paths, reading, sentences
from apps.dashboard.excerpts import excerpt
from apps.dashboard.panels import Panel, Subject, panels_of
from apps.dashboard.views.listed import kind_or_404

TABS = ("overview", "logs", "terminal", "yaml")
OF_PODS = frozenset({"logs", "terminal"})


@dataclass(frozen=True)
class Action:
    """A button: forbidden ones are shown, with the reason."""

    verb: str
    title: str
    icon: str
    href: str
    refused: str
    danger: bool = False


@pages.page("GET")
def resource_detail(request: HttpRequest, who: Actor, key: str, namespace: str, name: str) -> HttpResponse:
    kind = kind_or_404(key)
    place = "" if namespace == paths.NOWHERE else namespace
    try:
        stored = access.seen(who, kind, place, name)
    except NotFound as missing:
        return pages.refused(request, missing, gone.of(who, kind, place, name))
    chosen = request.GET.get("tab", "overview")
    tab = chosen if chosen in TABS and (chosen not in OF_PODS or kind is POD) else "overview"
    if kind is CONFIG_MAP and "entry" in request.GET:
        return _value(stored.object, request.GET["entry"])
    if tab == "yaml" and "whole" in request.GET:
        return HttpResponse(manifest.text(kind, stored.object), content_type="application/yaml")
    now = pages.now()
    events = reading.events_about(who, kind, stored)
    subject = Subject(who, kind, stored, now, events)
    context = {
        "kind": kind,
        "stored": stored,
        "obj": stored.object,
        "meta": stored.object.metadata,
        "icon": paths.icon(kind),
        "title": paths.title(kind),
        "list_href": paths.of_list(kind),
        "href": paths.of_object(kind, place, name),
        "sentence": sentences.of_object(kind.key, stored.object, now),
        "why": why.of_pod(stored.object, events, now) if kind is POD else None,
        "tab": tab,
        "tabs": _tabs(kind, place, name, tab),
        "topics": " ".join(_topics(kind, place, name)),
        "actions": _actions(who, kind, stored),
        "commands": commands.of(kind, place, name),
        **_ABOUT[tab](subject, request),
    }
    return pages.show(request, "dashboard/detail.html", context, here=kind.key)


def _value(held: types.ConfigMap, entry: str) -> HttpResponse:
    """One value of a config map, whole. Raises NotFound."""
    if entry in held.data:
        return HttpResponse(held.data[entry], content_type="text/plain; charset=utf-8")
    if entry in held.binary_data:
        content = base64.b64decode(held.binary_data[entry])
        return HttpResponse(content, content_type="application/octet-stream")
    raise NotFound(f"Config map {held.metadata.name} has no key {entry}.")


def _overview(subject: Subject, request: HttpRequest) -> dict[str, Any]:
    gathered = [(panel, panel.gather(subject)) for panel in panels_of(subject.kind)]
    return {
        "panels": [
            (panel.template, shown) for panel, shown in gathered if shown is not None and not panel.aside
        ],
        "asides": [(panel.template, shown) for panel, shown in gathered if shown is not None and panel.aside],
        "facts": _facts(subject),
        "conditions": _conditions(subject.obj),
        "events": subject.events[:50],
        "has_events": subject.kind.key != "events",
        "owners": [(ref, paths.referred(ref, subject.namespace)) for ref in reading.owners(subject.obj)],
        "children": _children(subject),
    }


def _logs(subject: Subject, request: HttpRequest) -> dict[str, Any]:
    pod: types.Pod = subject.obj
    spec = pod.spec
    names = [each.name for each in (*spec.containers, *spec.init_containers, *spec.ephemeral_containers)]
    asked = request.GET.get("container", "")
    return {
        "containers": names,
        "container": asked if asked in names else (names[0] if names else ""),
        "previous": "previous" in request.GET,
        "timestamps": "timestamps" in request.GET,
        "logs_href": paths.of_action("logs", POD, subject.namespace, subject.name),
        "logs_allowed": access.may(subject.who, "get", POD, subject.namespace, subject.name, "log"),
    }


def _terminal(subject: Subject, request: HttpRequest) -> dict[str, Any]:
    told = _logs(subject, request)
    place, name, container = subject.namespace, subject.name, told["container"]
    return {
        "containers": told["containers"],
        "container": container,
        "terminal_href": paths.of_action("terminal", POD, place, name),
        "terminal_allowed": access.may(subject.who, "create", POD, place, name, "exec"),
        "terminal_ready": finders.find("xterm/xterm.js") is not None,
        "terminal_command": f"kubectl -n {place} exec -it {name} -c {container} -- sh",
    }


def _yaml(subject: Subject, request: HttpRequest) -> dict[str, Any]:
    shown = excerpt(manifest.text(subject.kind, subject.obj))
    return {"shown": shown, "lines": list(manifest.lines(shown.text)), "masked": bool(subject.kind.sealed)}


_ABOUT = {"overview": _overview, "logs": _logs, "terminal": _terminal, "yaml": _yaml}


def _facts(subject: Subject) -> list[listing.Cell]:
    """What the list shows of it, and more: every column but the name."""
    columns = [column for column in subject.kind.columns if column.name not in {"Name", "Status", "Message"}]
    cells = [listing.cell_of(column, subject.obj, subject.now) for column in columns]
    return [cell for cell in cells if cell.text]


def _conditions(obj: Any) -> list[tuple[types.Condition, look.Look]]:
    conditions = getattr(getattr(obj, "status", None), "conditions", [])
    return [(condition, look.of_condition(condition.type, condition.status)) for condition in conditions]


def _children(subject: Subject) -> list[tuple[Kind, str, str]]:
    """What it owns, pods of a controller aside: those have their own table."""
    rows = reading.dependents(subject.who, subject.stored.uid)
    if subject.kind.makes_pods:
        rows = [row for row in rows if row.kind is not POD]
    return [(row.kind, row.name, paths.of_object(row.kind, row.namespace, row.name)) for row in rows]


def _tabs(kind: Kind, namespace: str, name: str, chosen: str) -> list[tuple[str, str, bool]]:
    named = {"overview": "Overview", "logs": "Logs", "terminal": "Terminal", "yaml": "YAML"}
    shown = [tab for tab in TABS if tab not in OF_PODS or kind is POD]
    asked = {tab: {} if tab == "overview" else {"tab": tab} for tab in shown}
    return [
        (named[tab], paths.of_object(kind, namespace, name, **asked[tab]), tab == chosen) for tab in shown
    ]


def _topics(kind: Kind, namespace: str, name: str) -> list[str]:
    """What this page shows: the object, its events, and what its panels add."""
    place = namespace or paths.NOWHERE
    topics = [f"{kind.key}/{place}/{name}", f"events/{namespace or 'default'}"]
    for panel in panels_of(kind):
        topics += [topic.format(namespace=place, name=name) for topic in _of_panel(panel)]
    return list(dict.fromkeys(topics))


def _of_panel(panel: Panel) -> tuple[str, ...]:
    return panel.topics


def _actions(who: Actor, kind: Kind, stored: Stored) -> list[Action]:
    place, name = stored.namespace, stored.name
    found = []
    if "scale" in kind.subresources:
        scale = access.may(who, "update", kind, place, name, "scale")
        href = paths.of_action("scale", kind, place, name)
        found.append(Action("scale", "Scale", "scale", href, "" if scale.allowed else scale.reason))
    if kind is DEPLOYMENT:
        found += _rollout_actions(who, stored)
    if kind is NODE:
        found += _node_actions(who, stored)
    delete = access.may(who, "delete", kind, place, name)
    refused = "" if delete.allowed else delete.reason
    href = paths.of_action("delete", kind, place, name)
    found.append(Action("delete", "Delete", "trash", href, refused, danger=True))
    return found


def _rollout_actions(who: Actor, stored: Stored) -> list[Action]:
    patch = access.may(who, "patch", DEPLOYMENT, stored.namespace, stored.name)
    href = paths.of_action("rollout", DEPLOYMENT, stored.namespace, stored.name)
    hold = ("resume", "Resume") if stored.object.spec.paused else ("pause", "Pause")
    refused = "" if patch.allowed else patch.reason
    return [
        Action(verb, title, icon, f"{href}?do={verb}", refused)
        for verb, title, icon in (("restart", "Restart", "again"), (*hold, "clock"))
    ]


def _node_actions(who: Actor, stored: Stored) -> list[Action]:
    update = access.may(who, "update", NODE, "", stored.name)
    refused = "" if update.allowed else update.reason
    cordon = "Uncordon" if stored.object.spec.unschedulable else "Cordon"
    return [
        Action(verb, title, icon, paths.of_action(verb, NODE, "", stored.name), refused, danger=verb == "drain")
        for verb, title, icon in (
            ("mark", "Labels and taints", "tag"), ("cordon", cordon, "lock"), ("drain", "Drain", "leave")
        )
    ]  # fmt: skip
