"""Gives each PersistentVolumeClaim its volume: on the node of the first pod that uses it, where nobody made one before.

The volume's object is all that is made here; its directory is made by the node's agent when a pod mounts it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from apps.cluster import quantities, types
from apps.cluster.kinds import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD, STORAGE_CLASS, storage
from apps.cluster.kinds.claims import IN_USE, wanted
from apps.cluster.kinds.storage import SIZE
from apps.cluster.log import Change
from apps.cluster.types.persistent import DELETE, LOCAL, ON_NODE
from apps.cluster.types.persistent import IN_USE as VOLUME_IN_USE
from apps.controllers import pods as pod_facts
from apps.controllers.actions import (
    Actions,
    Create,
    Fingerprint,
    Note,
    Update,
    condition,
    fingerprint,
    told_status,
)
from apps.controllers.base import Controller
from apps.controllers.reading import Reader, key_of, namespaced

SERVED = ("ReadWriteOnce", "ReadWriteOncePod")
"""What a directory on one node can promise."""


@dataclass(frozen=True)
class View:
    """A claim, its class, the volumes that it has or might take, and the pods that use it."""

    claim: types.PersistentVolumeClaim
    storage_class: types.StorageClass | None
    volumes: tuple[types.PersistentVolume, ...]
    pods: tuple[types.Pod, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.claim, self.storage_class), self.volumes, self.pods)


def plan(view: View, now: datetime) -> Actions:  # noqa: ARG001
    """Pure."""
    claim = view.claim
    if claim.metadata.deletion_timestamp is not None:
        return _let_go(view)
    if claim.status.phase == "Bound":
        return _kept(view)
    if claim.spec.volume_name:
        return _named(view)
    found = _fitting(view)
    return _bound(claim, found) if found is not None else _provisioned(view)


def uses(pod: types.Pod) -> list[str]:
    """The names of the claims that a pod mounts."""
    claims = (volume.persistent_volume_claim for volume in pod.spec.volumes)
    return [each.claim_name for each in claims if each is not None]


def _let_go(view: View) -> Actions:
    """A claim is kept while a pod that has not ended uses it."""
    meta = view.claim.metadata
    if IN_USE not in meta.finalizers or any(not pod.status.is_finished for pod in view.pods):
        return Actions()
    left = [each for each in meta.finalizers if each != IN_USE]
    freed = replace(view.claim, metadata=replace(meta, finalizers=left))
    return Actions(updates=(Update(kind=PERSISTENT_VOLUME_CLAIM, obj=freed, part="metadata"),))


def _kept(view: View) -> Actions:
    """What a bound claim shows is its volume's; one that asks for more is given it: nothing holds it to a size."""
    claim = view.claim
    volume = next((each for each in view.volumes if each.metadata.name == claim.spec.volume_name), None)
    if volume is None:
        lost = f"its volume {claim.spec.volume_name} is gone, and what it held"
        told = Note(about=claim, reason="ClaimLost", message=lost, warning=True)
        return Actions(statuses=told_status(claim, replace(claim.status, phase="Lost")), events=(told,))
    size = volume.spec.capacity.get(SIZE, "0")
    updates: tuple[Update, ...] = ()
    if quantities.exact(wanted(claim)) > quantities.exact(size):
        size = wanted(claim)
        grown = replace(volume, spec=replace(volume.spec, capacity={SIZE: size}))
        updates = (Update(kind=PERSISTENT_VOLUME, obj=grown),)
    return Actions(updates=updates, statuses=told_status(claim, replace(claim.status, capacity={SIZE: size})))


def _named(view: View) -> Actions:
    """A claim that names its volume waits for that one."""
    found = next((each for each in view.volumes if each.metadata.name == view.claim.spec.volume_name), None)
    return _bound(view.claim, found) if found is not None and _is_free(found, view.claim) else Actions()


