"""Pods and what they are made of: containers, their wishes and their observed states."""

from datetime import datetime

from msgspec import field

from apps.cluster.types.base import Quantity, Wire
from apps.cluster.types.meta import Condition, LocalObjectReference, ObjectMeta, Resource
from apps.cluster.types.placement import Affinity, PodSchedulingGate, Toleration, TopologySpreadConstraint
from apps.cluster.types.probes import Lifecycle, Probe
from apps.cluster.types.volumes import ObjectFieldSelector, ResourceFieldSelector, Volume

IntOrString = int | str


class ConfigMapKeySelector(Wire):
    key: str
    name: str = ""
    optional: bool | None = None


class SecretKeySelector(Wire):
    key: str
    name: str = ""
    optional: bool | None = None


class EnvVarSource(Wire):
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None


class EnvVar(Wire):
    name: str
    value: str = ""
    value_from: EnvVarSource | None = None


class EnvSource(Wire):
    name: str = ""
    optional: bool | None = None


class EnvFromSource(Wire):
    prefix: str = ""
    config_map_ref: EnvSource | None = None
    secret_ref: EnvSource | None = None


class ContainerPort(Wire):
    container_port: int
    name: str = ""
    host_port: int | None = None
    host_ip: str = ""
    protocol: str = ""


class ResourceRequirements(Wire):
    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}


class VolumeMount(Wire):
    name: str
    mount_path: str
    read_only: bool | None = None
    sub_path: str = ""


class Capabilities(Wire):
    add: list[str] = []
    drop: list[str] = []


class SeccompProfile(Wire):
    type: str


class SecurityContext(Wire):
    privileged: bool | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities | None = None
    seccomp_profile: SeccompProfile | None = None


class Container(Wire):
    name: str
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    working_dir: str = ""
    ports: list[ContainerPort] = []
    env: list[EnvVar] = []
    env_from: list[EnvFromSource] = []
    resources: ResourceRequirements = field(default_factory=ResourceRequirements)
    volume_mounts: list[VolumeMount] = []
    image_pull_policy: str = ""
    stdin: bool | None = None
    stdin_once: bool | None = None
    tty: bool | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    security_context: SecurityContext | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    restart_policy: str = ""


class EphemeralContainer(Container):
    """One that is added to a pod that runs, to look at the others: it has no ports, probes, hooks or resources."""

    target_container_name: str = ""


class Sysctl(Wire):
    name: str
    value: str


class PodSecurityContext(Wire):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    fs_group: int | None = None
    supplemental_groups: list[int] = []
    sysctls: list[Sysctl] = []
    seccomp_profile: SeccompProfile | None = None


class HostAlias(Wire):
    ip: str
    hostnames: list[str] = []


class PodDNSConfigOption(Wire):
    name: str = ""
    value: str | None = None


class PodDNSConfig(Wire):
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[PodDNSConfigOption] = []


class PodSpec(Wire):
    containers: list[Container]
    init_containers: list[Container] = []
    ephemeral_containers: list[EphemeralContainer] = []
    volumes: list[Volume] = []
    restart_policy: str = ""
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    dns_policy: str = ""
    dns_config: PodDNSConfig | None = None
    node_selector: dict[str, str] = {}
    service_account_name: str = ""
    service_account: str = ""
    automount_service_account_token: bool | None = None
    node_name: str = ""
    host_network: bool | None = None
    host_pid: bool | None = None
    host_ipc: bool | None = None
    share_process_namespace: bool | None = None
    host_aliases: list[HostAlias] = []
    security_context: PodSecurityContext | None = None
    image_pull_secrets: list[LocalObjectReference] = []
    hostname: str = ""
    subdomain: str = ""
    set_hostname_as_fqdn: bool | None = None
    scheduler_name: str = ""
    tolerations: list[Toleration] = []
    affinity: Affinity | None = None
    topology_spread_constraints: list[TopologySpreadConstraint] = []
    priority_class_name: str = ""
    priority: int | None = None
    preemption_policy: str | None = None
    scheduling_gates: list[PodSchedulingGate] = []
    enable_service_links: bool | None = None

    def planned_containers(self) -> list[Container]:
        """Those that were asked for with the pod; they that run before the others or beside them come first."""
        return [*self.init_containers, *self.containers]

    def all_containers(self) -> list[Container]:
        """With those that were added to look at the others."""
        return [*self.planned_containers(), *self.ephemeral_containers]

    def sidecars(self) -> list[Container]:
        """They start before the others and stop after them."""
        return [each for each in self.init_containers if each.restart_policy == "Always"]


class ContainerStateWaiting(Wire):
    reason: str = ""
    message: str = ""


class ContainerStateRunning(Wire):
    started_at: datetime | None = None


class ContainerStateTerminated(Wire):
    exit_code: int
    signal: int | None = None
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    container_id: str = ""


class ContainerState(Wire):
    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(Wire, omit_defaults=False):
    """Served whole: clients read ``ready`` and ``restartCount`` without looking whether they are there."""

    name: str
    state: ContainerState = field(default_factory=ContainerState)
    last_state: ContainerState = field(default_factory=ContainerState)
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    image_id: str = ""
    container_id: str = ""
    started: bool = False


class PodIP(Wire):
    ip: str


class HostIP(Wire):
    ip: str


FINISHED_PHASES = frozenset({"Succeeded", "Failed"})
"""A pod never leaves these: nothing of it is started again."""


class PodStatus(Wire):
    phase: str = ""
    conditions: list[Condition] = []
    message: str = ""
    reason: str = ""
    nominated_node_name: str = ""
    host_ip: str = ""
    host_ips: list[HostIP] = []
    pod_ip: str = ""
    pod_ips: list[PodIP] = []
    start_time: datetime | None = None
    init_container_statuses: list[ContainerStatus] = []
    container_statuses: list[ContainerStatus] = []
    ephemeral_container_statuses: list[ContainerStatus] = []
    qos_class: str = ""

    @property
    def is_finished(self) -> bool:
        return self.phase in FINISHED_PHASES

    def all_containers(self) -> list[ContainerStatus]:
        """What is told of every container, in the order of the spec's ``all_containers``."""
        return [*self.init_container_statuses, *self.container_statuses, *self.ephemeral_container_statuses]


class Pod(Resource, kw_only=True):
    spec: PodSpec
    status: PodStatus = field(default_factory=PodStatus)


class PodTemplateSpec(Wire):
    spec: PodSpec
    metadata: ObjectMeta = field(default_factory=ObjectMeta)


class ReplicationControllerSpec(Wire):
    template: PodTemplateSpec
    replicas: int | None = None
    selector: dict[str, str] = {}
    min_ready_seconds: int = 0


class ReplicationControllerStatus(Wire, omit_defaults=False):
    """Served whole: ``replicas: 0`` is an observation, not an absence."""

    replicas: int = 0
    fully_labeled_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    observed_generation: int = 0
    conditions: list[Condition] = []


class ReplicationController(Resource, kw_only=True):
    spec: ReplicationControllerSpec
    status: ReplicationControllerStatus = field(default_factory=ReplicationControllerStatus)
