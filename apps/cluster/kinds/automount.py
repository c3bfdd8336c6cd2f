"""How a pod gets at the API: its service account's token, the cluster's authority and its namespace, as files."""

from __future__ import annotations

import secrets
from typing import Final

from apps.cluster import types

MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
AUTHORITY_MAP: Final = "kube-root-ca.crt"
AUTHORITY_KEY: Final = "ca.crt"
VOLUME_PREFIX: Final = "kube-api-access-"
LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
SECONDS: Final = 3607
"""As Kubernetes asks for: the odd number tells these tokens from those that somebody wrote down."""


def mount_token(pod: types.Pod, account: types.ServiceAccount | None) -> None:
    """Adds one projected volume, and a mount to each container that has nothing of its own at the usual path.

    The pod's word counts before its account's; without either it is yes.
    """
    wanted = pod.spec.automount_service_account_token
    if wanted is None:
        wanted = account is None or account.automount_service_account_token is not False
    bare = [each for each in pod.spec.planned_containers() if not _mounts(each, MOUNT_PATH)]
    if not wanted or not bare:
        return
    name = VOLUME_PREFIX + "".join(secrets.choice(LETTERS) for _ in range(5))
    pod.spec.volumes = [*pod.spec.volumes, types.Volume(name=name, projected=_sources())]
    for container in bare:
        mount = types.VolumeMount(name=name, mount_path=MOUNT_PATH, read_only=True)
        container.volume_mounts = [*container.volume_mounts, mount]


def _mounts(container: types.Container, path: str) -> bool:
    return any(mount.mount_path.rstrip("/") == path for mount in container.volume_mounts)


def _sources() -> types.ProjectedVolumeSource:
    token = types.ServiceAccountTokenProjection(path="token", expiration_seconds=SECONDS)
    authority = types.ConfigMapProjection(
        name=AUTHORITY_MAP, items=[types.KeyToPath(key=AUTHORITY_KEY, path="ca.crt")]
    )
    field = types.ObjectFieldSelector(api_version="v1", field_path="metadata.namespace")
    namespace = types.DownwardAPIProjection(
        items=[types.DownwardAPIVolumeFile(path="namespace", field_ref=field)]
    )
    return types.ProjectedVolumeSource(
        default_mode=0o644,
        sources=[
            types.VolumeProjection(service_account_token=token),
            types.VolumeProjection(config_map=authority),
            types.VolumeProjection(downward_api=namespace),
        ],
    )
