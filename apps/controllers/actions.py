"""What a plan may ask for. Plans are data: they can be compared, tested and refused as a whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.registry import Kind, kind_for

Part = Literal["all", "spec", "status", "metadata"]


@dataclass(frozen=True, kw_only=True)
class Note:
    """An event to record. ``{name}`` in the message stands for the name of what was made."""

    about: types.Resource
    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Create:
    kind: Kind
    obj: Any
    told: Note | None = None


@dataclass(frozen=True, kw_only=True)
class Update:
    kind: Kind
    obj: Any
    part: Part = "all"


@dataclass(frozen=True, kw_only=True)
class Delete:
    """``grace`` None leaves the object's own grace period; 0 removes it at once."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    grace: int | None = None
    propagation: str | None = None
    told: Note | None = None


@dataclass(frozen=True, kw_only=True)
class Actions:
    """All that one look led to, carried out in one transaction and in this order; ``again`` is when to look
    next."""

    updates: tuple[Update, ...] = ()
    creates: tuple[Create, ...] = ()
    deletes: tuple[Delete, ...] = ()
    statuses: tuple[Update, ...] = ()
    events: tuple[Note, ...] = ()
    again: datetime | None = None

    @property
    def idle(self) -> bool:
        return not (self.updates or self.creates or self.deletes or self.statuses or self.events)


NOTHING = Actions()
Fingerprint = frozenset[tuple[str, int]]


def fingerprint(*seen: Iterable[types.Resource | None]) -> Fingerprint:
    """What a plan rests on: every object read, at its number. Equal fingerprints mean the plan still
    holds."""
    return frozenset(
        (obj.metadata.uid, int(obj.metadata.resource_version or 0))
        for group in seen
        for obj in group
        if obj is not None
    )


def condition(conditions: Iterable[types.Condition], name: str) -> types.Condition | None:
    """The condition of this type, if it was ever set."""
    return next((found for found in conditions if found.type == name), None)


def with_condition(
    conditions: Iterable[types.Condition], wanted: types.Condition, now: datetime
) -> list[types.Condition]:
    """The same conditions with ``wanted`` in place; its transition time moves only when the status does."""
    kept, since = [], now.replace(microsecond=0)
    for found in conditions:
        if found.type != wanted.type:
            kept.append(found)
        elif found.status == wanted.status and found.last_transition_time is not None:
            since = found.last_transition_time
    return [
        *kept,
        types.Condition(
            type=wanted.type,
            status=wanted.status,
            reason=wanted.reason,
            message=wanted.message,
            last_transition_time=since,
            last_heartbeat_time=wanted.last_heartbeat_time,
            last_update_time=wanted.last_update_time,
        ),
    ]


def told_status(obj: Any, status: Any) -> tuple[Update, ...]:
    """The status write, or none when nothing changed."""
    if status == obj.status:
        return ()
    return (Update(kind=kind_for(obj), obj=replace(obj, status=status), part="status"),)


def earliest(*times: datetime | None) -> datetime | None:
    """The first of the times that are set."""
    return min((time for time in times if time is not None), default=None)
