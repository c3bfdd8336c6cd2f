"""Ingresses, and what they lead to, as a node is told of them."""

from __future__ import annotations

import base64
from typing import Any

from apps.cluster import types
from apps.cluster.kinds import INGRESS, INGRESS_CLASS, SECRET, SERVICE
from apps.cluster.types import ways
from node_agent.edge.sight import Sight
from tests.builders import build

EDGE: types.IngressClass = build(INGRESS_CLASS, name="edge", spec__controller=ways.CONTROLLER)


def backend(service: str, port: int | str = 80) -> types.IngressBackend:
    wanted = types.ServiceBackendPort(name=port) if isinstance(port, str) else types.ServiceBackendPort(number=port)
    return types.IngressBackend(service=types.IngressServiceBackend(name=service, port=wanted))


def rule(host: str, *paths: str, to: str = "", port: int | str = 80) -> types.IngressRule:
    """Paths as ``/a`` (a prefix) or ``=/a`` (the whole path); each leads to the service of its own name, or ``to``."""
    found = [
        types.HTTPIngressPath(
            path=path.removeprefix("="),
            path_type="Exact" if path.startswith("=") else "Prefix",
            backend=backend(to or path.strip("=/").replace("/", "-") or "root", port),
        )
        for path in paths or ("/",)
    ]
    return types.IngressRule(host=host, http=types.HTTPIngressRuleValue(paths=found))


def ingress(*rules: types.IngressRule, name: str = "web", of: str = "edge", **changes: Any) -> types.Ingress:
    made: types.Ingress = build(INGRESS, name=name, spec__ingress_class_name=of, **changes)
    made.spec.rules = list(rules)
    return made


def service(called: str, address: str = "10.254.0.80", **port: Any) -> types.Service:
    made: types.Service = build(SERVICE, name=called, spec__cluster_ip=address)
    made.spec.ports = [types.ServicePort(**{"port": 80, **port})]
    return made


def secret(name: str, chain: str, key: str) -> types.Secret:
    data = {file: base64.b64encode(text.encode()).decode() for file, text in (("tls.crt", chain), ("tls.key", key))}
    made: types.Secret = build(SECRET, name=name, type="kubernetes.io/tls", data=data)
    return made


def sight(*given: Any, peers: tuple[str, ...] = (), classes: tuple[types.IngressClass, ...] = (EDGE,)) -> Sight:
    """Objects of any of these kinds."""

    def named(cls: Any) -> dict[tuple[str, str], Any]:
        return {(one.metadata.namespace, one.metadata.name): one for one in given if isinstance(one, cls)}

    return Sight(
        ingresses=[one for one in given if isinstance(one, types.Ingress)],
        classes=classes,
        services=named(types.Service),
        slices=[one for one in given if isinstance(one, types.EndpointSlice)],
        secrets=named(types.Secret),
        peers=peers,
    )
