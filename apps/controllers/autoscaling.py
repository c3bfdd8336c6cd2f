"""How many pods a workload needs, by what its pods use. Pure: numbers in, a number and the reason out.

What is not known is taken so that the answer changes least: a pod that was not measured uses nothing when more pods
would follow, and all that it may when fewer would; one that is not ready yet uses nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from apps.cluster import types
from apps.cluster.kinds.autoscalers import UTILIZATION, down_rules, up_rules

TOLERANCE = 0.1
"""How far use may be from what it is to be before anything changes."""


class Unknown(Exception):
    """What the pods use, or what they asked for, cannot be told; the message says why."""


@dataclass(frozen=True, slots=True)
class PodUse:
    """One pod: what it asked for and what it used lately, of one resource, in thousand millionths."""

    name: str
    ready: bool
    asked: int | None
    used: int | None
    silent: str = ""
    """A container that asks for nothing, when there is one."""


@dataclass(frozen=True, slots=True)
class Need:
    """How many pods one metric asks for; ``utilization`` and ``average`` are what the pods use now."""

    replicas: int
    average: int
    utilization: int | None = None


def need(pods: Sequence[PodUse], target: types.MetricTarget, resource: str, current: int, goal: int) -> Need:
    """Raises Unknown. ``goal`` is the target for each pod: percent of its request, or an amount."""
    measured = [pod for pod in pods if pod.used is not None and pod.ready]
    unmeasured = [pod for pod in pods if pod.used is None and pod.ready]
    starting = [pod for pod in pods if not pod.ready]
    relative = target.type == UTILIZATION
    if relative:
        for pod in pods:
            if pod.silent:
                raise Unknown(f"missing request for {resource} in container {pod.silent} of Pod {pod.name}")
    if not measured:
        raise Unknown(f"no metrics of {resource} for any of its {len(pods)} pods yet")
    used = sum(pod.used or 0 for pod in measured)
    average = used // len(measured)
    utilization = 100 * used // max(sum(pod.asked or 0 for pod in measured), 1) if relative else None

    def ratio(counted: Sequence[tuple[int, int]]) -> float:
        """Of (used, asked) pairs: how much they use of what they are to use."""
        total = sum(amount for amount, _ in counted)
        meant = sum(asked for _, asked in counted) * goal / 100 if relative else goal * len(counted)
        return total / meant if meant else 0.0

    known = [(pod.used or 0, pod.asked or 0) for pod in measured]
    first = ratio(known)
    if not unmeasured and not starting:
        return Need(_enough(first, len(known), current), average, utilization)
    if first > 1:
        assumed = [(0, pod.asked or 0) for pod in (*unmeasured, *starting)]
    else:
        full = [(pod.asked or 0) * goal // 100 if relative else goal for pod in unmeasured]
        assumed = [(amount, pod.asked or 0) for amount, pod in zip(full, unmeasured, strict=True)]
    second = ratio([*known, *assumed])
    if (first > 1) is not (second > 1):
        return Need(current, average, utilization)
    return Need(_enough(second, len(known) + len(assumed), current), average, utilization)


def _enough(ratio: float, pods: int, current: int) -> int:
    """How many would use what they are to use, where ``pods`` use ``ratio`` of it: never fewer where they use more,
    though some of ``current`` may not have been seen yet, and never more where they use less."""
    if abs(1.0 - ratio) <= TOLERANCE:
        return current
    replicas = ceil(ratio * pods - 1e-9)
    return max(replicas, current) if ratio > 1 else min(replicas, current)


@dataclass(frozen=True, slots=True)
class Past:
    """What was recommended lately, by how much the number of pods changed when, and the number at the last look."""

    recommended: tuple[tuple[datetime, int], ...] = ()
    changed: tuple[tuple[datetime, int], ...] = ()
    replicas: int | None = None

    def later(self, now: datetime, wanted: int, replicas: int) -> "Past":
        """With this look in it, without what no window reaches any more."""
        edge = now - timedelta(hours=1)
        change = 0 if self.replicas is None else replicas - self.replicas
        changed = (*self.changed, (now, change)) if change else self.changed
        return Past(
            tuple(each for each in (*self.recommended, (now, wanted)) if each[0] > edge),
            tuple(each for each in changed if each[0] > edge),
            replicas,
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many pods there are to be, and which limit, if any, made it so."""

    replicas: int
    limit: str = ""
    words: str = ""


def steadied(
    current: int, wanted: int, past: Past, spec: types.HorizontalPodAutoscalerSpec, now: datetime
) -> Verdict:
    """``wanted`` within the bounds, the windows and the pace of the autoscaler's behaviour."""
    behavior = spec.behavior or types.HorizontalPodAutoscalerBehavior()
    up, down = behavior.scale_up or up_rules(), behavior.scale_down or down_rules()
    lowest, highest = spec.min_replicas or 1, spec.max_replicas
    stable = paced = _stable(current, wanted, past, up, down, now)
    if stable > current:
        paced = min(stable, _pace(current, past, up, now, upwards=True))
    elif stable < current:
        paced = max(stable, _pace(current, past, down, now, upwards=False))
    bounded = min(max(paced, lowest), highest)
    if stable > bounded == highest:
        return Verdict(bounded, "TooManyReplicas", "the desired replica count is more than the maximum replica count")
    if stable < bounded == lowest:
        return Verdict(bounded, "TooFewReplicas", "the desired replica count is less than the minimum replica count")
    if stable > paced:
        return Verdict(bounded, "ScaleUpLimit", "the desired replica count is increasing faster than it may")
    if stable < paced:
        return Verdict(bounded, "ScaleDownLimit", "the desired replica count is decreasing faster than it may")
    return Verdict(bounded)


def _stable(
    current: int,
    wanted: int,
    past: Past,
    up: types.HPAScalingRules,
    down: types.HPAScalingRules,
    now: datetime,
) -> int:
    """More pods only if all of the window asked for more, fewer only if all of it did with fewer."""

    def within(rules: types.HPAScalingRules) -> Iterable[int]:
        edge = now - timedelta(seconds=rules.stabilization_window_seconds or 0)
        return (count for at, count in past.recommended if at > edge)

    least = min([wanted, *within(up)])
    most = max([wanted, *within(down)])
    return least if current < least else most if current > most else current


def _pace(current: int, past: Past, rules: types.HPAScalingRules, now: datetime, *, upwards: bool) -> int:
    """The furthest that the policies allow now, going by where each one's period began."""
    if rules.select_policy == "Disabled":
        return current
    sign = 1 if upwards else -1
    ends = []
    for policy in rules.policies:
        edge = now - timedelta(seconds=policy.period_seconds)
        begun = current - sum(change for at, change in past.changed if at > edge and change * sign > 0)
        if policy.type == "Pods":
            ends.append(begun + sign * policy.value)
        elif upwards:
            ends.append(ceil(begun * (1 + policy.value / 100)))
        else:
            ends.append(int(begun * (1 - policy.value / 100)))
    widest = rules.select_policy != "Min"
    end = (max if widest is upwards else min)(ends, default=current)
    return max(end, current) if upwards else max(min(end, current), 0)


