"""What can be done to a Deployment's versions: restart it, hold its updates and let them go on, go back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, NotFound
from apps.cluster.kinds import DEPLOYMENT
from apps.cluster.revisions import CAUSE, plain, restarted, revision
from apps.cluster.transaction import Transaction
from apps.dashboard import access, commands, pages
from apps.dashboard.panels import Subject
from apps.dashboard.panels.controllers import versions_of
from apps.dashboard.views import actions


@dataclass(frozen=True)
class Step:
    """One thing to do, in words; ``{name}`` stands for the deployment."""

    title: str
    about: str
    button: str
    done: str
    command: str
    change: Callable[[types.Deployment], None]


def _restart(deployment: types.Deployment) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    deployment.spec.template = restarted(deployment.spec.template, now)


def _hold(deployment: types.Deployment) -> None:
    deployment.spec.paused = True


def _go_on(deployment: types.Deployment) -> None:
    deployment.spec.paused = False


STEPS = {
    "restart": Step(
        "Restart {name}?",
        "Every pod is made anew, a few at a time; as many as now stay available all the while.",
        "Restart", "{name} is restarting.", "restart", _restart,
    ),
    "pause": Step(
        "Pause {name}?",
        "Changes are kept and not carried out until it is resumed. Scaling still works.",
        "Pause", "{name} is paused.", "pause", _hold,
    ),
    "resume": Step(
        "Resume {name}?", "What was changed meanwhile is carried out.", "Resume", "{name} goes on.", "resume", _go_on
    ),
}  # fmt: skip


@pages.page("GET", "POST")
def rollout(request: HttpRequest, who: Actor, key: str, namespace: str, name: str) -> HttpResponse:
    """``do`` says what; ``revision`` where to go back to."""
    subject = actions.subject_of(who, key, namespace, name)
    if subject.kind is not DEPLOYMENT:
        raise NotFound(f"{subject.kind.name} objects have no versions.")
    access.require(who, "patch", subject.kind, subject.namespace, name)
    asked = request.POST if request.method == "POST" else request.GET
    step = _step(subject, asked.get("do", ""), asked.get("revision", ""))
    context = {
        "title": step.title.format(name=name),
        "about": step.about,
        "button": step.button,
        "do": asked.get("do", ""),
        "revision": asked.get("revision", ""),
        "same": _same(subject, step),
    }
    if request.method == "GET":
        return actions.dialog(request, "rollout", subject, context)

    def change(tx: Transaction) -> Any:
        found = tx.get(DEPLOYMENT, subject.namespace, name)
        deployment: types.Deployment = types.decode(types.Deployment, types.encode(found))
        step.change(deployment)
        return tx.update(DEPLOYMENT, deployment)

    try:
        store.write(who, change)
    except ApiError as refusal:
        return actions.dialog(request, "rollout", subject, context | {"problem": refusal.message}, status=refusal.code)
    return actions.done(request, subject, step.done.format(name=name))


def _same(subject: Subject, step: Step) -> commands.Same:
    """kubectl's own word for it, and the patch that it sends."""
    deployment: types.Deployment = types.decode(types.Deployment, types.encode(subject.obj))
    step.change(deployment)
    patch = commands.patch_between(types.to_data(subject.obj), types.to_data(deployment))
    words = f"kubectl rollout {step.command} deployment/{subject.name} -n {subject.namespace}".split()
    return commands.of_objects(subject.namespace, [(DEPLOYMENT, subject.name, patch)], words)


def _step(subject: Subject, do: str, number: str) -> Step:
    if do in STEPS:
        return STEPS[do]
    if do != "undo":
        raise BadRequest(f"do: must be one of {', '.join((*STEPS, 'undo'))}")
    found = next((row for row in versions_of(subject) if str(revision(row.object)) == number), None)
    if found is None:
        raise NotFound(f"Revision {number[:20]} of {subject.name} is no longer kept.")
    replica_set: types.ReplicaSet = found.object

    def back(deployment: types.Deployment) -> None:
        deployment.spec.template = plain(replica_set.spec.template)
        deployment.metadata.annotations.pop(CAUSE, None)
        cause = replica_set.metadata.annotations.get(CAUSE)
        if cause:
            deployment.metadata.annotations[CAUSE] = cause

    images = ", ".join(each.image for each in replica_set.spec.template.spec.containers)
    return Step(
        f"Go back to revision {number} of {{name}}?",
        f"Its pods are replaced, a few at a time, by those of revision {number}: {images}. "
        "The version of now stays in the history.",
        "Go back", f"{{name}} goes back to revision {number}.", f"undo --to-revision={number}", back,
    )  # fmt: skip
