"""Scales each autoscaler's workload by what its pods use, as the agents' samples tell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from apps.cluster import quantities, types
from apps.cluster.kinds import HORIZONTAL_POD_AUTOSCALER, POD
from apps.cluster.kinds.autoscalers import UTILIZATION, target_kind
from apps.cluster.log import Change
from apps.cluster.quantities import NANO, Form, Quantity
from apps.cluster.registry import Kind
from apps.controllers import autoscaling
from apps.controllers import pods as pod_facts
from apps.controllers.actions import (
    Actions,
    Fingerprint,
    Note,
    Update,
    fingerprint,
    told_status,
    with_condition,
)
from apps.controllers.autoscaling import Need, Past, PodUse, Unknown, Verdict
from apps.controllers.base import Controller
from apps.controllers.reading import Reader, key_of, namespaced
from apps.nodes import samples

EVERY = 5.0
"""Seconds between looks at what pods use; agents tell it every ten."""
MEBI = 2**20

Use = Mapping[tuple[str, str, str], tuple[int, int]]
"""What a container used, by namespace, pod and container: cpu in thousand millionths of a core, memory in bytes."""


@dataclass(frozen=True)
class View:
    """An autoscaler, what it scales (None when that is not there), its pods and what they used, and its past."""

    autoscaler: types.HorizontalPodAutoscaler
    kind: Kind | None
    target: Any | None
    pods: tuple[types.Pod, ...]
    use: Use
    past: Past

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.autoscaler, self.target))

    @property
    def current(self) -> int:
        replicas = self.target.spec.replicas if self.target is not None else 0
        return 1 if replicas is None else int(replicas)


@dataclass(frozen=True)
class Judged:
    """What the metrics ask for together: ``wanted`` None when nothing can be told, ``why`` says so."""

    wanted: int | None
    metrics: tuple[types.MetricStatus, ...]
    why: str = ""
    resource: str = ""


def plan(view: View, now: datetime) -> Actions:
    """Pure."""
    autoscaler, status = view.autoscaler, view.autoscaler.status
    if autoscaler.metadata.deletion_timestamp is not None:
        return Actions()
    if view.target is None or view.kind is None:
        reference = autoscaler.spec.scale_target_ref
        why = f"the HPA controller was unable to get the target's current scale: {reference.kind} "
        told = [("AbleToScale", "False", "FailedGetScale", f'{why}"{reference.name}" not found')]
        return _told(view, replace(status, current_replicas=0, desired_replicas=0), told, now)
    if view.current == 0:
        why = "scaling is disabled since the replica count of the target is zero"
        told = [_ABLE, ("ScalingActive", "False", "ScalingDisabled", why)]
        return _told(view, replace(status, current_replicas=0, desired_replicas=0), told, now)
    judged = judge(view)
    verdict = decide(view, judged, now)
    status = replace(
        status,
        current_replicas=view.target.status.replicas,
        desired_replicas=verdict.replicas,
        current_metrics=list(judged.metrics),
    )
    told = [_active(judged), _limited(verdict)]
    if verdict.replicas == view.current:
        held = judged.wanted is not None and judged.wanted < view.current and not verdict.limit
        return _told(view, status, [_STEADY if held else _ABLE, *told], now)
    able = (
        "AbleToScale",
        "True",
        "SucceededRescale",
        f"the HPA controller was able to update the target scale to {verdict.replicas}",
    )
    way = "above" if verdict.replicas > view.current else "below"
    what = f"{judged.resource} resource utilization (percentage of request) {way} target"
    note = Note(about=autoscaler, reason="SuccessfulRescale", message=f"New size: {verdict.replicas}; reason: {what}")
    scaled = replace(view.target, spec=replace(view.target.spec, replicas=verdict.replicas))
    actions = _told(view, replace(status, last_scale_time=now.replace(microsecond=0)), [able, *told], now)
    scaling = Update(kind=view.kind, obj=scaled, part="spec")
    return Actions(updates=(scaling,), statuses=actions.statuses, events=(*actions.events, note))


def decide(view: View, judged: Judged, now: datetime) -> Verdict:
    """The number of pods there are to be. What cannot be told changes nothing, except within the bounds."""
    wanted = view.current if judged.wanted is None else judged.wanted
    # A process that knows nothing of the past takes none of the pods away for a whole window.
    past = view.past if view.past.recommended else Past(recommended=((now, view.current),))
    return autoscaling.steadied(view.current, wanted, past, view.autoscaler.spec, now)


def judge(view: View) -> Judged:
    """The most that any metric asks for; while one of them is not known, never fewer than there are."""
    found: list[tuple[str, Need]] = []
    why = ""
    for metric in view.autoscaler.spec.metrics:
        source = metric.resource
        if source is None:
            continue
        try:
            uses = [use_of(pod, source.name, view.use) for pod in view.pods if pod_facts.is_active(pod)]
            goal = _goal(source.target)
            found.append((source.name, autoscaling.need(uses, source.target, source.name, view.current, goal)))
        except Unknown as unknown:
            why = why or f"the HPA was unable to compute the replica count: failed to get {source.name}: {unknown}"
    metrics = tuple(
        types.MetricStatus(type="Resource", resource=types.ResourceMetricStatus(name=name, current=_shown(name, each)))
        for name, each in found
    )
    if not found:
        return Judged(None, metrics, why)
    name, most = max(found, key=lambda each: each[1].replicas)
    if why and most.replicas < view.current:
        return Judged(None, metrics, why)
    return Judged(most.replicas, metrics, why, name)


def use_of(pod: types.Pod, resource: str, use: Use) -> PodUse:
    """What a pod asked for and used: of all its containers, the sidecars too."""
    containers = [*pod.spec.containers, *pod.spec.sidecars()]
    asked = {each.name: each.resources.requests.get(resource) for each in containers}
    silent = next((name for name, amount in asked.items() if amount is None), "")
    meta, place = pod.metadata, 0 if resource == "cpu" else 1
    used = [use.get((meta.namespace, meta.name, each.name)) for each in containers]
    measured = [amounts[place] * (1 if resource == "cpu" else NANO) for amounts in used if amounts is not None]
    return PodUse(
        name=meta.name,
        ready=pod_facts.is_ready(pod),
        asked=None if silent else sum(quantities.exact(amount) for amount in asked.values() if amount is not None),
        used=sum(measured) if len(measured) == len(containers) else None,
        silent=silent,
    )


def _goal(target: types.MetricTarget) -> int:
    if target.type == UTILIZATION:
        return target.average_utilization or 0
    return quantities.exact(target.average_value or "0")


def _shown(name: str, need: Need) -> types.MetricValueStatus:
    """Rounded as people read it: whole thousandths of a core, whole mebibytes."""
    if name == "cpu":
        average = f"{-(-need.average // (NANO // 1000))}m"
    else:
        whole = -(-need.average // (NANO * MEBI)) * MEBI
        average = str(Quantity(whole * NANO, Form.BINARY))
    return types.MetricValueStatus(average_value=average, average_utilization=need.utilization)


Told = tuple[str, str, str, str]
"""A condition: type, status, reason, message."""
_ABLE: Told = ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
_STEADY: Told = (
    "AbleToScale",
    "True",
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)


def _active(judged: Judged) -> Told:
    if judged.wanted is None:
        return "ScalingActive", "False", "FailedGetResourceMetric", judged.why
    what = f"the HPA was able to successfully calculate a replica count from {judged.resource} resource utilization"
    return "ScalingActive", "True", "ValidMetricFound", what


def _limited(verdict: Verdict) -> Told:
    if verdict.limit:
        return "ScalingLimited", "True", verdict.limit, verdict.words
    return "ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range"


def _told(view: View, status: types.HorizontalPodAutoscalerStatus, told: list[Told], now: datetime) -> Actions:
    """The conditions in place; a new trouble is an event too."""
    conditions, events = status.conditions, []
    for name, word, reason, message in told:
        wanted = types.Condition(type=name, status=word, reason=reason, message=message)
        before = next((each for each in conditions if each.type == name), None)
        if word == "False" and name != "ScalingLimited" and (before is None or before.reason != reason):
            events.append(Note(about=view.autoscaler, reason=reason, message=message, warning=True))
        if before is None or (before.status, before.reason, before.message) != (word, reason, message):
            conditions = with_condition(conditions, wanted, now)
    observed = view.autoscaler.metadata.generation
    status = replace(status, conditions=conditions, observed_generation=observed)
    return Actions(statuses=told_status(view.autoscaler, status), events=tuple(events))


class Autoscalers(Controller[View]):
    """One key per autoscaler: its namespace and name. What it recommended lately is remembered by this process:
    a new one begins from the number of pods there are, and waits a whole window before it takes any away."""

    name = "autoscaler"
    component = "horizontal-pod-autoscaler"
    watches = (HORIZONTAL_POD_AUTOSCALER,)
    every = EVERY

    def __init__(self) -> None:
        self._past: dict[str, Past] = {}
        self._use: Use = {}

    def keys(self, change: Change, read: Reader) -> Iterable[str]:  # noqa: ARG002
        return (key_of(change.namespace, change.name),) if change.type == "ADDED" else ()

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(HORIZONTAL_POD_AUTOSCALER)

    def overdue(self, read: Reader, now: datetime) -> Iterable[str]:
        keys = list(self.all_keys(read))
        self._past = {key: self._past[key] for key in keys if key in self._past}
        if keys:
            self._use = used(now)
        return keys

    def look(self, read: Reader, key: str) -> View | None:
        namespace, name = namespaced(key)
        found = read.find(HORIZONTAL_POD_AUTOSCALER, namespace, name)
        if found is None:
            return None
        kind = target_kind(found)
        target = read.find(kind, namespace, found.spec.scale_target_ref.name) if kind is not None else None
        pods = read.labelled(POD, namespace, kind.selects(target)) if kind is not None and target is not None else []
        return View(found, kind, target, tuple(pods), self._use, self._past.get(key, Past()))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)

    def reconcile(self, key: str, now: datetime) -> datetime | None:
        again = super().reconcile(key, now)
        view = self.look(Reader(), key)
        if view is not None and view.target is not None:
            wanted = judge(view).wanted
            self._past[key] = view.past.later(now, view.current if wanted is None else wanted, view.current)
        return again


def used(now: datetime) -> dict[tuple[str, str, str], tuple[int, int]]:
    """What containers used, by the agents' latest samples."""
    return {
        (each.namespace, each.pod, each.name): (each.cpu, each.memory)
        for node in samples.latest(now)
        for each in node.samples.containers
    }
