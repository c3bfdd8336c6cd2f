"""Variables that tell a container where the services are, as in the articles (and as Docker links did)."""

from __future__ import annotations

from collections.abc import Iterable

from apps.cluster import types

MASTER_NAMESPACE, MASTER_SERVICE = "default", "kubernetes"


def service_variables(services: Iterable[types.Service], namespace: str, links: bool) -> dict[str, str]:
    """Variables of the namespace's services, and always of the API server's own.

    Without ``links`` (``enableServiceLinks: false``) only the latter. Services without an address have none.
    """
    chosen: dict[str, types.Service] = {}
    for service in services:
        meta = service.metadata
        if service.spec.cluster_ip in ("", "None"):
            continue
        if links and meta.namespace == namespace:
            chosen[meta.name] = service  # a namespace's own "kubernetes" comes before the API server's
        elif (meta.namespace, meta.name) == (MASTER_NAMESPACE, MASTER_SERVICE):
            chosen.setdefault(meta.name, service)
    variables: dict[str, str] = {}
    for name in sorted(chosen):
        variables |= _of_service(chosen[name])
    return variables


def _of_service(service: types.Service) -> dict[str, str]:
    if not service.spec.ports:
        return {}
    prefix = service.metadata.name.upper().replace("-", "_")
    address, ports = service.spec.cluster_ip, service.spec.ports
    variables = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0].port)}
    for port in ports:
        if port.name:
            variables[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
    for index, port in enumerate(ports):
        protocol = (port.protocol or "TCP").upper()
        url = f"{protocol.lower()}://{address}:{port.port}"
        if index == 0:
            variables[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port.port}_{protocol}"
        variables |= {
            link: url,
            f"{link}_PROTO": protocol.lower(),
            f"{link}_PORT": str(port.port),
            f"{link}_ADDR": address,
        }
    return variables
