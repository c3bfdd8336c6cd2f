"""Services and endpoints in few words."""

from __future__ import annotations

from collections.abc import Iterable

from apps.cluster import types
from node_agent.proxy.rules import HostPort, Planner, Wanted


def plan(
    services: Iterable[types.Service],
    slices: Iterable[types.EndpointSlice],
    host_ports: Iterable[HostPort] = (),
    node: str = "",
) -> Wanted:
    """What a planner that has seen nothing before plans."""
    return Planner(node).plan(services, slices, host_ports)


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
    ending: tuple[str, ...] = (),
    nodes: dict[str, str] | None = None,
) -> types.EndpointSlice:
    """``nodes`` says by address where an endpoint is."""
    states = {
        **dict.fromkeys(addresses, types.EndpointConditions(ready=True, serving=True, terminating=False)),
        **dict.fromkeys(not_ready, types.EndpointConditions(ready=False, serving=False, terminating=False)),
        **dict.fromkeys(ending, types.EndpointConditions(ready=False, serving=True, terminating=True)),
    }
    return types.EndpointSlice(
        metadata=types.ObjectMeta(
            name=f"{name}-abcde", namespace=namespace, labels={"kubernetes.io/service-name": name}
        ),
        address_type="IPv4",
        endpoints=[
            types.Endpoint(addresses=[address], conditions=state, node_name=(nodes or {}).get(address))
            for address, state in states.items()
        ],
        ports=[types.SlicePort(name=label, port=port, protocol=protocol) for label, port in ports],
    )
