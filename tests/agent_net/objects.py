"""Services and endpoints in few words."""

from __future__ import annotations

from apps.cluster import types


def service(
    name: str,
    address: str,
    *ports: tuple[str, int, int],
    namespace: str = "default",
    protocol: str = "TCP",
    sticky: int = 0,
) -> types.Service:
    """Ports are (name, port, node port or 0)."""
    config = types.SessionAffinityConfig(client_ip=types.ClientIPConfig(timeout_seconds=sticky))
    return types.Service(
        metadata=types.ObjectMeta(name=name, namespace=namespace),
        spec=types.ServiceSpec(
            cluster_ip=address,
            session_affinity="ClientIP" if sticky else "None",
            session_affinity_config=config if sticky else None,
            ports=[
                types.ServicePort(name=label, port=port, node_port=node_port or None, protocol=protocol)
                for label, port, node_port in ports
            ],
        ),
    )


def endpoints(
    name: str,
    addresses: list[str],
    *ports: tuple[str, int],
    namespace: str = "default",
    protocol: str = "TCP",
    not_ready: tuple[str, ...] = (),
) -> types.Endpoints:
    subset = types.EndpointSubset(
        addresses=[types.EndpointAddress(ip=address) for address in addresses],
        not_ready_addresses=[types.EndpointAddress(ip=address) for address in not_ready],
        ports=[types.EndpointPort(name=label, port=port, protocol=protocol) for label, port in ports],
    )
    return types.Endpoints(
        metadata=types.ObjectMeta(name=name, namespace=namespace), subsets=[subset] if addresses else []
    )
