"""Tells how each PodDisruptionBudget stands. Evictions count for themselves; this is for people and `kubectl drain`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.eviction import Room, room
from apps.cluster.kinds import POD, POD_DISRUPTION_BUDGET
from apps.cluster.log import Change
from apps.cluster.selectors import LabelSelector
from apps.controllers.actions import Actions, Fingerprint, fingerprint, told_status, with_condition
from apps.controllers.base import Controller
from apps.controllers.reading import Reader, key_of, meta_in, namespaced


@dataclass(frozen=True)
class View:
    """A budget, and how it stands."""

    budget: types.PodDisruptionBudget
    room: Room

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.budget,))


def plan(view: View, now: datetime) -> Actions:
    """Pure."""
    budget, found = view.budget, view.room
    allowed = types.Condition(type="DisruptionAllowed", status="True", reason="SufficientPods")
    if not found.allowed:
        reason = "SyncFailed" if found.why else "InsufficientPods"
        allowed = replace(allowed, status="False", reason=reason, message=found.why)
    status = types.PodDisruptionBudgetStatus(
        disruptions_allowed=found.allowed,
        current_healthy=found.healthy,
        desired_healthy=found.desired,
        expected_pods=found.expected,
        observed_generation=budget.metadata.generation,
        conditions=with_condition(budget.status.conditions, allowed, now),
    )
    return Actions(statuses=told_status(budget, status))


class Budgets(Controller[View]):
    """One key per PodDisruptionBudget: its namespace and name."""

    name = "disruption"
    component = "controllermanager"
    watches = (POD_DISRUPTION_BUDGET, POD)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        if change.kind_key == POD_DISRUPTION_BUDGET.key:
            return (key_of(change.namespace, change.name),)
        labels = meta_in(change).labels
        before = change.before.labels if change.before is not None else labels
        return (
            key_of(change.namespace, budget.metadata.name)
            for budget in read.remembered(POD_DISRUPTION_BUDGET, change.namespace)
            if budget.spec.selector is not None
            and any(LabelSelector.meant_by(budget.spec.selector).matches(each) for each in (labels, before))
        )

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(POD_DISRUPTION_BUDGET)

    def look(self, read: Reader, key: str) -> View | None:
        budget = read.find(POD_DISRUPTION_BUDGET, *namespaced(key))
        if budget is None or budget.metadata.deletion_timestamp is not None:
            return None
        return View(budget, room(budget, read.select(POD, budget.metadata.namespace), read))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)
