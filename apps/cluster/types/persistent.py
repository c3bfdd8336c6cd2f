"""Volumes that outlive pods: what there is, and who claims it."""

from typing import Final

from msgspec import field

from apps.cluster.types.base import Quantity, Wire
from apps.cluster.types.meta import Condition, ObjectReference, Resource
from apps.cluster.types.placement import NodeSelector
from apps.cluster.types.pods import ResourceRequirements

LOCAL: Final = "local.drover.dev"
"""The provisioner and driver of volumes that are directories on a node."""
ON_NODE: Final = "local.drover.dev/data"
"""The finalizer that keeps a volume's object until its node has removed its data."""
IN_USE: Final = "kubernetes.io/pv-protection"
"""The finalizer that keeps a volume while a claim has it."""
DELETE: Final = "Delete"
"""The policy of volumes whose data goes with their claim."""


class CSIPersistentVolumeSource(Wire):
    """A volume of a driver; ours is built into the node agent."""

    driver: str
    volume_handle: str
    volume_attributes: dict[str, str] = {}


class VolumeNodeAffinity(Wire):
    """The nodes on which the volume can be used."""

    required: NodeSelector | None = None


class PersistentVolumeSpec(Wire):
    capacity: dict[str, Quantity] = {}
    access_modes: list[str] = []
    csi: CSIPersistentVolumeSource | None = None
    claim_ref: ObjectReference | None = None
    persistent_volume_reclaim_policy: str = ""
    storage_class_name: str = ""
    volume_mode: str | None = None
    node_affinity: VolumeNodeAffinity | None = None


class PersistentVolumeStatus(Wire):
    phase: str = ""
    message: str = ""
    reason: str = ""


class PersistentVolume(Resource):
    spec: PersistentVolumeSpec = field(default_factory=PersistentVolumeSpec)
    status: PersistentVolumeStatus = field(default_factory=PersistentVolumeStatus)


class PersistentVolumeClaimSpec(Wire):
    access_modes: list[str] = []
    resources: ResourceRequirements = field(default_factory=ResourceRequirements)
    storage_class_name: str | None = None
    volume_name: str = ""
    volume_mode: str | None = None


class PersistentVolumeClaimStatus(Wire):
    phase: str = ""
    access_modes: list[str] = []
    capacity: dict[str, Quantity] = {}
    conditions: list[Condition] = []


class PersistentVolumeClaim(Resource):
    spec: PersistentVolumeClaimSpec = field(default_factory=PersistentVolumeClaimSpec)
    status: PersistentVolumeClaimStatus = field(default_factory=PersistentVolumeClaimStatus)