def _fitting(view: View) -> types.PersistentVolume | None:
    """The smallest volume that was made beforehand and does, one that is kept for this claim before others."""
    claim = view.claim
    fitting = [
        volume
        for volume in view.volumes
        if _is_free(volume, claim)
        and set(claim.spec.access_modes) <= set(volume.spec.access_modes)
        and quantities.exact(volume.spec.capacity.get(SIZE, "0")) >= quantities.exact(wanted(claim))
    ]
    return min(
        fitting,
        key=lambda volume: (
            volume.spec.claim_ref is None,
            quantities.exact(volume.spec.capacity[SIZE]),
            volume.metadata.name,
        ),
        default=None,
    )


def _is_free(volume: types.PersistentVolume, claim: types.PersistentVolumeClaim) -> bool:
    if volume.metadata.deletion_timestamp is not None or volume.status.phase in {"Released", "Failed"}:
        return False
    if volume.spec.storage_class_name != (claim.spec.storage_class_name or ""):
        return False
    kept_for = volume.spec.claim_ref
    if kept_for is None:
        return True
    meta = claim.metadata
    same = (kept_for.namespace, kept_for.name) == (meta.namespace, meta.name)
    return same and kept_for.uid in {"", meta.uid}


def _bound(claim: types.PersistentVolumeClaim, volume: types.PersistentVolume) -> Actions:
    given = replace(volume, spec=replace(volume.spec, claim_ref=_reference(claim)))
    return Actions(
        updates=(
            _volume_named(claim, volume.metadata.name),
            Update(kind=PERSISTENT_VOLUME, obj=given),
        ),
        statuses=told_status(claim, _status(volume.spec)),
    )


