"""Taints of a node and what pods tolerate: how long a pod may stay on a node in trouble."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from apps.cluster import types
from apps.controllers.actions import earliest

UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
OURS = frozenset({UNREACHABLE, NOT_READY})
EFFECTS = ("NoSchedule", "NoExecute")


def wanted_taints(taints: Sequence[types.Taint], ready: str, now: datetime) -> list[types.Taint]:
    """The taints of a node whose Ready condition is ``ready``; others' taints and known times stay as they
    are."""
    key = {"Unknown": UNREACHABLE, "False": NOT_READY}.get(ready)
    kept = [taint for taint in taints if taint.key not in OURS]
    if key is None:
        return kept
    known = {taint.effect: taint for taint in taints if taint.key == key}
    fresh = now.replace(microsecond=0)
    return [
        *kept,
        *(known.get(effect) or types.Taint(key=key, effect=effect, time_added=fresh) for effect in EFFECTS),
    ]


def tolerates(toleration: types.Toleration, taint: types.Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (bool(toleration.key) and toleration.value == taint.value)


def leaves_at(
    pod: types.Pod, taints: Iterable[types.Taint], stays: Mapping[str, timedelta]
) -> datetime | None:
    """When the pod must leave a node with these taints; None when it may stay.

    ``stays`` is how long pods that say nothing may stay, by the taint's key; any other taint asks them to leave
    at once.
    """
    times = []
    for taint in taints:
        if taint.effect != "NoExecute" or taint.time_added is None:
            continue
        tolerated = [tol for tol in pod.spec.tolerations if tolerates(tol, taint)]
        limits = [tol.toleration_seconds for tol in tolerated if tol.toleration_seconds is not None]
        if limits:
            times.append(taint.time_added + timedelta(seconds=max(min(limits), 0)))
        elif not tolerated:
            times.append(taint.time_added + stays.get(taint.key, timedelta(0)))
    return earliest(*times)
