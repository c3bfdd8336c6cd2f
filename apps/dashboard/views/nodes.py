"""What can be done to a node: keep new pods away, let them come again, empty it, label and taint it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.cluster import eviction, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, Conflict, NotFound, TooManyRequests
from apps.cluster.kinds import NODE, POD
from apps.cluster.transaction import Transaction
from apps.dashboard import access, draining, pages, reading
from apps.dashboard.panels import Subject
from apps.dashboard.views.actions import dialog, done, subject_of

LABEL = re.compile(r"([^\s=]+)=(\S*)")
TAINT = re.compile(r"([^\s=:]+)(?:=([^\s:]*))?:(\w+)")


@pages.page("GET", "POST")
def cordon(request: HttpRequest, who: Actor, key: str, namespace: str, name: str) -> HttpResponse:
    """No new pods; those that run stay."""
    node = _node(who, key, namespace, name)
    told = {"wanted": not node.obj.spec.unschedulable}
    if request.method == "GET":
        return dialog(request, "cordon", node, told)
    wanted = request.POST.get("wanted") == "yes"
    words = f"{name} takes no new pods." if wanted else f"{name} takes new pods again."
    return _change(request, who, node, "cordon", told, words, lambda found: _mark(found, wanted))


@pages.page("GET", "POST")
def drain(request: HttpRequest, who: Actor, key: str, namespace: str, name: str) -> HttpResponse:
    """Cordons the node and asks its pods to leave, each with its own grace."""
    node = _node(who, key, namespace, name)
    found = draining.of(reading.pods_on(who, name))
    told: dict[str, Any] = {"drain": found}

    def work(tx: Transaction) -> list[str]:
        fresh = tx.get(NODE, "", name)
        _mark(fresh, wanted=True)
        tx.update(NODE, fresh, part="spec")
        return [words for pod in found.leaving if (words := _held(tx, pod))]

    if request.method == "GET":
        return dialog(request, "drain", node, told | {"held": store.write(who, work, dry_run=True)})
    for pod in found.leaving:
        access.require(who, "create", POD, pod.metadata.namespace, pod.metadata.name, "eviction")
    try:
        held = store.write(who, work)
    except ApiError as refusal:
        return dialog(request, "drain", node, told | {"problem": refusal.message}, status=refusal.code)
    count = len(found.leaving) - len(held)
    stay = f" {len(held)} must stay for now: {'; '.join(held)}. Drain again later." if held else ""
    return done(request, node, f"{name} takes no new pods; {count} pod{'s' if count != 1 else ''} leave it.{stay}")


def _held(tx: Transaction, pod: types.Pod) -> str:
    """Ask the pod to leave; what a disruption budget says against it."""
    meta = pod.metadata
    options = types.DeleteOptions(preconditions=types.Preconditions(uid=meta.uid))
    try:
        eviction.evict(tx, meta.namespace, meta.name, options)
    except TooManyRequests as refusal:
        return f"{meta.namespace}/{meta.name}: {', '.join(cause.message for cause in refusal.causes)}"
    except (Conflict, NotFound):
        return ""
    return ""


@pages.page("GET", "POST")
def mark(request: HttpRequest, who: Actor, key: str, namespace: str, name: str) -> HttpResponse:
    """Its labels and taints, one per line."""
    node = _node(who, key, namespace, name)
    meta, spec = node.obj.metadata, node.obj.spec
    told = {
        "labels": "\n".join(f"{label}={value}" for label, value in sorted(meta.labels.items())),
        "taints": "\n".join(_taint_words(taint) for taint in spec.taints),
    }
    if request.method == "GET":
        return dialog(request, "mark", node, told)
    told = {field: request.POST.get(field, "") for field in told}
    try:
        labels, taints = _labels(told["labels"]), _taints(told["taints"], spec.taints)
    except ValueError as error:
        return dialog(request, "mark", node, told | {"problem": str(error)}, status=422)

    def change(found: types.Node) -> None:
        found.metadata.labels, found.spec.taints = labels, taints

    return _change(request, who, node, "mark", told, f"{name} has its new labels and taints.", change)


def _node(who: Actor, key: str, namespace: str, name: str) -> Subject:
    found = subject_of(who, key, namespace, name)
    if found.kind is not NODE:
        raise NotFound(f"{found.kind.name} objects are no machines.")
    access.require(who, "update", NODE, "", name)
    return found


def _mark(node: types.Node, wanted: bool) -> None:
    node.spec.unschedulable = True if wanted else None


def _change(
    request: HttpRequest,
    who: Actor,
    node: Subject,
    action: str,
    told: dict[str, Any],
    words: str,
    change: Callable[[types.Node], None],
) -> HttpResponse:
    def work(tx: Transaction) -> None:
        fresh = tx.get(NODE, "", node.name)
        change(fresh)
        tx.update(NODE, fresh, part="spec")

    try:
        store.write(who, work)
    except ApiError as refusal:
        return dialog(request, action, node, told | {"problem": refusal.message}, status=refusal.code)
    return done(request, node, words)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _labels(text: str) -> dict[str, str]:
    found = {}
    for line in _lines(text):
        label = LABEL.fullmatch(line)
        if label is None:
            raise ValueError(f"Labels: {line!r} is no label: write it as key=value.")
        found[label[1]] = label[2]
    return found


def _taints(text: str, before: list[types.Taint]) -> list[types.Taint]:
    """Taints that stay keep the time they were set."""
    known = {_taint_words(taint): taint for taint in before}
    found = []
    for line in _lines(text):
        taint = TAINT.fullmatch(line)
        if taint is None:
            raise ValueError(f"Taints: {line!r} is no taint: write it as key=value:NoSchedule, or key:NoExecute.")
        fresh = types.Taint(key=taint[1], value=taint[2] or "", effect=taint[3])
        found.append(known.get(line, fresh))
    return found


def _taint_words(taint: types.Taint) -> str:
    return f"{taint.key}{'=' if taint.value else ''}{taint.value}:{taint.effect}"
