"""How volumes are made that nobody made beforehand: the group storage.k8s.io."""

from apps.cluster.types.meta import Resource


class StorageClass(Resource):
    provisioner: str = ""
    parameters: dict[str, str] = {}
    reclaim_policy: str | None = None
    volume_binding_mode: str | None = None
    allow_volume_expansion: bool | None = None
