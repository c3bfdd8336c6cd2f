"""What a Service may say, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from apps.cluster import names, types
from apps.cluster.kinds import meta, pod_checks, refusals
from apps.cluster.types import Problem

CLUSTER_IP, NODE_PORT = "ClusterIP", "NodePort"
LOAD_BALANCER, EXTERNAL_NAME = "LoadBalancer", "ExternalName"
ADDRESS_ASSIGNED = "AddressAssigned"
"""The condition of a LoadBalancer: whether it is reached, or why not."""
TYPES = (CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME)
AFFINITIES = ("None", "ClientIP")
POLICIES = ("Cluster", "Local")
LONGEST_AFFINITY = 86400
HEADLESS = "None"
ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'"
NO_EXTERNAL_IPS = (
    "is not supported: whoever may write a service could draw the traffic for any address to it; "
    "use the type LoadBalancer"
)


def is_external(spec: types.ServiceSpec) -> bool:
    """Whether nodes answer for it towards the outside, at ports of their own."""
    return spec.type in {NODE_PORT, LOAD_BALANCER}


def has_health_check(spec: types.ServiceSpec) -> bool:
    """Whether nodes tell a balancer, at a port of their own, if they have an endpoint."""
    return spec.type == LOAD_BALANCER and spec.external_traffic_policy == "Local"


def problems(service: types.Service) -> Iterator[Problem]:
    spec = service.spec
    yield from refusals.one_of("spec.type", spec.type, TYPES)
    yield from meta.label_problems(spec.selector, "spec.selector")
    if not spec.ports and spec.cluster_ip != HEADLESS and spec.type != EXTERNAL_NAME:
        yield refusals.required("spec.ports")
    yield from _port_problems(spec)
    yield from _node_port_problems(spec)
    yield from _affinity_problems(spec)
    yield from _address_problems(spec)
    yield from _policy_problems(spec)
    yield from _balancer_problems(spec)
    if spec.external_ips:
        yield refusals.forbidden("spec.externalIPs", NO_EXTERNAL_IPS)
    if spec.type == EXTERNAL_NAME:
        bare = spec.external_name.removesuffix(".")
        yield from refusals.named("spec.externalName", bare, names.dns_subdomain_problem)
    elif spec.external_name:
        yield refusals.forbidden("spec.externalName", "may only be used when `type` is 'ExternalName'")


def update_problems(old: types.Service, new: types.Service) -> Iterator[Problem]:
    before, after = old.spec, new.spec
    kept = EXTERNAL_NAME not in {before.type, after.type}
    if kept and after.cluster_ip and before.cluster_ip and after.cluster_ip != before.cluster_ip:
        yield refusals.invalid("spec.clusterIP", after.cluster_ip, "field is immutable")
    if is_external(after) and not after.cluster_ip and before.cluster_ip == HEADLESS:
        yield refusals.invalid(
            "spec.type", after.type, f"a headless service cannot become one of type {after.type}"
        )
    both = before.type == after.type == LOAD_BALANCER
    if both and before.load_balancer_class != after.load_balancer_class:
        why = "may not change while `type` is 'LoadBalancer'"
        yield refusals.invalid("spec.loadBalancerClass", after.load_balancer_class, why)
    had, wished = before.health_check_node_port, after.health_check_node_port
    if has_health_check(before) and has_health_check(after) and wished not in {0, had}:
        yield refusals.invalid("spec.healthCheckNodePort", wished, "field is immutable")


def _port_problems(spec: types.ServiceSpec) -> Iterator[Problem]:
    seen_names: set[str] = set()
    seen_ports: set[tuple[str, int]] = set()
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


def _node_port_problems(spec: types.ServiceSpec) -> Iterator[Problem]:
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}].nodePort"
        if port.node_port:
            yield from pod_checks.port_problems(path, port.node_port)
            if not is_external(spec):
                yield refusals.forbidden(path, f"may not be used when `type` is '{spec.type}'")
            if (port.protocol, port.node_port) in seen:
                yield refusals.duplicate(path, port.node_port)
            seen.add((port.protocol, port.node_port))


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
    if spec.type == EXTERNAL_NAME:
        if spec.cluster_ip:
            yield refusals.forbidden("spec.clusterIPs", "may not be set for ExternalName services")
        return
    if spec.cluster_ip == HEADLESS:
        if spec.type != CLUSTER_IP:
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


def _policy_problems(spec: types.ServiceSpec) -> Iterator[Problem]:
    if spec.internal_traffic_policy:
        yield from refusals.one_of("spec.internalTrafficPolicy", spec.internal_traffic_policy, POLICIES)
    path, policy = "spec.externalTrafficPolicy", spec.external_traffic_policy
    if policy and not is_external(spec):
        yield refusals.invalid(path, policy, "may only be set for externally-accessible services")
    elif policy:
        yield from refusals.one_of(path, policy, POLICIES)
    if spec.health_check_node_port:
        path = "spec.healthCheckNodePort"
        yield from pod_checks.port_problems(path, spec.health_check_node_port)
        if not has_health_check(spec):
            why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            yield refusals.invalid(path, spec.health_check_node_port, why)
        if any(port.node_port == spec.health_check_node_port for port in spec.ports):
            yield refusals.duplicate(path, spec.health_check_node_port)


def _balancer_problems(spec: types.ServiceSpec) -> Iterator[Problem]:
    for index, text in enumerate(spec.load_balancer_source_ranges):
        path = f"spec.loadBalancerSourceRanges[{index}]"
        try:
            IPv4Network(text.strip())
        except ValueError:
            yield refusals.invalid(path, text, "must be an IPv4 range in CIDR notation, such as 10.0.0.0/8")
    if spec.load_balancer_ip:
        yield from pod_checks.address_problems("spec.loadBalancerIP", spec.load_balancer_ip)
    if spec.load_balancer_class is not None:
        path = "spec.loadBalancerClass"
        yield from refusals.named(path, spec.load_balancer_class, names.label_key_problem)
    if spec.type == LOAD_BALANCER:
        return
    given: dict[str, object] = {
        "loadBalancerSourceRanges": spec.load_balancer_source_ranges,
        "loadBalancerIP": spec.load_balancer_ip,
        "loadBalancerClass": spec.load_balancer_class,
        "allocateLoadBalancerNodePorts": spec.allocate_load_balancer_node_ports is not None,
    }
    for name, value in given.items():
        if value:
            yield refusals.forbidden(f"spec.{name}", ONLY_BALANCED)
