"""The other kinds of the core group: nodes, services, endpoints, configuration, events."""

from datetime import datetime

from msgspec import field

from apps.cluster.types.base import Quantity, Wire
from apps.cluster.types.meta import Condition, LocalObjectReference, ObjectReference, Resource
from apps.cluster.types.pods import IntOrString


class NamespaceSpec(Wire):
    finalizers: list[str] = []


class NamespaceStatus(Wire):
    phase: str = ""
    conditions: list[Condition] = []


class Namespace(Resource):
    spec: NamespaceSpec = field(default_factory=NamespaceSpec)
    status: NamespaceStatus = field(default_factory=NamespaceStatus)


class Taint(Wire):
    key: str
    effect: str
    value: str = ""
    time_added: datetime | None = None


class NodeSpec(Wire):
    pod_cidr: str = ""
    pod_cidrs: list[str] = []
    provider_id: str = ""
    unschedulable: bool | None = None
    taints: list[Taint] = []


class NodeAddress(Wire):
    type: str
    address: str


class NodeSystemInfo(Wire, omit_defaults=False):
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""
    kernel_version: str = ""
    os_image: str = ""
    container_runtime_version: str = ""
    kubelet_version: str = ""
    kube_proxy_version: str = ""
    operating_system: str = ""
    architecture: str = ""


class ContainerImage(Wire):
    names: list[str] = []
    size_bytes: int = 0


class DaemonEndpoint(Wire, rename={"port": "Port"}):
    port: int = 0


class NodeDaemonEndpoints(Wire):
    kubelet_endpoint: DaemonEndpoint | None = None


class NodeStatus(Wire):
    capacity: dict[str, Quantity] = {}
    allocatable: dict[str, Quantity] = {}
    phase: str = ""
    conditions: list[Condition] = []
    addresses: list[NodeAddress] = []
    daemon_endpoints: NodeDaemonEndpoints | None = None
    node_info: NodeSystemInfo | None = None
    images: list[ContainerImage] = []


class Node(Resource):
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)


class ServicePort(Wire):
    port: int
    name: str = ""
    protocol: str = ""
    target_port: IntOrString | None = None
    node_port: int | None = None
    app_protocol: str | None = None


class ClientIPConfig(Wire):
    timeout_seconds: int | None = None


class SessionAffinityConfig(Wire, rename={"client_ip": "clientIP"}):
    client_ip: ClientIPConfig | None = None


class ServiceSpec(Wire):
    ports: list[ServicePort] = []
    selector: dict[str, str] = {}
    cluster_ip: str = ""
    cluster_ips: list[str] = []
    type: str = ""
    session_affinity: str = ""
    session_affinity_config: SessionAffinityConfig | None = None
    publish_not_ready_addresses: bool | None = None
    ip_families: list[str] = []
    ip_family_policy: str | None = None
    internal_traffic_policy: str | None = None
    external_traffic_policy: str = ""
    health_check_node_port: int = 0
    external_name: str = ""
    external_ips: list[str] = []
    load_balancer_ip: str = ""
    load_balancer_class: str | None = None
    load_balancer_source_ranges: list[str] = []
    allocate_load_balancer_node_ports: bool | None = None


class PortStatus(Wire):
    port: int
    protocol: str = ""
    error: str | None = None


class LoadBalancerIngress(Wire):
    ip: str = ""
    hostname: str = ""
    ip_mode: str | None = None
    ports: list[PortStatus] = []


class LoadBalancerStatus(Wire):
    ingress: list[LoadBalancerIngress] = []


class ServiceStatus(Wire):
    load_balancer: LoadBalancerStatus | None = None
    conditions: list[Condition] = []


class Service(Resource):
    spec: ServiceSpec = field(default_factory=ServiceSpec)
    status: ServiceStatus = field(default_factory=ServiceStatus)


class EndpointAddress(Wire):
    ip: str
    hostname: str = ""
    node_name: str | None = None
    target_ref: ObjectReference | None = None


class EndpointPort(Wire):
    port: int
    name: str = ""
    protocol: str = ""
    app_protocol: str | None = None


class EndpointSubset(Wire):
    addresses: list[EndpointAddress] = []
    not_ready_addresses: list[EndpointAddress] = []
    ports: list[EndpointPort] = []


class Endpoints(Resource):
    subsets: list[EndpointSubset] = []


class Secret(Resource):
    data: dict[str, str] = {}
    string_data: dict[str, str] = {}
    type: str = ""
    immutable: bool | None = None


class ConfigMap(Resource):
    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}
    immutable: bool | None = None


class ServiceAccount(Resource):
    secrets: list[ObjectReference] = []
    image_pull_secrets: list[LocalObjectReference] = []
    automount_service_account_token: bool | None = None


class EventSource(Wire):
    component: str = ""
    host: str = ""


class EventSeries(Wire):
    count: int = 0
    last_observed_time: datetime | None = None


class Event(Resource):
    involved_object: ObjectReference = field(default_factory=ObjectReference)
    reason: str = ""
    message: str = ""
    source: EventSource = field(default_factory=EventSource)
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    count: int = 0
    type: str = ""
    event_time: datetime | None = None
    series: EventSeries | None = None
    action: str = ""
    related: ObjectReference | None = None
    reporting_component: str = ""
    reporting_instance: str = ""
