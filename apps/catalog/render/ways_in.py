"""Endpoints: the ports on every node and the host names by which an application is reached from outside."""

from __future__ import annotations

from apps.catalog.addresses import Addresses, host
from apps.catalog.format import Endpoint
from apps.catalog.render.metadata import ENDPOINT, Identity, Manifest

INTERNAL, NODE_PORT, INGRESS = "internal", "nodePort", "ingress"


def render(identity: Identity, name: str, endpoint: Endpoint, addresses: Addresses) -> list[Manifest]:
    """Nothing for an internal endpoint: the component's own service is all it needs."""
    match endpoint.via or INTERNAL:
        case "nodePort":
            return [_node_port(identity, name, endpoint, addresses)]
        case "ingress":
            return [_ingress(identity, name, endpoint, addresses)]
    return []


def public_name(identity: Identity, name: str) -> str:
    """A component may be called as an endpoint is; their objects must not."""
    return f"{identity.name}-{name}-public"


def _node_port(identity: Identity, name: str, endpoint: Endpoint, addresses: Addresses) -> Manifest:
    port: Manifest = {
        "name": endpoint.port, "port": addresses.port(endpoint.component, endpoint.port), "targetPort": endpoint.port,
    }  # fmt: skip
    if endpoint.node_port is not None:
        port["nodePort"] = endpoint.node_port
    spec = {"type": "NodePort", "selector": identity.selector(endpoint.component), "ports": [port]}
    return _marked(
        identity.manifest("v1", "Service", public_name(identity, name), endpoint.component, spec=spec), name
    )


def _ingress(identity: Identity, name: str, endpoint: Endpoint, addresses: Addresses) -> Manifest:
    where = host(identity.name, endpoint.component, addresses.definition)
    backend = {"service": {"name": where, "port": {"name": endpoint.port}}}
    path = {"path": endpoint.path or "/", "pathType": "Prefix", "backend": backend}
    spec = {"rules": [{"host": endpoint.host, "http": {"paths": [path]}}]}
    made = identity.manifest(
        "networking.k8s.io/v1", "Ingress", public_name(identity, name), endpoint.component, spec=spec
    )
    return _marked(made, name)


def _marked(manifest: Manifest, endpoint: str) -> Manifest:
    manifest["metadata"]["labels"][ENDPOINT] = endpoint
    return manifest
