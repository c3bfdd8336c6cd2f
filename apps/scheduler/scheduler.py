"""The scheduler as what follows the log sees it: one key, which stands for all pods that wait."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.utils.module_loading import import_string

from apps.accounts import policy
from apps.cluster import types
from apps.cluster.actors import system
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import EVENT, NAMESPACE, NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD
from apps.cluster.log import Change
from apps.cluster.registry import Kind
from apps.scheduler import filters, scores
from apps.scheduler.bind import bind, refuse
from apps.scheduler.evict import preempt
from apps.scheduler.place import Decision, place, wants_company
from apps.scheduler.view import Eye, View

PENDING = "pending"
PASSES = 3
CROWDED = timedelta(seconds=0.5)
ACTOR = system("scheduler")


class _Status(msgspec.Struct):
    phase: str = ""


class _Meta(msgspec.Struct):
    labels: dict[str, str] = {}


class _Pod(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    status: _Status = msgspec.field(default_factory=_Status)


_pod = msgspec.json.Decoder(_Pod)


class Scheduler:
    """Filters and scores are the dotted paths in settings.SCHEDULER_FILTERS and SCHEDULER_SCORES."""

    name = "scheduler"
    watches: tuple[Kind, ...] = (POD, NODE, NAMESPACE, PERSISTENT_VOLUME_CLAIM, PERSISTENT_VOLUME)
    every = 0.0

    def __init__(self) -> None:
        self.filters = tuple(map(import_string, getattr(settings, "SCHEDULER_FILTERS", filters.DEFAULT)))
        self.scores = tuple(map(import_string, getattr(settings, "SCHEDULER_SCORES", scores.DEFAULT)))
        self._eye = Eye()
        self._company_awaited = False

    def keys(self, change: Change, read: Any) -> Iterable[str]:  # noqa: ARG002
        """A pod that waits, a node that changed, a pod whose place became free, a neighbour that came or changed."""
        if change.kind_key != POD.key or not change.node or change.type == "DELETED":
            return (PENDING,)
        pod = _pod.decode(change.raw)
        before = change.before
        came = self._company_awaited and before is not None and not before.node
        relabelled = before is not None and before.labels != pod.metadata.labels
        return (PENDING,) if came or relabelled or pod.status.phase in types.FINISHED_PHASES else ()

    def all_keys(self, read: Any) -> Iterable[str]:  # noqa: ARG002
        return (PENDING,)

    def overdue(self, read: Any, now: datetime) -> Iterable[str]:  # noqa: ARG002
        return ()

    def reconcile(self, key: str, now: datetime) -> datetime | None:  # noqa: ARG002
        """Decide on all pods that wait; returns when to look again if others kept binding meanwhile."""
        for _ in range(PASSES):
            if self._pass():
                return None
        return now + CROWDED

    def _pass(self) -> bool:
        """Whether every decision could be carried out."""
        view = self._eye.look()
        if view is None:
            return True
        decisions = place(view.snapshot, view.pending, self.filters, self.scores)
        placed = [decision for decision in decisions if decision.node]
        refused = [decision for decision in decisions if not decision.node]
        complete = True
        if placed:
            _allowed("create", "binding")
            complete = bind(ACTOR, placed, view.bound)
        if refused:
            _allowed("update", "status")
            complete &= self._make_room(refused, view)
            refuse(ACTOR, refused)
        self._company_awaited = any(wants_company(decision.pod) for decision in refused)
        return complete

    def _make_room(self, refused: list[Decision], view: View) -> bool:
        if any(decision.victims for decision in refused):
            _allowed("delete", "")
        return preempt(ACTOR, refused, view.bound)


def _allowed(verb: str, part: str) -> None:
    """What is done to pods and told in events, against the scheduler's own rules. Raises Forbidden."""
    for asked_verb, kind, subresource in ((verb, POD, part), ("create", EVENT, "")):
        decision = policy.authorize(ACTOR, asked_verb, kind.group, kind.plural, subresource=subresource)
        if not decision.allowed:
            raise Forbidden(f"{ACTOR.name} may not {asked_verb} {kind.key}: {decision.reason}")
