"""The kind HorizontalPodAutoscaler: keeps the number of a workload's pods in step with what they use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, refusals, templates
from apps.cluster.kinds.volume_checks import amount_problems
from apps.cluster.registry import Column, Kind, UnknownKind, kind_at, register
from apps.cluster.types import Problem

RESOURCES = ("cpu", "memory")
UTILIZATION, AVERAGE = "Utilization", "AverageValue"
DEFAULT_UTILIZATION = 80
POLICIES = ("Pods", "Percent")
SELECTIONS = ("Max", "Min", "Disabled")
LONGEST_WINDOW, LONGEST_PERIOD = 3600, 1800
UP, DOWN = "scaleUp", "scaleDown"


def up_rules() -> types.HPAScalingRules:
    """At once, and in 15 seconds by four pods or to double as many, whichever is more."""
    return types.HPAScalingRules(
        stabilization_window_seconds=0,
        select_policy="Max",
        policies=[
            types.HPAScalingPolicy(type="Pods", value=4, period_seconds=15),
            types.HPAScalingPolicy(type="Percent", value=100, period_seconds=15),
        ],
    )


def down_rules() -> types.HPAScalingRules:
    """Only when for five minutes no more were needed."""
    return types.HPAScalingRules(
        stabilization_window_seconds=300,
        select_policy="Max",
        policies=[types.HPAScalingPolicy(type="Percent", value=100, period_seconds=15)],
    )


def _default(autoscaler: types.HorizontalPodAutoscaler) -> None:
    spec = autoscaler.spec
    if spec.min_replicas is None:
        spec.min_replicas = 1
    if not spec.metrics:
        target = types.MetricTarget(type=UTILIZATION, average_utilization=DEFAULT_UTILIZATION)
        source = types.ResourceMetricSource(name="cpu", target=target)
        spec.metrics = [types.MetricSpec(type="Resource", resource=source)]
    if spec.behavior is not None:
        spec.behavior.scale_up = _filled(spec.behavior.scale_up, up_rules())
        spec.behavior.scale_down = _filled(spec.behavior.scale_down, down_rules())


def _filled(given: types.HPAScalingRules | None, usual: types.HPAScalingRules) -> types.HPAScalingRules:
    if given is None:
        return usual
    if given.stabilization_window_seconds is None:
        given.stabilization_window_seconds = usual.stabilization_window_seconds
    given.select_policy = given.select_policy or usual.select_policy
    given.policies = given.policies or usual.policies
    return given


def target_kind(autoscaler: types.HorizontalPodAutoscaler) -> Kind | None:
    """The kind of what is scaled, when it is one that can be."""
    reference = autoscaler.spec.scale_target_ref
    try:
        kind = kind_at(reference.api_version, reference.kind)
    except UnknownKind:
        return None
    return kind if "scale" in kind.subresources else None


def _problems(autoscaler: types.HorizontalPodAutoscaler) -> Iterator[Problem]:
    spec = autoscaler.spec
    reference = spec.scale_target_ref
    yield from refusals.named("spec.scaleTargetRef.name", reference.name, names.dns_subdomain_problem)
    if not reference.kind:
        yield refusals.required("spec.scaleTargetRef.kind")
    elif target_kind(autoscaler) is None:
        shown = f"{reference.api_version or 'v1'} {reference.kind}"
        yield refusals.invalid("spec.scaleTargetRef.kind", shown, "is no kind that can be scaled")
    yield from refusals.between("spec.minReplicas", spec.min_replicas, 1, templates.MOST)
    yield from refusals.between("spec.maxReplicas", spec.max_replicas, 1, templates.MOST)
    if spec.min_replicas is not None and spec.max_replicas < spec.min_replicas:
        why = "must be greater than or equal to `minReplicas`"
        yield refusals.invalid("spec.maxReplicas", spec.max_replicas, why)
    for index, metric in enumerate(spec.metrics):
        yield from _metric_problems(metric, f"spec.metrics[{index}]")
    if spec.behavior is not None:
        for name, rules in ((UP, spec.behavior.scale_up), (DOWN, spec.behavior.scale_down)):
            if rules is not None:
                yield from _rules_problems(rules, f"spec.behavior.{name}")


def _metric_problems(metric: types.MetricSpec, path: str) -> Iterator[Problem]:
    if metric.type != "Resource":
        yield refusals.unsupported(f"{path}.type", metric.type, ("Resource",))
        return
    if metric.resource is None:
        yield refusals.required(f"{path}.resource")
        return
    yield from refusals.one_of(f"{path}.resource.name", metric.resource.name, RESOURCES)
    target, at = metric.resource.target, f"{path}.resource.target"
    yield from refusals.one_of(f"{at}.type", target.type, (UTILIZATION, AVERAGE))
    if target.type == UTILIZATION:
        if target.average_utilization is None:
            yield refusals.required(f"{at}.averageUtilization")
        yield from refusals.between(f"{at}.averageUtilization", target.average_utilization, 1, templates.MOST)
        unused = target.average_value is not None
        name = "averageValue"
    else:
        if target.average_value is None:
            yield refusals.required(f"{at}.averageValue")
        else:
            yield from amount_problems(f"{at}.averageValue", target.average_value)
        unused = target.average_utilization is not None
        name = "averageUtilization"
    if unused or target.value is not None:
        yield refusals.forbidden(f"{at}.{name if unused else 'value'}", f"is not used with type {target.type}")


def _rules_problems(rules: types.HPAScalingRules, path: str) -> Iterator[Problem]:
    window = f"{path}.stabilizationWindowSeconds"
    yield from refusals.between(window, rules.stabilization_window_seconds, 0, LONGEST_WINDOW)
    yield from refusals.one_of(f"{path}.selectPolicy", rules.select_policy or "Max", SELECTIONS)
    for index, policy in enumerate(rules.policies):
        at = f"{path}.policies[{index}]"
        yield from refusals.one_of(f"{at}.type", policy.type, POLICIES)
        yield from refusals.between(f"{at}.value", policy.value, 1, templates.MOST)
        yield from refusals.between(f"{at}.periodSeconds", policy.period_seconds, 1, LONGEST_PERIOD)


def _reference(autoscaler: types.HorizontalPodAutoscaler, now: datetime) -> str:
    reference = autoscaler.spec.scale_target_ref
    return f"{reference.kind}/{reference.name}"


def _targets(autoscaler: types.HorizontalPodAutoscaler, now: datetime) -> str:
    current = {each.resource.name: each.resource.current for each in autoscaler.status.current_metrics if each.resource}
    sources = [metric.resource for metric in autoscaler.spec.metrics if metric.resource is not None]
    return ", ".join(f"{each.name}: {_shown(each.target, current.get(each.name))}" for each in sources)


def _shown(target: types.MetricTarget, current: types.MetricValueStatus | None) -> str:
    if target.type == UTILIZATION:
        known = current is not None and current.average_utilization is not None
        used = f"{current.average_utilization}%" if known and current is not None else "<unknown>"
        return f"{used}/{target.average_utilization}%"
    used = str(current.average_value) if current is not None and current.average_value is not None else "<unknown>"
    return f"{used}/{target.average_value}"


HORIZONTAL_POD_AUTOSCALER = register(
    Kind(
        group="autoscaling",
        version="v2",
        name="HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        short=("hpa",),
        categories=("all",),
        schema=types.HorizontalPodAutoscaler,
        subresources=frozenset({"status"}),
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(),
        columns=(
            ages.NAME,
            Column("Reference", _reference, description="What is scaled."),
            Column("Targets", _targets, description="What its pods use, and what they are to use."),
            Column("MinPods", lambda each, now: str(each.spec.min_replicas or 1), description="No fewer than these."),
            templates.count("MaxPods", lambda each: each.spec.max_replicas, "No more than these."),
            templates.count("Replicas", lambda each: each.status.current_replicas, "Pods there are."),
            ages.AGE,
        ),
    )
)
