"""What is behind services, for whoever routes to it or names it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the agent's processes for rules and names plan nothing: they are spared the API's types
    from apps.cluster import types

SERVICE_NAME = "kubernetes.io/service-name"


def by_service(slices: Iterable[types.EndpointSlice]) -> dict[tuple[str, str], list[types.EndpointSlice]]:
    """By namespace and name of the service they belong to."""
    found: dict[tuple[str, str], list[types.EndpointSlice]] = {}
    for one in slices:
        name = one.metadata.labels.get(SERVICE_NAME, "")
        found.setdefault((one.metadata.namespace, name), []).append(one)
    return found


def is_ready(endpoint: types.Endpoint) -> bool:
    """Whether it is meant to be asked."""
    return endpoint.conditions is None or endpoint.conditions.ready is not False
