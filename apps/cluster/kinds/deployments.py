"""The kind Deployment: pods of a template, replaced step by step when the template changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, refusals, shares, templates
from apps.cluster.kinds.pod_defaults import default_spec
from apps.cluster.kinds.replication import ALWAYS
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem

ROLLING, RECREATE = "RollingUpdate", "Recreate"
SHARE = "25%"
HISTORY = 10
DEADLINE = 600
NO_DEADLINE = templates.MOST
"""What says that an update may take for ever."""


def _default(deployment: types.Deployment) -> None:
    spec = deployment.spec
    if spec.replicas is None:
        spec.replicas = 1
    if spec.revision_history_limit is None:
        spec.revision_history_limit = HISTORY
    if spec.progress_deadline_seconds is None:
        spec.progress_deadline_seconds = DEADLINE
    strategy = spec.strategy
    strategy.type = strategy.type or ROLLING
    if strategy.type == ROLLING:
        rolling = strategy.rolling_update = strategy.rolling_update or types.RollingUpdateDeployment()
        rolling.max_unavailable = SHARE if rolling.max_unavailable is None else rolling.max_unavailable
        rolling.max_surge = SHARE if rolling.max_surge is None else rolling.max_surge
    default_spec(spec.template.spec)


def _problems(deployment: types.Deployment) -> Iterator[Problem]:
    spec = deployment.spec
    yield from templates.replica_problems(spec)
    yield from refusals.between("spec.revisionHistoryLimit", spec.revision_history_limit, 0, templates.MOST)
    yield from refusals.between("spec.progressDeadlineSeconds", spec.progress_deadline_seconds, 0, NO_DEADLINE)
    deadline = spec.progress_deadline_seconds
    if deadline is not None and 0 <= deadline <= spec.min_ready_seconds:
        yield refusals.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    yield from _strategy_problems(spec.strategy, "spec.strategy")
    yield from templates.problems(spec.template, ALWAYS)
    yield from templates.selector_problems(deployment)


def _strategy_problems(strategy: types.DeploymentStrategy, path: str) -> Iterator[Problem]:
    yield from refusals.one_of(f"{path}.type", strategy.type, (ROLLING, RECREATE))
    rolling = strategy.rolling_update
    if strategy.type == RECREATE and rolling is not None:
        why = "may not be specified when strategy `type` is 'Recreate'"
        yield refusals.forbidden(f"{path}.rollingUpdate", why)
    if strategy.type != ROLLING or rolling is None:
        return
    wrong = [
        *shares.problems(f"{path}.rollingUpdate.maxUnavailable", rolling.max_unavailable, at_most=100),
        *shares.problems(f"{path}.rollingUpdate.maxSurge", rolling.max_surge),
    ]
    yield from wrong
    if not wrong and shares.is_none(rolling.max_unavailable) and shares.is_none(rolling.max_surge):
        why = "may not be 0 when `maxSurge` is 0"
        yield refusals.invalid(f"{path}.rollingUpdate.maxUnavailable", rolling.max_unavailable, why)


def _ready(deployment: types.Deployment, now: datetime) -> str:
    return f"{deployment.status.ready_replicas}/{deployment.spec.replicas or 0}"


DEPLOYMENT = register(
    Kind(
        group="apps",
        name="Deployment",
        plural="deployments",
        short=("deploy",),
        categories=("all",),
        schema=types.Deployment,
        subresources=frozenset({"status", "scale"}),
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(templates.fixed_selector),
        admit=(templates.let_in("deployments"),),
        selects=templates.selected,
        columns=(
            ages.NAME,
            Column("Ready", _ready, description="Pods that are ready, of those wanted."),
            templates.count("Up-to-date", lambda d: d.status.updated_replicas, "Pods of the newest template."),
            templates.count("Available", lambda d: d.status.available_replicas, "Pods ready for long enough."),
            ages.AGE,
            *templates.columns(),
        ),
    )
)
