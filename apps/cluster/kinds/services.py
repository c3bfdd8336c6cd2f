"""The kind Service: one name and one address for the pods that its selector means."""

from __future__ import annotations

from datetime import datetime

from apps.cluster import names, ranges, types
from apps.cluster.kinds import ages, meta, service_checks
from apps.cluster.kinds.addresses import (
    allocate_cluster_ip,
    allocate_health_check_port,
    allocate_node_ports,
)
from apps.cluster.kinds.service_checks import EXTERNAL_NAME, LOAD_BALANCER, has_health_check, is_external
from apps.cluster.quantities import NANO
from apps.cluster.registry import Column, Kind, register

AFFINITY_SECONDS = 10800
PENDING, NOTHING = "<pending>", "<none>"


def _default(service: types.Service) -> None:
    spec = service.spec
    spec.type = spec.type or "ClusterIP"
    spec.session_affinity = spec.session_affinity or "None"
    if spec.session_affinity == "ClientIP":
        config = spec.session_affinity_config or types.SessionAffinityConfig()
        client = config.client_ip or types.ClientIPConfig()
        if client.timeout_seconds is None:
            client.timeout_seconds = AFFINITY_SECONDS
        config.client_ip, spec.session_affinity_config = client, config
    if spec.type != EXTERNAL_NAME:
        spec.ip_families = spec.ip_families or ["IPv4"]
        spec.ip_family_policy = spec.ip_family_policy or "SingleStack"
        spec.internal_traffic_policy = spec.internal_traffic_policy or "Cluster"
    if is_external(spec):
        spec.external_traffic_policy = spec.external_traffic_policy or "Cluster"
    if spec.type == LOAD_BALANCER and spec.allocate_load_balancer_node_ports is None:
        spec.allocate_load_balancer_node_ports = True
    if spec.cluster_ip and not spec.cluster_ips:
        spec.cluster_ips = [spec.cluster_ip]
    elif spec.cluster_ips and not spec.cluster_ip:
        spec.cluster_ip = spec.cluster_ips[0]
    for port in spec.ports:
        port.protocol = port.protocol or "TCP"
        if port.target_port in {None, "", 0}:
            port.target_port = port.port
        port.node_port = port.node_port or None


def _prepare_update(old: types.Service, new: types.Service) -> None:
    """A change of type gives back what the new type has no use for, unless the client asks for something else.

    That is then refused by name.
    """
    before, after = old.spec, new.spec
    if after.type == EXTERNAL_NAME and before.type != EXTERNAL_NAME:
        if after.cluster_ip == before.cluster_ip:
            after.cluster_ip, after.cluster_ips = "", []
        after.ip_families, after.ip_family_policy, after.internal_traffic_policy = [], None, None
    if before.type == EXTERNAL_NAME and after.type != EXTERNAL_NAME:
        after.external_name = "" if after.external_name == before.external_name else after.external_name
    if is_external(before) and not is_external(after):
        had = {port.node_port for port in before.ports}
        for port in after.ports:
            port.node_port = None if port.node_port in had else port.node_port
        if after.external_traffic_policy == before.external_traffic_policy:
            after.external_traffic_policy = ""
    unasked = after.health_check_node_port == before.health_check_node_port
    if has_health_check(before) and not has_health_check(after) and unasked:
        after.health_check_node_port = 0
    if before.type == LOAD_BALANCER and after.type != LOAD_BALANCER:
        _leave_balancer(before, after)
        new.status = types.ServiceStatus()


def _leave_balancer(before: types.ServiceSpec, after: types.ServiceSpec) -> None:
    if after.load_balancer_class == before.load_balancer_class:
        after.load_balancer_class = None
    if after.load_balancer_ip == before.load_balancer_ip:
        after.load_balancer_ip = ""
    if after.allocate_load_balancer_node_ports == before.allocate_load_balancer_node_ports:
        after.allocate_load_balancer_node_ports = None


def _charges(service: types.Service) -> dict[str, int]:
    spec, found = service.spec, {"services": NANO}
    if spec.type == LOAD_BALANCER:
        found["services.loadbalancers"] = NANO
    if is_external(spec):
        # Where a balancer's ports are not handed out, only those count that were asked for.
        every = spec.allocate_load_balancer_node_ports is not False
        taken = len(spec.ports) if every else sum(bool(port.node_port) for port in spec.ports)
        found["services.nodeports"] = taken * NANO
    return found


def _kept(service: types.Service) -> str:
    """Pods reach the API and the names by these services, and their addresses are reserved ones."""
    own = (service.metadata.namespace, service.metadata.name) in ranges.RESERVED.values()
    return "this service is the cluster's own and may not be deleted" if own else ""


def external_addresses(service: types.Service) -> list[str]:
    """Where a balancer answers for the service."""
    balancer = service.status.load_balancer
    return [one.ip or one.hostname for one in balancer.ingress] if balancer else []


def _external(service: types.Service, now: datetime) -> str:
    if service.spec.type == EXTERNAL_NAME:
        return service.spec.external_name
    if service.spec.type == LOAD_BALANCER:
        return ",".join(external_addresses(service)) or PENDING
    return NOTHING


def _ports(service: types.Service, now: datetime) -> str:
    return (
        ",".join(
            f"{port.port}:{port.node_port}/{port.protocol}"
            if port.node_port
            else f"{port.port}/{port.protocol}"
            for port in service.spec.ports
        )
        or NOTHING
    )


SERVICE = register(
    Kind(
        name="Service",
        plural="services",
        short=("svc",),
        categories=("all",),
        schema=types.Service,
        subresources=frozenset({"status"}),
        default=_default,
        validate=meta.checked(names.dns_1035_problem, service_checks.problems),
        prepare_update=_prepare_update,
        validate_update=meta.checked_update(service_checks.update_problems),
        admit=(allocate_cluster_ip, allocate_node_ports, allocate_health_check_port),
        kept=_kept,
        charges=_charges,
        fields={
            "spec.clusterIP": lambda service: service.spec.cluster_ip,
            "spec.type": lambda service: service.spec.type,
        },
        columns=(
            ages.NAME,
            Column("Type", lambda service, now: service.spec.type, description="Who can reach it."),
            Column(
                "Cluster-IP",
                lambda service, now: service.spec.cluster_ip or NOTHING,
                description="Its address inside the cluster.",
            ),
            Column("External-IP", _external, description="Its address outside the cluster."),
            Column("Port(s)", _ports, description="Its ports, each with its node port if it has one."),
            ages.AGE,
            Column(
                "Selector",
                lambda service, now: ages.selector(service.spec.selector),
                wide=True,
                description="Labels of the pods behind it.",
            ),
        ),
    )
)
