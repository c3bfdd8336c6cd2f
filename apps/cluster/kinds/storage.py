"""The kinds PersistentVolume and StorageClass: what volumes there are, and how more of them come about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, refusals
from apps.cluster.kinds.pod_defaults import canonical_each
from apps.cluster.kinds.volume_checks import amount_problems
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem
from apps.cluster.types.persistent import DELETE, LOCAL

HOSTNAME: Final = "kubernetes.io/hostname"
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
SIZE: Final = "storage"
RETAIN = "Retain"
WAIT, AT_ONCE = "WaitForFirstConsumer", "Immediate"
FILES = "Filesystem"
MODES: Final = {
    "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP",
}  # fmt: skip
PHASES = ("Pending", "Available", "Bound", "Released", "Failed")


def node_of(volume: types.PersistentVolume) -> str:
    """The one node on which a volume's data is, "" for one that names none."""
    affinity = volume.spec.node_affinity
    terms = affinity.required.node_selector_terms if affinity is not None and affinity.required is not None else []
    for each in terms[0].match_expressions if len(terms) == 1 else ():
        if (each.key, each.operator, len(each.values)) == (HOSTNAME, "In", 1):
            return each.values[0]
    return ""


def on_node(name: str) -> types.VolumeNodeAffinity:
    here = types.NodeSelectorRequirement(key=HOSTNAME, operator="In", values=[name])
    term = types.NodeSelectorTerm(match_expressions=[here])
    return types.VolumeNodeAffinity(required=types.NodeSelector(node_selector_terms=[term]))


