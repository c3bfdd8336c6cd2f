"""Deletes what belonged to an object that is gone, and lets go of owners that wait for their dependents.

An owner deleted in the background is simply gone: its dependents follow. One deleted with
``foregroundDeletion`` waits for the dependents that block it; one deleted with ``orphan`` leaves them behind
without the reference.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from apps.cluster.kinds import EVENT
from apps.cluster.log import Change
from apps.cluster.registry import Kind, by_key
from apps.controllers.actions import Actions, Delete, Fingerprint, Update, fingerprint
from apps.controllers.base import Controller
from apps.controllers.reading import Reader, meta_in

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
BATCH = 500
"""The most dependents looked at in one transaction."""


@dataclass(frozen=True)
class Owned:
    """A dependent, and which of the owners that it names are there."""

    kind: Kind
    obj: Any
    present: frozenset[str]


@dataclass(frozen=True)
class View:
    """An owner by its uid (``obj`` None when it is gone) and the dependents that name it."""

    uid: str
    kind: Kind | None
    obj: Any | None
    dependents: tuple[Owned, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        # Whether a further owner is there decides too: its coming or going is no change of the dependent.
        others = {(uid, 0) for each in self.dependents for uid in each.present}
        return fingerprint((self.obj,), (each.obj for each in self.dependents)) | others


def plan(view: View, now: datetime) -> Actions:
    """Pure."""
    if view.obj is None:
        return abandoned(view)
    finalizers = view.obj.metadata.finalizers
    if view.obj.metadata.deletion_timestamp is None:
        return Actions()
    if ORPHAN in finalizers:
        return orphaned(view, now)
    if FOREGROUND in finalizers:
        return awaited(view)
    return Actions()


def dependent(obj: Any, kind: Kind, present: set[str]) -> Owned:
    return Owned(kind, obj, frozenset(o.uid for o in obj.metadata.owner_references if o.uid in present))


def abandoned(view: View) -> Actions:
    """The owner is gone: so are dependents that have no other owner; the rest only lose the reference."""
    alone = [each for each in view.dependents if not each.present]
    shared = [each for each in view.dependents if each.present]
    return Actions(
        updates=tuple(without_owner(each, view.uid) for each in shared),
        deletes=tuple(removal(each, "Background") for each in alone if not leaving(each)),
    )


def orphaned(view: View, now: datetime) -> Actions:
    """The dependents stay, without the reference; with the last of them the owner may go."""
    freed = tuple(without_owner(each, view.uid) for each in view.dependents)
    if len(freed) == BATCH:
        return Actions(updates=freed, again=now)
    return Actions(updates=(*freed, without_finalizer(view, ORPHAN)))


def awaited(view: View) -> Actions:
    """The owner goes after the dependents that block it."""
    blocking = [each for each in view.dependents if blocks(each.obj, view.uid)]
    deletes = tuple(removal(each, "Foreground") for each in view.dependents if not leaving(each))
    if blocking or len(view.dependents) == BATCH:
        return Actions(deletes=deletes)
    return Actions(deletes=deletes, updates=(without_finalizer(view, FOREGROUND),))


def leaving(dependent: Owned) -> bool:
    return dependent.obj.metadata.deletion_timestamp is not None


def blocks(obj: Any, uid: str) -> bool:
    return any(owner.uid == uid and owner.block_owner_deletion for owner in obj.metadata.owner_references)


def removal(dependent: Owned, propagation: str) -> Delete:
    meta = dependent.obj.metadata
    return Delete(
        kind=dependent.kind, namespace=meta.namespace, name=meta.name, uid=meta.uid, propagation=propagation
    )


def without_owner(dependent: Owned, uid: str) -> Update:
    meta = dependent.obj.metadata
    left = [owner for owner in meta.owner_references if owner.uid != uid]
    changed = replace(dependent.obj, metadata=replace(meta, owner_references=left))
    return Update(kind=dependent.kind, obj=changed, part="metadata")


def without_finalizer(view: View, finalizer: str) -> Update:
    assert view.kind is not None and view.obj is not None
    meta = view.obj.metadata
    left = [name for name in meta.finalizers if name != finalizer]
    changed = replace(view.obj, metadata=replace(meta, finalizers=left))
    return Update(kind=view.kind, obj=changed, part="metadata")


class Garbage(Controller[View]):
    """One key per owner: its uid."""

    name = "gc"
    component = "garbage-collector"

    def keys(self, change: Change, read: Reader) -> Iterable[str]:  # noqa: ARG002
        if change.kind_key == EVENT.key:
            return ()
        meta = meta_in(change)
        concerned = []
        if change.type == "DELETED" or (meta.deletion_timestamp is not None and meta.finalizers):
            concerned.append(change.uid)
        if change.type != "MODIFIED":  # an owner may be gone already, or wait for this dependent
            concerned += [owner.uid for owner in meta.owner_references]
        return concerned

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.owner_uids() | read.deleting_uids()

    def look(self, read: Reader, key: str) -> View | None:
        owner = read.row(key)
        kind = by_key(owner.kind) if owner is not None else None
        obj = read.find(kind, owner.namespace, owner.name) if owner is not None and kind is not None else None
        if obj is not None and (obj.metadata.deletion_timestamp is None or not obj.metadata.finalizers):
            return None
        found = read.dependents(key, BATCH)
        if obj is None and not found:
            return None
        others = {owner.uid for _, each in found for owner in each.metadata.owner_references} - {key}
        present = read.uids(others) if others else set()
        return View(key, kind, obj, tuple(dependent(each, found_kind, present) for found_kind, each in found))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)
