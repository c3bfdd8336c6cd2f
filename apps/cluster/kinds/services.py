"""The kind Service: one name and one address for the pods that its selector means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, pod_checks, refusals
from apps.cluster.kinds.addresses import allocate_cluster_ip, allocate_node_ports
from apps.cluster.quantities import NANO
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem

TYPES = ("ClusterIP", "NodePort")
AFFINITIES = ("None", "ClientIP")
AFFINITY_SECONDS = 10800
LONGEST_AFFINITY = 86400
HEADLESS = "None"


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
    spec.ip_families = spec.ip_families or ["IPv4"]
    spec.ip_family_policy = spec.ip_family_policy or "SingleStack"
    spec.internal_traffic_policy = spec.internal_traffic_policy or "Cluster"
    # Only services reachable from outside have one; a type changed back must not keep it.
    spec.external_traffic_policy = (
        spec.external_traffic_policy or "Cluster" if spec.type == "NodePort" else ""
    )
    if spec.cluster_ip and not spec.cluster_ips:
        spec.cluster_ips = [spec.cluster_ip]
    elif spec.cluster_ips and not spec.cluster_ip:
        spec.cluster_ip = spec.cluster_ips[0]
    for port in spec.ports:
        port.protocol = port.protocol or "TCP"
        if port.target_port in {None, "", 0}:
            port.target_port = port.port
        port.node_port = port.node_port or None


def _problems(service: types.Service) -> Iterator[Problem]:
    spec = service.spec
    yield from refusals.one_of("spec.type", spec.type, TYPES)
    yield from meta.label_problems(spec.selector, "spec.selector")
    if not spec.ports and spec.cluster_ip != HEADLESS:
        yield refusals.required("spec.ports")
    yield from _port_problems(spec)
    yield from _affinity_problems(spec)
    yield from _address_problems(spec)
    yield from refusals.one_of("spec.internalTrafficPolicy", spec.internal_traffic_policy or "", ("Cluster",))
    if spec.external_traffic_policy:
        yield from refusals.one_of("spec.externalTrafficPolicy", spec.external_traffic_policy, ("Cluster",))


def _port_problems(spec: types.ServiceSpec) -> Iterator[Problem]:
    seen_names: set[str] = set()
    seen_ports: set[tuple[str, int]] = set()
    seen_node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        if port.name:
            yield from refusals.spelled(f"{path}.name", port.name, names.dns_label_problem)
            if port.name in seen_names:
                yield refusals.duplicate(f"{path}.name", port.name)
            seen_names.add(port.name)
        elif len(spec.ports) > 1:
            yield refusals.required(f"{path}.name")
        yield from pod_checks.port_problems(f"{path}.port", port.port)
        yield from refusals.one_of(f"{path}.protocol", port.protocol, pod_checks.PROTOCOLS)
        if port.target_port != port.port:
            yield from _target_problems(f"{path}.targetPort", port.target_port)
        if port.app_protocol:
            yield from refusals.spelled(f"{path}.appProtocol", port.app_protocol, names.label_key_problem)
        if (port.protocol, port.port) in seen_ports:
            yield refusals.duplicate(path, {"port": port.port, "protocol": port.protocol})
        seen_ports.add((port.protocol, port.port))
        if port.node_port:
            yield from pod_checks.port_problems(f"{path}.nodePort", port.node_port)
            if (port.protocol, port.node_port) in seen_node_ports:
                yield refusals.duplicate(f"{path}.nodePort", port.node_port)
            seen_node_ports.add((port.protocol, port.node_port))


def _target_problems(path: str, target: types.IntOrString | None) -> Iterator[Problem]:
    if isinstance(target, str):
        yield from refusals.spelled(path, target, names.port_name_problem)
    elif target is not None:
        yield from pod_checks.port_problems(path, target)


def _affinity_problems(spec: types.ServiceSpec) -> Iterator[Problem]:
    yield from refusals.one_of("spec.sessionAffinity", spec.session_affinity, AFFINITIES)
    config = spec.session_affinity_config
    if config is None:
        return
    if spec.session_affinity != "ClientIP":
        yield refusals.forbidden(
            "spec.sessionAffinityConfig", "may not be set when `sessionAffinity` is not ClientIP"
        )
    elif config.client_ip is not None:
        seconds = config.client_ip.timeout_seconds
        path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        yield from refusals.between(path, seconds, 1, LONGEST_AFFINITY)


def _address_problems(spec: types.ServiceSpec) -> Iterator[Problem]:
    if spec.cluster_ip == HEADLESS:
        if spec.type != "ClusterIP":
            why = f"may not be set to 'None' for {spec.type} services"
            yield refusals.invalid("spec.clusterIPs[0]", HEADLESS, why)
    elif spec.cluster_ip:
        yield from pod_checks.address_problems("spec.clusterIP", spec.cluster_ip)
    if spec.cluster_ips and spec.cluster_ips != [spec.cluster_ip]:
        yield refusals.invalid(
            "spec.clusterIPs", spec.cluster_ips, "must be one address, equal to `clusterIP`"
        )
    for index, family in enumerate(spec.ip_families):
        yield from refusals.one_of(f"spec.ipFamilies[{index}]", family, ("IPv4",))
    if len(spec.ip_families) > 1:
        yield refusals.invalid("spec.ipFamilies", spec.ip_families, "may only hold one value")
    policies = ("SingleStack", "PreferDualStack")
    yield from refusals.one_of("spec.ipFamilyPolicy", spec.ip_family_policy or "", policies)


def _update_problems(old: types.Service, new: types.Service) -> Iterator[Problem]:
    if new.spec.cluster_ip and old.spec.cluster_ip and new.spec.cluster_ip != old.spec.cluster_ip:
        yield refusals.invalid("spec.clusterIP", new.spec.cluster_ip, "field is immutable")
    if new.spec.type == "NodePort" and not new.spec.cluster_ip and old.spec.cluster_ip == HEADLESS:
        yield refusals.invalid(
            "spec.type", new.spec.type, "a headless service cannot become one of type NodePort"
        )


def _charges(service: types.Service) -> dict[str, int]:
    found = {"services": NANO}
    if service.spec.type == "NodePort":
        found["services.nodeports"] = len(service.spec.ports) * NANO
    return found


def _kept(service: types.Service) -> str:
    """Pods reach the API by this service, and its address is a reserved one."""
    meta = service.metadata
    own = (meta.namespace, meta.name) == ("default", "kubernetes")
    return "this service is the cluster's own and may not be deleted" if own else ""


def _ports(service: types.Service, now: datetime) -> str:
    return (
        ",".join(
            f"{port.port}:{port.node_port}/{port.protocol}"
            if port.node_port
            else f"{port.port}/{port.protocol}"
            for port in service.spec.ports
        )
        or "<none>"
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
        validate=meta.checked(names.dns_1035_problem, _problems),
        validate_update=meta.checked_update(_update_problems),
        admit=(allocate_cluster_ip, allocate_node_ports),
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
                lambda service, now: service.spec.cluster_ip or "<none>",
                description="Its address inside the cluster.",
            ),
            Column(
                "External-IP", lambda service, now: "<none>", description="Its address outside the cluster."
            ),
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