def mode_problems(modes: list[str], path: str) -> Iterator[Problem]:
    if not modes:
        yield refusals.required(path, "at least 1 access mode is required")
    for index, mode in enumerate(modes):
        yield from refusals.one_of(f"{path}[{index}]", mode, MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        yield refusals.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def shown_modes(modes: list[str]) -> str:
    return ",".join(MODES.get(mode, mode) for mode in modes)


def size_problems(amounts: dict[str, types.Quantity], path: str) -> Iterator[Problem]:
    """``storage``, and it alone."""
    if SIZE not in amounts:
        yield refusals.required(f"{path}[{SIZE}]")
    for name, amount in amounts.items():
        if name != SIZE:
            yield refusals.unsupported(path, name, (SIZE,))
        wrong = list(amount_problems(f"{path}[{name}]", amount))
        yield from wrong
        if not wrong and str(amount) == "0":
            yield refusals.invalid(f"{path}[{name}]", amount, "must be greater than zero")


def _default_volume(volume: types.PersistentVolume) -> None:
    spec = volume.spec
    spec.capacity = canonical_each(spec.capacity)
    spec.persistent_volume_reclaim_policy = spec.persistent_volume_reclaim_policy or RETAIN
    spec.volume_mode = spec.volume_mode or FILES
    volume.status.phase = volume.status.phase or "Pending"


def _volume_problems(volume: types.PersistentVolume) -> Iterator[Problem]:
    spec = volume.spec
    yield from size_problems(spec.capacity, "spec.capacity")
    yield from mode_problems(spec.access_modes, "spec.accessModes")
    policy = "spec.persistentVolumeReclaimPolicy"
    yield from refusals.one_of(policy, spec.persistent_volume_reclaim_policy, (DELETE, RETAIN))
    yield from refusals.one_of("spec.volumeMode", spec.volume_mode or FILES, (FILES,))
    if spec.storage_class_name:
        yield from refusals.spelled("spec.storageClassName", spec.storage_class_name, names.dns_subdomain_problem)
    if spec.csi is None:
        yield refusals.required("spec.csi", f"must specify a volume type: csi with the driver {LOCAL}")
    else:
        yield from refusals.one_of("spec.csi.driver", spec.csi.driver, (LOCAL,))
        yield from refusals.named("spec.csi.volumeHandle", spec.csi.volume_handle, names.dns_label_problem)
    if not node_of(volume):
        why = f"must name the one node that has the data: {HOSTNAME} In [node]"
        yield refusals.required("spec.nodeAffinity.required", why)
    else:
        yield from refusals.spelled("spec.nodeAffinity.required", node_of(volume), names.dns_subdomain_problem)
    yield from refusals.one_of("status.phase", volume.status.phase, PHASES)


def _volume_update_problems(old: types.PersistentVolume, new: types.PersistentVolume) -> Iterator[Problem]:
    if old.spec.csi != new.spec.csi:
        yield refusals.forbidden("spec.csi", "is immutable after creation")
    if old.spec.node_affinity != new.spec.node_affinity:
        yield refusals.forbidden("spec.nodeAffinity", "is immutable: the data does not move")


def _default_class(storage_class: types.StorageClass) -> None:
    storage_class.reclaim_policy = storage_class.reclaim_policy or DELETE
    ours = storage_class.provisioner == LOCAL
    storage_class.volume_binding_mode = storage_class.volume_binding_mode or (WAIT if ours else AT_ONCE)


def _class_problems(storage_class: types.StorageClass) -> Iterator[Problem]:
    yield from refusals.named("provisioner", storage_class.provisioner, names.label_key_problem)
    yield from refusals.one_of("reclaimPolicy", storage_class.reclaim_policy or DELETE, (DELETE, RETAIN))
    ours = storage_class.provisioner == LOCAL
    modes = (WAIT,) if ours else (WAIT, AT_ONCE)
    yield from refusals.one_of("volumeBindingMode", storage_class.volume_binding_mode or AT_ONCE, modes)
    if ours and storage_class.parameters:
        yield refusals.forbidden("parameters", f"{LOCAL} takes none")


def _class_update_problems(old: types.StorageClass, new: types.StorageClass) -> Iterator[Problem]:
    for field in ("provisioner", "parameters", "reclaim_policy", "volume_binding_mode"):
        if getattr(old, field) != getattr(new, field):
            yield refusals.forbidden(types.wire_name(field), "updates are forbidden")


def is_default(storage_class: types.StorageClass) -> bool:
    return storage_class.metadata.annotations.get(DEFAULT_CLASS) == "true"


def _text(column: str, read: Any, description: str, *, wide: bool = False) -> Column:
    return Column(column, lambda obj, now: read(obj) or "", wide=wide, description=description)


def _claim(volume: types.PersistentVolume) -> str:
    claim = volume.spec.claim_ref
    return f"{claim.namespace}/{claim.name}" if claim is not None else ""


def _class_name(storage_class: types.StorageClass, now: datetime) -> str:
    name = storage_class.metadata.name
    return f"{name} (default)" if is_default(storage_class) else name


UNSET = Column("VolumeAttributesClass", lambda obj, now: "<unset>", description="Not supported.")
MODE = _text("VolumeMode", lambda obj: obj.spec.volume_mode, "Files, never blocks.", wide=True)

PERSISTENT_VOLUME = register(
    Kind(
        name="PersistentVolume",
        plural="persistentvolumes",
        short=("pv",),
        schema=types.PersistentVolume,
        namespaced=False,
        subresources=frozenset({"status"}),
        default=_default_volume,
        validate=meta.checked(names.dns_subdomain_problem, _volume_problems, namespaced=False),
        validate_update=meta.checked_update(_volume_update_problems),
        node=node_of,
        columns=(
            ages.NAME,
            _text("Capacity", lambda volume: str(volume.spec.capacity.get(SIZE, "")), "How much it was made for."),
            _text("Access Modes", lambda volume: shown_modes(volume.spec.access_modes), "By whom it may be used."),
            _text("Reclaim Policy", lambda volume: volume.spec.persistent_volume_reclaim_policy,
                  "What becomes of the data when its claim goes."),
            _text("Status", lambda volume: volume.status.phase, "Whether a claim has it."),
            _text("Claim", _claim, "Whose it is."),
            _text("StorageClass", lambda volume: volume.spec.storage_class_name, "How it was made."),
            UNSET,
            _text("Reason", lambda volume: volume.status.reason, "Why it failed."),
            ages.AGE,
            MODE,
        ),
    )
)  # fmt: skip

STORAGE_CLASS = register(
    Kind(
        group="storage.k8s.io",
        name="StorageClass",
        plural="storageclasses",
        short=("sc",),
        schema=types.StorageClass,
        namespaced=False,
        default=_default_class,
        validate=meta.checked(names.dns_subdomain_problem, _class_problems, namespaced=False),
        validate_update=meta.checked_update(_class_update_problems),
        columns=(
            Column("Name", _class_name, description="What claims ask for; one is taken when they ask for none."),
            _text("Provisioner", lambda each: each.provisioner, "Who makes its volumes."),
            _text("ReclaimPolicy", lambda each: each.reclaim_policy, "What becomes of the data when a claim goes."),
            _text("VolumeBindingMode", lambda each: each.volume_binding_mode, "When a claim gets its volume."),
            Column("AllowVolumeExpansion", lambda each, now: str(bool(each.allow_volume_expansion)).lower(), "boolean",
                   description="Whether claims may ask for more later."),
            ages.AGE,
        ),
    )
)  # fmt: skip
