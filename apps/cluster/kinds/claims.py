"""The kind PersistentVolumeClaim: so much storage, kept for as long as the claim is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from apps.cluster import names, quantities, types
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import ages, meta, refusals, storage
from apps.cluster.kinds.pod_defaults import canonical_each
from apps.cluster.kinds.storage import SIZE, STORAGE_CLASS
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.quantities import NANO
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem

IN_USE: Final = "kubernetes.io/pvc-protection"
"""The finalizer that keeps a claim while a pod uses it."""
PHASES = ("Pending", "Bound", "Lost")


def wanted(claim: types.PersistentVolumeClaim) -> types.Quantity:
    return claim.spec.resources.requests.get(SIZE, "0")


def _default(claim: types.PersistentVolumeClaim) -> None:
    spec = claim.spec
    spec.volume_mode = spec.volume_mode or storage.FILES
    spec.resources.requests = canonical_each(spec.resources.requests)
    spec.resources.limits = canonical_each(spec.resources.limits)
    claim.status.phase = claim.status.phase or "Pending"


def _problems(claim: types.PersistentVolumeClaim) -> Iterator[Problem]:
    spec = claim.spec
    yield from storage.mode_problems(spec.access_modes, "spec.accessModes")
    yield from storage.size_problems(spec.resources.requests, "spec.resources.requests")
    if spec.resources.limits:
        yield from storage.size_problems(spec.resources.limits, "spec.resources.limits")
    yield from refusals.one_of("spec.volumeMode", spec.volume_mode or storage.FILES, (storage.FILES,))
    for path, name in (("storageClassName", spec.storage_class_name or ""), ("volumeName", spec.volume_name)):
        if name:
            yield from refusals.spelled(f"spec.{path}", name, names.dns_subdomain_problem)
    yield from refusals.one_of("status.phase", claim.status.phase, PHASES)


def _update_problems(
    old: types.PersistentVolumeClaim, new: types.PersistentVolumeClaim
) -> Iterator[Problem]:
    """Only its size changes, and upwards; a volume is given once."""
    before = replace(
        old.spec,
        resources=new.spec.resources,
        volume_name=old.spec.volume_name or new.spec.volume_name,
        storage_class_name=new.spec.storage_class_name
        if old.spec.storage_class_name is None
        else old.spec.storage_class_name,
    )
    if before != new.spec:
        why = "spec is immutable after creation except resources.requests for bound claims"
        yield refusals.forbidden("spec", why)
    if quantities.exact(wanted(new)) < quantities.exact(old.status.capacity.get(SIZE, "0")):
        yield refusals.forbidden(f"spec.resources.requests.{SIZE}", "field can not be less than status.capacity")


def _admit(tx: Transaction, old: types.PersistentVolumeClaim | None, new: types.PersistentVolumeClaim) -> None:
    """A claim that asks for no class gets the default one; growth needs a class that allows it."""
    spec = new.spec
    if old is None:
        if spec.storage_class_name is None:
            defaults = [each for each in tx.list(STORAGE_CLASS) if storage.is_default(each)]
            newest = max(defaults, key=lambda each: str(each.metadata.creation_timestamp), default=None)
            spec.storage_class_name = None if newest is None else newest.metadata.name
    elif wanted(old) != wanted(new):
        found = tx.find(STORAGE_CLASS, "", spec.storage_class_name or "")
        if found is None or not found.allow_volume_expansion:
            why = "only claims of a storage class that allows it may ask for more"
            name = new.metadata.name
            raise Forbidden(
                f'persistentvolumeclaims "{name}" is forbidden: {why}', name=name, kind="persistentvolumeclaims"
            )


def _charges(claim: types.PersistentVolumeClaim) -> Mapping[str, int]:
    return {"persistentvolumeclaims": NANO, "requests.storage": quantities.exact(wanted(claim))}


def _status(claim: types.PersistentVolumeClaim, now: datetime) -> str:
    return "Terminating" if claim.metadata.deletion_timestamp is not None else claim.status.phase


PERSISTENT_VOLUME_CLAIM = register(
    Kind(
        name="PersistentVolumeClaim",
        plural="persistentvolumeclaims",
        short=("pvc",),
        schema=types.PersistentVolumeClaim,
        subresources=frozenset({"status"}),
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(_update_problems),
        admit=(_admit,),
        charges=_charges,
        columns=(
            ages.NAME,
            Column("Status", _status, description="Whether it has its volume."),
            Column("Volume", lambda claim, now: claim.spec.volume_name, description="What it has."),
            Column("Capacity", lambda claim, now: str(claim.status.capacity.get(SIZE, "")),
                   description="How much the volume was made for."),
            Column("Access Modes", lambda claim, now: storage.shown_modes(claim.status.access_modes),
                   description="By whom it may be used."),
            Column("StorageClass", lambda claim, now: claim.spec.storage_class_name or "",
                   description="How its volume is made."),
            storage.UNSET,
            ages.AGE,
            storage.MODE,
        ),
    )
)  # fmt: skip
