"""Where an application answers: the URL of each endpoint, as far as it is known by now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.catalog import parameters
from apps.catalog.addresses import Addresses
from apps.catalog.render.metadata import ENDPOINT
from apps.catalog.types import Application, EndpointStatus, RevisionSpec
from apps.cluster import types
from apps.cluster.conditions import is_ready


def address_of(nodes: Iterable[types.Node]) -> str:
    """An address by which some ready node is reached, the first by name."""
    for node in sorted(nodes, key=lambda node: node.metadata.name):
        ready = is_ready(node.status.conditions)
        found = {one.type: one.address for one in node.status.addresses}
        if ready and (address := found.get("ExternalIP") or found.get("InternalIP")):
            return address
    return ""


def endpoints(
    app: Application, spec: RevisionSpec, live: Mapping[tuple[str, str], Any], node: str
) -> list[EndpointStatus]:
    """Each endpoint with its address inside, and its URL when it has one outside."""
    values, _ = parameters.resolve(spec.definition.parameters, spec.parameters)
    addresses = Addresses(app.metadata.name, app.metadata.namespace, spec.definition, values)
    ways = {obj.metadata.labels.get(ENDPOINT, ""): obj for obj in live.values()}
    return [
        EndpointStatus(name=name, internal_url=inside, url=_url(ways.get(name), inside, node))
        for name in spec.definition.endpoints
        for inside in (addresses.internal_url(name),)
    ]


def _url(way: Any | None, inside: str, node: str) -> str:
    path = "/" + inside.partition("://")[2].partition("/")[2]
    if way is None:
        return ""
    if way.kind == "Ingress":
        secure = bool(way.spec.tls)
        return f"{'https' if secure else 'http'}://{way.spec.rules[0].host}{path}"
    port = next((one.node_port for one in way.spec.ports if one.node_port), None)
    return f"http://{node}:{port}{path}" if port and node else ""
