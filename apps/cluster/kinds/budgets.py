"""The kind PodDisruptionBudget: how many of its pods must stay when nodes are emptied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, refusals, shares, templates
from apps.cluster.registry import Column, Kind, register
from apps.cluster.selectors import LabelSelector
from apps.cluster.types import Problem

IF_HEALTHY: Final = "IfHealthyBudget"
ALWAYS: Final = "AlwaysAllow"


def covers(budget: types.PodDisruptionBudget, pod: types.Pod) -> bool:
    """Whether the pod is one of the budget's; an empty selector means all of the namespace, none at all nobody."""
    selector = budget.spec.selector
    same_place = budget.metadata.namespace == pod.metadata.namespace
    return selector is not None and same_place and LabelSelector.meant_by(selector).matches(pod.metadata.labels)


def _problems(budget: types.PodDisruptionBudget) -> Iterator[Problem]:
    spec = budget.spec
    least, most = spec.min_available, spec.max_unavailable
    if least is not None and most is not None:
        yield refusals.invalid("spec.maxUnavailable", most, "minAvailable and maxUnavailable cannot be both set")
    elif least is None and most is None:
        yield refusals.required("spec.minAvailable", "give minAvailable or maxUnavailable")
    yield from shares.problems("spec.minAvailable", least, at_most=100)
    yield from shares.problems("spec.maxUnavailable", most, at_most=100)
    if spec.selector is not None:
        yield from meta.selector_problems(spec.selector, "spec.selector")
    if spec.unhealthy_pod_eviction_policy is not None:
        field = "spec.unhealthyPodEvictionPolicy"
        yield from refusals.one_of(field, spec.unhealthy_pod_eviction_policy, (IF_HEALTHY, ALWAYS))


def _number(value: types.IntOrString | None) -> str:
    return "N/A" if value is None else str(value)


def _least(budget: types.PodDisruptionBudget, now: datetime) -> str:
    return _number(budget.spec.min_available)


def _most(budget: types.PodDisruptionBudget, now: datetime) -> str:
    return _number(budget.spec.max_unavailable)


POD_DISRUPTION_BUDGET = register(
    Kind(
        group="policy",
        name="PodDisruptionBudget",
        plural="poddisruptionbudgets",
        short=("pdb",),
        schema=types.PodDisruptionBudget,
        subresources=frozenset({"status"}),
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(),
        columns=(
            ages.NAME,
            Column("Min Available", _least, description="Pods that must stay ready."),
            Column("Max Unavailable", _most, description="Pods that may be away."),
            templates.count(
                "Allowed Disruptions", lambda each: each.status.disruptions_allowed, "Pods that may leave now."
            ),
            ages.AGE,
        ),
    )
)
