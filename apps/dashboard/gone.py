"""Of an object that was deleted a while ago: when it went, and what took its place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.cluster import log, store, types
from apps.cluster.actors import Actor
from apps.cluster.registry import Kind
from apps.dashboard import access, paths, reading

GENERATIONS = 3
"""How far up it is looked for what made it: a pod, its replica set, its deployment, its application."""


@dataclass(frozen=True)
class Gone:
    """``heir`` is what took its place, ``keeper`` what made it and is still there: a name and an address each."""

    at: datetime
    heir: tuple[str, str] | None
    keeper: tuple[str, str] | None


def of(who: Actor, kind: Kind, namespace: str, name: str) -> Gone | None:
    """None when it never was, went long ago, or is not for ``who`` to see."""
    if not access.may(who, "get", kind, namespace, name).allowed:
        return None
    went = log.deletion(kind.key, namespace, name)
    if went is None:
        return None
    return Gone(went.at, _heir(who, kind, went), _keeper(who, went))


def _heir(who: Actor, kind: Kind, went: log.Change) -> tuple[str, str] | None:
    """The newest of its kind that its controller has made since it was told to go."""
    since = _told_to_go(went)
    siblings = [
        row
        for reference in went.object.metadata.owner_references if reference.controller
        for row in reading.dependents(who, reference.uid) if row.kind is kind
    ]  # fmt: skip
    later = [
        row for row in siblings
        if row.object.metadata.deletion_timestamp is None and row.object.metadata.creation_timestamp >= since
    ]  # fmt: skip
    newest = max(later, key=lambda row: row.id, default=None)
    return (newest.name, paths.home_of(kind, newest.namespace, newest.name)) if newest is not None else None


def _told_to_go(went: log.Change) -> datetime:
    meta: types.ObjectMeta = went.object.metadata
    if meta.deletion_timestamp is None:
        return went.at.replace(microsecond=0)
    return meta.deletion_timestamp - timedelta(seconds=meta.deletion_grace_period_seconds or 0)


def _keeper(who: Actor, went: log.Change) -> tuple[str, str] | None:
    """The nearest of those above it that is still there."""
    obj: Any = went.object
    for _ in range(GENERATIONS):
        reference = next((one for one in obj.metadata.owner_references if one.controller), None)
        above = paths.kind_of_reference(reference.api_version, reference.kind) if reference else None
        if reference is None or above is None:
            return None
        place = went.namespace if above.namespaced else ""
        if not access.may(who, "get", above, place, reference.name).allowed:
            return None
        if store.find(above, place, reference.name) is not None:
            return f"{paths.word(above)} {reference.name}", paths.home_of(above, place, reference.name)
        lost = log.deletion(above.key, place, reference.name)
        if lost is None:
            return None
        obj = lost.object
    return None
