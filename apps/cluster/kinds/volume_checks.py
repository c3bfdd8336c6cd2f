"""What volumes and their mounts must obey: whatever becomes a path on a machine passes here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from apps.cluster import names, quantities, types
from apps.cluster.kinds import projection_checks, refusals
from apps.cluster.types import Problem

SOURCES = ("empty_dir", "host_path", "config_map", "secret", "downward_api", "projected", "persistent_volume_claim")
PROJECTIONS = ("secret", "config_map", "downward_api", "service_account_token")
HOST_PATH_TYPES = (
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
)
MODES = 0o777
PATH_LIMIT = 4096


def volume_problems(volumes: Sequence[types.Volume], path: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        yield from refusals.named(f"{at}.name", volume.name, names.dns_label_problem)
        if volume.name in seen:
            yield refusals.duplicate(f"{at}.name", volume.name)
        seen.add(volume.name)
        given = [source for source in SOURCES if getattr(volume, source) is not None]
        if not given:
            yield refusals.required(at, "must specify a volume type")
        for extra in given[1:]:
            yield refusals.forbidden(
                f"{at}.{types.wire_name(extra)}", "may not specify more than 1 volume type"
            )
        for source in given[:1]:
            yield from _CHECKS[source](getattr(volume, source), f"{at}.{types.wire_name(source)}")


def _empty_dir_problems(source: types.EmptyDirVolumeSource, path: str) -> Iterator[Problem]:
    yield from refusals.one_of(f"{path}.medium", source.medium, ("", "Memory"))
    if source.size_limit is not None:
        yield from amount_problems(f"{path}.sizeLimit", source.size_limit)


def _host_path_problems(source: types.HostPathVolumeSource, path: str) -> Iterator[Problem]:
    yield from absolute_path_problems(f"{path}.path", source.path)
    yield from refusals.one_of(f"{path}.type", source.type, HOST_PATH_TYPES)


def _claim_problems(source: types.PersistentVolumeClaimVolumeSource, path: str) -> Iterator[Problem]:
    yield from refusals.named(f"{path}.claimName", source.claim_name, names.dns_subdomain_problem)


def _config_map_problems(source: types.ConfigMapVolumeSource, path: str) -> Iterator[Problem]:
    yield from refusals.named(f"{path}.name", source.name, names.dns_subdomain_problem)
    yield from _files_problems(source, path)


def _secret_problems(source: types.SecretVolumeSource, path: str) -> Iterator[Problem]:
    yield from refusals.named(f"{path}.secretName", source.secret_name, names.dns_subdomain_problem)
    yield from _files_problems(source, path)


def _files_problems(
    source: types.ConfigMapVolumeSource | types.SecretVolumeSource, path: str
) -> Iterator[Problem]:
    yield from refusals.between(f"{path}.defaultMode", source.default_mode, 0, MODES)
    yield from _items_problems(source.items, path)


def _items_problems(items: Sequence[types.KeyToPath], path: str) -> Iterator[Problem]:
    for index, item in enumerate(items):
        at = f"{path}.items[{index}]"
        yield from refusals.named(f"{at}.key", item.key, names.config_key_problem)
        yield from relative_path_problems(f"{at}.path", item.path)
        yield from refusals.between(f"{at}.mode", item.mode, 0, MODES)


def _downward_problems(source: types.DownwardAPIVolumeSource, path: str) -> Iterator[Problem]:
    yield from refusals.between(f"{path}.defaultMode", source.default_mode, 0, MODES)
    yield from projection_checks.file_problems(source.items, f"{path}.items", relative_path_problems)


def _projected_problems(source: types.ProjectedVolumeSource, path: str) -> Iterator[Problem]:
    yield from refusals.between(f"{path}.defaultMode", source.default_mode, 0, MODES)
    for index, projection in enumerate(source.sources):
        at = f"{path}.sources[{index}]"
        given = [name for name in PROJECTIONS if getattr(projection, name) is not None]
        if not given:
            yield refusals.required(at, "must specify a source")
        for extra in given[1:]:
            yield refusals.forbidden(f"{at}.{types.wire_name(extra)}", "may not specify more than 1 source")
        for name in given[:1]:
            yield from _projection_problems(getattr(projection, name), f"{at}.{types.wire_name(name)}")
    yield from projection_checks.clashes(source.sources, f"{path}.sources")


def _projection_problems(source: Any, path: str) -> Iterator[Problem]:
    if isinstance(source, types.DownwardAPIProjection):
        yield from projection_checks.file_problems(source.items, f"{path}.items", relative_path_problems)
    elif isinstance(source, types.ServiceAccountTokenProjection):
        yield from projection_checks.token_problems(source, path, relative_path_problems)
    else:
        yield from refusals.named(f"{path}.name", source.name, names.dns_subdomain_problem)
        yield from _items_problems(source.items, path)


_CHECKS: dict[str, Any] = {
    "empty_dir": _empty_dir_problems,
    "host_path": _host_path_problems,
    "config_map": _config_map_problems,
    "secret": _secret_problems,
    "downward_api": _downward_problems,
    "projected": _projected_problems,
    "persistent_volume_claim": _claim_problems,
}


def mount_problems(
    mounts: Sequence[types.VolumeMount], volumes: Collection[str], path: str
) -> Iterator[Problem]:
    """Mounts of one container; ``volumes`` are the names the pod declares."""
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        at = f"{path}[{index}]"
        if not mount.name:
            yield refusals.required(f"{at}.name")
        elif mount.name not in volumes:
            yield refusals.missing(f"{at}.name", mount.name)
        yield from absolute_path_problems(f"{at}.mountPath", mount.mount_path)
        if ":" in mount.mount_path:
            yield refusals.invalid(f"{at}.mountPath", mount.mount_path, "must not contain ':'")
        if mount.mount_path in seen:
            yield refusals.invalid(f"{at}.mountPath", mount.mount_path, "must be unique")
        seen.add(mount.mount_path)
        if mount.sub_path:
            yield from relative_path_problems(f"{at}.subPath", mount.sub_path)


def absolute_path_problems(path: str, value: str) -> Iterator[Problem]:
    if not value:
        yield refusals.required(path)
    elif not value.startswith("/"):
        yield refusals.invalid(path, value, "must be an absolute path")
    yield from _plain_path_problems(path, value)


def relative_path_problems(path: str, value: str) -> Iterator[Problem]:
    if not value:
        yield refusals.required(path)
    elif value.startswith("/"):
        yield refusals.invalid(path, value, "must be a relative path")
    yield from _plain_path_problems(path, value)


def _plain_path_problems(path: str, value: str) -> Iterator[Problem]:
    if ".." in value.split("/"):
        yield refusals.invalid(path, value, "must not contain '..'")
    yield from refusals.plain(path, value, PATH_LIMIT)


def amount_problems(path: str, amount: types.Quantity) -> Iterator[Problem]:
    """A quantity that is not negative."""
    try:
        exact = quantities.exact(amount)
    except ValueError as refusal:
        yield refusals.invalid(path, amount, str(refusal))
    else:
        if exact < 0:
            yield refusals.invalid(path, amount, "must be greater than or equal to 0")
