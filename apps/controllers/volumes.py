"""Follows each PersistentVolume from its claim to its end: kept, or removed with its data by its node."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.kinds import NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, storage
from apps.cluster.log import Change
from apps.cluster.types.persistent import DELETE, IN_USE, ON_NODE
from apps.controllers.actions import Actions, Delete, Fingerprint, Note, Update, fingerprint, told_status
from apps.controllers.base import Controller
from apps.controllers.reading import Reader


@dataclass(frozen=True)
class View:
    """A volume, the claim that it is given to, and whether its node is known."""

    volume: types.PersistentVolume
    claim: types.PersistentVolumeClaim | None
    node: types.Node | None

    @property
    def fingerprint(self) -> Fingerprint:
        # Of the node only whether it is there decides.
        return fingerprint((self.volume, self.claim)) | {(self.node.metadata.uid if self.node else "", 0)}


def plan(view: View, now: datetime) -> Actions:  # noqa: ARG001
    """Pure."""
    volume = view.volume
    phase = _phase(view)
    if volume.metadata.deletion_timestamp is not None:
        return _ended(view, phase)
    statuses = told_status(volume, replace(volume.status, phase=phase))
    if phase == "Released" and volume.spec.persistent_volume_reclaim_policy == DELETE:
        meta = volume.metadata
        gone = Delete(kind=PERSISTENT_VOLUME, namespace="", name=meta.name, uid=meta.uid)
        return Actions(statuses=statuses) if statuses else Actions(deletes=(gone,))
    return Actions(statuses=statuses)


def _phase(view: View) -> str:
    given = view.volume.spec.claim_ref
    if given is None or (not given.uid and view.claim is None):
        return "Available"
    if view.claim is not None and view.claim.metadata.uid == given.uid:
        return "Bound"
    return "Released" if given.uid else "Available"


def _ended(view: View, phase: str) -> Actions:
    """Deleted: once no claim has it, its data goes too if it is to; that is its node's to do and to tell."""
    volume, meta = view.volume, view.volume.metadata
    if phase == "Bound":
        return Actions()
    done = {IN_USE}
    events: tuple[Note, ...] = ()
    if volume.spec.persistent_volume_reclaim_policy != DELETE:
        done.add(ON_NODE)
    elif view.node is None and ON_NODE in meta.finalizers:
        done.add(ON_NODE)
        why = f"node {storage.node_of(volume)} is gone for good: whatever it still has of the data is not removed"
        events = (Note(about=volume, reason="VolumeFailedDelete", message=why, warning=True),)
    left = [each for each in meta.finalizers if each not in done]
    if left == meta.finalizers:
        return Actions()
    freed = replace(volume, metadata=replace(meta, finalizers=left))
    return Actions(updates=(Update(kind=PERSISTENT_VOLUME, obj=freed, part="metadata"),), events=events)


class Volumes(Controller[View]):
    """One key per volume: its name."""

    name = "volumes"
    component = "persistentvolume-controller"
    watches = (PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, NODE)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        if change.kind_key == PERSISTENT_VOLUME.key:
            return (change.name,)
        if change.kind_key == NODE.key:
            if change.type != "DELETED":
                return ()
            return [each.metadata.name for each in read.on_node(PERSISTENT_VOLUME, change.name)]
        return [
            each.metadata.name
            for each in read.remembered(PERSISTENT_VOLUME, "")
            if (ref := each.spec.claim_ref) and (ref.namespace, ref.name) == (change.namespace, change.name)
        ]

    def all_keys(self, read: Reader) -> Iterable[str]:
        return [key.removeprefix("/") for key in read.keys(PERSISTENT_VOLUME)]

    def look(self, read: Reader, key: str) -> View | None:
        volume = read.find(PERSISTENT_VOLUME, "", key)
        if volume is None:
            return None
        given = volume.spec.claim_ref
        claim = read.find(PERSISTENT_VOLUME_CLAIM, given.namespace, given.name) if given is not None else None
        return View(volume, claim, read.find(NODE, "", storage.node_of(volume)))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)