def _provisioned(view: View) -> Actions:
    """A new volume, once a pod shows on which node it is to be; else words that say what is waited for."""
    claim, meta = view.claim, view.claim.metadata
    wish = claim.spec.storage_class_name
    if view.storage_class is None:
        why = f'storageclass.storage.k8s.io "{wish}" not found' if wish else (
            "no persistent volumes available for this claim and no storage class is set"
        )
        return _waiting(claim, "ProvisioningFailed" if wish else "FailedBinding", why, warning=bool(wish))
    if view.storage_class.provisioner != LOCAL:
        why = f'Waiting for a volume to be created by the external provisioner "{view.storage_class.provisioner}"'
        return _waiting(claim, "ExternalProvisioning", why)
    refused = [mode for mode in claim.spec.access_modes if mode not in SERVED]
    if refused:
        why = f"{LOCAL} keeps a volume on one node and cannot serve {refused[0]}: ask for ReadWriteOnce"
        return _waiting(claim, "ProvisioningFailed", why, warning=True)
    first = min(
        (pod for pod in view.pods if pod.spec.node_name and pod_facts.is_active(pod)),
        key=lambda pod: (str(pod.metadata.creation_timestamp), pod.metadata.name),
        default=None,
    )
    if first is None:
        return _waiting(claim, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    made = _made(claim, view.storage_class, first.spec.node_name)
    name = made.metadata.name
    told = Note(about=claim, reason="ProvisioningSucceeded", message=f"Successfully provisioned volume {name}")
    return Actions(
        updates=(_volume_named(claim, name),),
        creates=(Create(kind=PERSISTENT_VOLUME, obj=made),),
        statuses=told_status(claim, _status(made.spec)),
        events=(told,) if meta.namespace else (),
    )


def _waiting(claim: types.PersistentVolumeClaim, reason: str, why: str, *, warning: bool = False) -> Actions:
    """Said when it becomes true: a condition remembers what was said."""
    before = condition(claim.status.conditions, "Provisioning")
    if before is not None and before.message == why:
        return Actions()
    waits = types.Condition(type="Provisioning", status="False", reason=reason, message=why)
    status = replace(claim.status, conditions=[waits])
    told = Note(about=claim, reason=reason, message=why, warning=warning)
    return Actions(statuses=told_status(claim, status), events=(told,))


def _made(
    claim: types.PersistentVolumeClaim, storage_class: types.StorageClass, node: str
) -> types.PersistentVolume:
    name = f"pvc-{claim.metadata.uid}"
    return types.PersistentVolume(
        metadata=types.ObjectMeta(
            name=name,
            annotations={"pv.kubernetes.io/provisioned-by": LOCAL},
            finalizers=[VOLUME_IN_USE, ON_NODE],
        ),
        spec=types.PersistentVolumeSpec(
            capacity={SIZE: wanted(claim)},
            access_modes=list(claim.spec.access_modes),
            csi=types.CSIPersistentVolumeSource(driver=LOCAL, volume_handle=name),
            claim_ref=_reference(claim),
            persistent_volume_reclaim_policy=storage_class.reclaim_policy or DELETE,
            storage_class_name=storage_class.metadata.name,
            node_affinity=storage.on_node(node),
        ),
    )


def _volume_named(claim: types.PersistentVolumeClaim, volume: str) -> Update:
    """From now on the claim is held while a pod uses it."""
    meta = claim.metadata
    held = replace(meta, finalizers=[*(each for each in meta.finalizers if each != IN_USE), IN_USE])
    given = replace(claim, metadata=held, spec=replace(claim.spec, volume_name=volume))
    return Update(kind=PERSISTENT_VOLUME_CLAIM, obj=given)


def _status(spec: types.PersistentVolumeSpec) -> types.PersistentVolumeClaimStatus:
    return types.PersistentVolumeClaimStatus(
        phase="Bound", access_modes=list(spec.access_modes), capacity=dict(spec.capacity)
    )


def _reference(claim: types.PersistentVolumeClaim) -> types.ObjectReference:
    meta = claim.metadata
    return types.ObjectReference(
        kind="PersistentVolumeClaim", api_version="v1", namespace=meta.namespace, name=meta.name, uid=meta.uid
    )


class _Volume(msgspec.Struct, rename="camel"):
    persistent_volume_claim: types.PersistentVolumeClaimVolumeSource | None = None


class _Spec(msgspec.Struct):
    volumes: list[_Volume] = []


class _Pod(msgspec.Struct):
    spec: _Spec


_pod = msgspec.json.Decoder(_Pod)


class Claims(Controller[View]):
    """One key per claim: its namespace and name."""

    name = "claims"
    component = "persistentvolume-controller"
    watches = (PERSISTENT_VOLUME_CLAIM, PERSISTENT_VOLUME, STORAGE_CLASS, POD)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        if change.kind_key == PERSISTENT_VOLUME_CLAIM.key:
            return (key_of(change.namespace, change.name),)
        if change.kind_key == POD.key:
            if change.type == "MODIFIED" and change.node == "":
                return ()
            claims = (each.persistent_volume_claim for each in _pod.decode(change.raw).spec.volumes)
            return [key_of(change.namespace, each.claim_name) for each in claims if each is not None]
        # A volume or a class that came, changed or went may concern whoever waits for one.
        return [
            key_of(each.metadata.namespace, each.metadata.name)
            for each in read.remembered(PERSISTENT_VOLUME_CLAIM, "")
            if each.status.phase != "Bound" or each.spec.volume_name == change.name
        ]

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(PERSISTENT_VOLUME_CLAIM)

    def look(self, read: Reader, key: str) -> View | None:
        namespace, name = namespaced(key)
        claim = read.find(PERSISTENT_VOLUME_CLAIM, namespace, name)
        if claim is None:
            return None
        wish = claim.spec.storage_class_name
        found = read.find(STORAGE_CLASS, "", wish) if wish else None
        users = [pod for pod in read.select(POD, namespace) if name in uses(pod)]
        return View(claim, found, tuple(_candidates(read, claim)), tuple(users))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)


def _candidates(read: Reader, claim: types.PersistentVolumeClaim) -> Iterable[types.PersistentVolume]:
    """The claim's own volume, or all that nobody has."""
    if claim.spec.volume_name:
        own = read.find(PERSISTENT_VOLUME, "", claim.spec.volume_name)
        return () if own is None else (own,)
    return [each for each in read.select(PERSISTENT_VOLUME) if _is_free(each, claim)]
