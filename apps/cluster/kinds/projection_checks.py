"""What volumes made of several sources must obey: the downward API's files and projected volumes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from apps.cluster import names, types
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

FIELDS = ("metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations")
KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
RESOURCES = ("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
SHORTEST_TOKEN, LONGEST_TOKEN = 600, 2**32
AUDIENCE_LIMIT = 1024
PathCheck = Callable[[str, str], Iterator[Problem]]


def file_problems(
    items: Sequence[types.DownwardAPIVolumeFile], path: str, check_path: PathCheck
) -> Iterator[Problem]:
    """Each file shows one field of the pod, or one amount of one of its containers."""
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        yield from check_path(f"{at}.path", item.path)
        yield from refusals.between(f"{at}.mode", item.mode, 0, 0o777)
        if (item.field_ref is None) is (item.resource_field_ref is None):
            yield refusals.required(at, "exactly one of fieldRef and resourceFieldRef must be set")
        if item.field_ref is not None:
            field = item.field_ref.field_path
            if keyed := KEYED_FIELD.fullmatch(field):
                yield from refusals.spelled(f"{at}.fieldRef.fieldPath", keyed[2], names.label_key_problem)
            else:
                yield from refusals.one_of(f"{at}.fieldRef.fieldPath", field, FIELDS)
        if item.resource_field_ref is not None:
            where = f"{at}.resourceFieldRef"
            yield from refusals.one_of(f"{where}.resource", item.resource_field_ref.resource, RESOURCES)
            if not item.resource_field_ref.container_name:
                yield refusals.required(f"{where}.containerName")


def token_problems(
    source: types.ServiceAccountTokenProjection, path: str, check_path: PathCheck
) -> Iterator[Problem]:
    yield from check_path(f"{path}.path", source.path)
    yield from refusals.between(
        f"{path}.expirationSeconds", source.expiration_seconds, SHORTEST_TOKEN, LONGEST_TOKEN
    )
    yield from refusals.plain(f"{path}.audience", source.audience, AUDIENCE_LIMIT)


def paths_of(projection: types.VolumeProjection) -> Iterator[str]:
    """The files a source is known to make, whatever its object holds."""
    for source in (projection.secret, projection.config_map):
        if source is not None:
            yield from (item.path for item in source.items)
    if projection.downward_api is not None:
        yield from (item.path for item in projection.downward_api.items)
    if projection.service_account_token is not None:
        yield projection.service_account_token.path


def clashes(sources: Sequence[types.VolumeProjection], path: str) -> Iterator[Problem]:
    """Two sources may not claim the same file."""
    seen: set[str] = set()
    for index, projection in enumerate(sources):
        for each in paths_of(projection):
            if each in seen:
                yield refusals.invalid(f"{path}[{index}]", each, "conflicting duplicate paths")
            seen.add(each)
