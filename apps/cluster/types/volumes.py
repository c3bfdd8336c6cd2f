"""Volumes of pods: where their files come from, the pod's own fields among them."""

from apps.cluster.types.base import Quantity, Wire


class ObjectFieldSelector(Wire):
    field_path: str
    api_version: str = ""


class ResourceFieldSelector(Wire):
    resource: str
    container_name: str = ""
    divisor: Quantity = ""


class KeyToPath(Wire):
    key: str
    path: str
    mode: int | None = None


class EmptyDirVolumeSource(Wire):
    medium: str = ""
    size_limit: Quantity | None = None


class HostPathVolumeSource(Wire):
    path: str
    type: str = ""


class ConfigMapVolumeSource(Wire):
    name: str = ""
    items: list[KeyToPath] = []
    default_mode: int | None = None
    optional: bool | None = None


class SecretVolumeSource(Wire):
    secret_name: str = ""
    items: list[KeyToPath] = []
    default_mode: int | None = None
    optional: bool | None = None


class DownwardAPIVolumeFile(Wire):
    path: str
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class DownwardAPIVolumeSource(Wire):
    items: list[DownwardAPIVolumeFile] = []
    default_mode: int | None = None


class DownwardAPIProjection(Wire):
    items: list[DownwardAPIVolumeFile] = []


class ConfigMapProjection(Wire):
    name: str = ""
    items: list[KeyToPath] = []
    optional: bool | None = None


class SecretProjection(Wire):
    name: str = ""
    items: list[KeyToPath] = []
    optional: bool | None = None


class ServiceAccountTokenProjection(Wire):
    path: str
    audience: str = ""
    expiration_seconds: int | None = None


class VolumeProjection(Wire):
    secret: SecretProjection | None = None
    config_map: ConfigMapProjection | None = None
    downward_api: DownwardAPIProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(Wire):
    sources: list[VolumeProjection] = []
    default_mode: int | None = None


class PersistentVolumeClaimVolumeSource(Wire):
    claim_name: str
    read_only: bool | None = None


class Volume(Wire):
    name: str
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
