"""All that the edge's plan rests on, gathered from what the server told this node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from apps.cluster import types
from apps.cluster.types import ways
from node_agent.view import View

Key = tuple[str, str]  # namespace, name
CONCERNED: Final = frozenset(
    {"ingresses", "ingressclasses", "services", "endpointslices", "secrets", "peers", "nodes"}
)
"""The kinds whose changes may change the plan."""


@dataclass(frozen=True)
class Sight:
    """What the server told this node."""

    ingresses: Iterable[types.Ingress] = ()
    classes: Iterable[types.IngressClass] = ()
    services: Mapping[Key, types.Service] = field(default_factory=dict)
    """Those that the Ingresses lead to."""
    slices: Iterable[types.EndpointSlice] = ()
    secrets: Mapping[Key, types.Secret] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    """The addresses of the other edge nodes."""


def look(view: View, node: str) -> Sight:
    """Of services and secrets only those that some Ingress names."""
    ingresses = view.ingresses()
    if not ingresses:
        return Sight()
    services = {(one.metadata.namespace, name) for one in ingresses for name in ways.services_of(one)}
    secrets = {(one.metadata.namespace, name) for one in ingresses for name in ways.secrets_of(one)}
    return Sight(
        ingresses=ingresses,
        classes=view.ingress_classes(),
        services={key: found for key in services if (found := view.service(*key)) is not None},
        slices=view.slices(),
        secrets={key: given for key in secrets if (given := view.secret(*key)) is not None},
        peers=_others(view, node),
    )


def _others(view: View, node: str) -> tuple[str, ...]:
    """The edge as the server sees it: the labelled nodes, or without any all of them."""
    own, peers = view.node(node), view.peers()
    chosen = [peer for peer in peers if peer.edge]
    if not chosen and not (own is not None and ways.on_edge(own)):
        chosen = peers
    return tuple(sorted(peer.address for peer in chosen))
