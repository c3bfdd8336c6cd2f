"""What the files of projected and downward API volumes hold. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from apps.cluster import types
from node_agent.pods.env import (
    ConfigTrouble,
    Place,
    Sources,
    config_map_content,
    decoded,
    field_value,
    resource_value,
)

Files = dict[str, tuple[bytes, int]]
FILE_MODE = 0o644
NOWHERE = Place(node="", host_ip="", pod_ip="", allocatable={})


def chosen(
    data: Mapping[str, bytes], items: list[types.KeyToPath], mode: int | None, *, what: str, optional: bool
) -> Files:
    """The files of a volume by relative path: every key, or the items asked for."""
    mode = FILE_MODE if mode is None else mode
    if not items:
        return {key: (value, mode) for key, value in data.items()}
    files = {}
    for item in items:
        if item.key not in data:
            if optional:
                continue
            raise ConfigTrouble(f"{what} references non-existent key: {item.key}")
        files[item.path] = (data[item.key], mode if item.mode is None else item.mode)
    return files


def config_map_files(
    pod: types.Pod,
    source: types.ConfigMapVolumeSource | types.ConfigMapProjection,
    mode: int | None,
    sources: Sources,
) -> Files:
    found = sources.config_map(pod.metadata.namespace, source.name)
    if found is None and not source.optional:
        raise ConfigTrouble(f'configmap "{source.name}" not found')
    data = {} if found is None else config_map_content(found)
    return chosen(data, source.items, mode, what="configmap", optional=bool(source.optional))


def secret_files(
    pod: types.Pod,
    source: types.SecretVolumeSource | types.SecretProjection,
    mode: int | None,
    sources: Sources,
) -> Files:
    name = source.secret_name if isinstance(source, types.SecretVolumeSource) else source.name
    found = sources.secret(pod.metadata.namespace, name)
    if found is None and not source.optional:
        raise ConfigTrouble(f'secret "{name}" not found')
    data = {} if found is None else decoded(found.data)
    return chosen(data, source.items, mode, what="secret", optional=bool(source.optional))


def downward_files(
    pod: types.Pod, items: list[types.DownwardAPIVolumeFile], mode: int | None, place: Place
) -> Files:
    """One file per field or amount, as text."""
    mode = FILE_MODE if mode is None else mode
    return {
        item.path: (_shown(pod, item, place).encode(), mode if item.mode is None else item.mode)
        for item in items
    }


def projected_files(
    pod: types.Pod, source: types.ProjectedVolumeSource, sources: Sources, place: Place
) -> Files:
    """All sources side by side."""
    files: Files = {}
    mode = source.default_mode
    for projection in source.sources:
        if projection.secret is not None:
            files |= secret_files(pod, projection.secret, mode, sources)
        elif projection.config_map is not None:
            files |= config_map_files(pod, projection.config_map, mode, sources)
        elif projection.downward_api is not None:
            files |= downward_files(pod, projection.downward_api.items, mode, place)
        elif projection.service_account_token is not None:
            wish = projection.service_account_token
            files[wish.path] = (_token(pod, wish, sources), FILE_MODE if mode is None else mode)
    return files


def is_secret(volume: types.Volume) -> bool:
    """Whether the volume's files are kept in memory alone."""
    if volume.projected is None:
        return volume.secret is not None
    return any(each.secret or each.service_account_token for each in volume.projected.sources)


def _token(pod: types.Pod, wish: types.ServiceAccountTokenProjection, sources: Sources) -> bytes:
    text = sources.token(pod, wish.audience, wish.expiration_seconds or 0)
    if not text:
        name = pod.spec.service_account_name
        raise ConfigTrouble(f'the server has not yet sent a token of service account "{name}"')
    return text.encode()


def _shown(pod: types.Pod, item: types.DownwardAPIVolumeFile, place: Place) -> str:
    if item.resource_field_ref is not None:
        return resource_value(item.resource_field_ref, pod, pod.spec.containers[0], place)
    path = item.field_ref.field_path if item.field_ref is not None else ""
    whole = _WHOLE.get(path)
    if whole is not None:
        return "\n".join(f'{key}="{_quoted(value)}"' for key, value in sorted(whole(pod).items()))
    return field_value(path, pod, place)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_WHOLE: dict[str, Callable[[types.Pod], dict[str, str]]] = {
    "metadata.labels": lambda pod: pod.metadata.labels,
    "metadata.annotations": lambda pod: pod.metadata.annotations,
}
