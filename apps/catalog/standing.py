"""How an application stands: a word and a sentence for each component, and for the whole. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.catalog.types import ComponentStatus
from apps.cluster import types, why

WAITING, STARTING, UPDATING, READY, DEGRADED, FAILING, COMPLETE, STOPPED = (
    "Waiting", "Starting", "Updating", "Ready", "Degraded", "Failing", "Complete", "Stopped",
)  # fmt: skip
SETTLED = frozenset({READY, COMPLETE, STOPPED})
"""States in which a component is as it should be."""
CANCELLED = "Cancelled"
"""The phase of a revision that was given up, and of an application that has no good one to go back to."""
WORKLOADS = frozenset({"Deployment", "Job"})


def of_component(
    name: str,
    manifest: Mapping[str, Any],
    live: Any | None,
    pods: Sequence[types.Pod],
    waits: str,
    now: datetime,
) -> ComponentStatus:
    """The state of one component. ``waits`` says in words what it waits for, "" when nothing holds it back."""
    kind = manifest["kind"]
    if live is None:
        desired = manifest["spec"].get("replicas", 1)
        state, words = (WAITING, waits) if waits else (STARTING, "is being made")
        return ComponentStatus(name=name, kind=kind, desired=desired, state=state, message=words)
    made = _of_job(name, live) if kind == "Job" else _of_deployment(name, live)
    if made.state not in SETTLED and (trouble := _trouble(pods, now)):
        made.state = FAILING if trouble.tone == "bad" else made.state
        made.message = trouble.sentence
    return made


def _of_deployment(name: str, live: types.Deployment) -> ComponentStatus:
    status, desired = live.status, 1 if live.spec.replicas is None else live.spec.replicas
    seen = status.observed_generation >= live.metadata.generation
    made = ComponentStatus(
        name=name, kind="Deployment", desired=desired,
        ready=status.ready_replicas, updated=status.updated_replicas if seen else 0,
    )  # fmt: skip
    settled = seen and status.updated_replicas >= desired and status.replicas <= desired
    ready = min(status.ready_replicas, desired)
    if settled and status.ready_replicas >= desired:
        made.state, made.message = (
            (READY, f"{ready} of {desired} ready") if desired else (STOPPED, "scaled to 0")
        )
    elif not settled and status.replicas > status.updated_replicas:
        made.state = UPDATING
        made.message = f"{made.updated} of {desired} exchanged"
    else:
        made.state = DEGRADED if status.ready_replicas else STARTING
        made.message = f"{ready} of {desired} ready"
    stuck = next(
        (one for one in status.conditions if one.type == "Progressing" and one.status == "False"), None
    )
    if stuck is not None and seen and made.state not in SETTLED:
        made.state = FAILING
    return made


def _of_job(name: str, live: Any) -> ComponentStatus:
    wanted = live.spec.completions or 1
    made = ComponentStatus(name=name, kind="Job", desired=wanted, ready=live.status.succeeded, updated=wanted)
    done = {one.type for one in live.status.conditions if one.status == "True"}
    if "Complete" in done:
        made.state, made.message = COMPLETE, "has run"
    elif "Failed" in done:
        made.state, made.message = FAILING, "has failed; its log says why"
    else:
        made.state, made.message = STARTING, "runs"
    return made


def _trouble(pods: Iterable[types.Pod], now: datetime) -> why.Why | None:
    """The worst that is known of its pods, the newest of them first."""
    told = [found for pod in pods if (found := why.of_pod(pod, (), now)) is not None and found.tone != "busy"]
    return next((one for one in told if one.tone == "bad"), told[0] if told else None)


def phase_of(components: Sequence[ComponentStatus], *, first: bool, deleting: bool) -> str:
    """One word for the whole. ``first``: no revision has become ready yet."""
    states = {component.state for component in components}
    if deleting:
        return "Deleting"
    if states <= SETTLED:
        return "Running"
    if FAILING in states:
        return "Failing"
    if first:
        return "Installing"
    return "Updating" if states & {UPDATING, WAITING, STARTING} else "Degraded"


def cancelled(number: int, left: Iterable[str], *, namespace: str, name: str) -> str:
    """What stays of an installation that was given up, by kind, and how it goes away or on."""
    kinds = Counter(left)
    made = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in sorted(kinds.items()))
    stays = f"What was made stays: {made}." if made else "Nothing was made."
    return (
        f"Revision {number} was cancelled. {stays} `kubectl -n {namespace} delete app {name}` removes it; "
        f"a change, or going back to revision {number}, goes on."
    )


def sentence(phase: str, components: Sequence[ComponentStatus]) -> str:
    """The one sentence that a person reads first."""
    settled = sum(component.state in SETTLED for component in components)
    total = len(components)
    if phase == "Running":
        return f"All {total} components are ready." if total > 1 else "It is ready."
    if phase == "Deleting":
        return "It is being deleted."
    worst = min(
        (component for component in components if component.state not in SETTLED),
        key=lambda component: [FAILING, DEGRADED, UPDATING, STARTING, WAITING].index(component.state),
    )
    return f"{settled} of {total} components are ready; {worst.name}: {worst.message.rstrip('.')}."
