"""What of a pod and of a node matters for scheduling, read once per version of the object."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from apps.cluster import types
from apps.cluster.quantities import bytes_of, cpu_milli, whole
from apps.scheduler.relations import HOSTNAME, Relations, relations_of

SCHEDULER_NAME = "default-scheduler"
UNSAID_CPU, UNSAID_MEMORY = 100, 200 * 2**20
"""What a pod that asks for nothing counts for when nodes are compared: else they would all land on one."""
PODS_UNSAID = 110

Taint = tuple[str, str, str]
"""Key, value, effect."""
HostPort = tuple[str, str, int]
"""Protocol, address ("" is every address), port."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PodNeeds:
    """A pod as the scheduler sees it."""

    namespace: str
    name: str
    uid: str
    node: str = ""
    cpu: int = 0
    """Thousandths of a cpu, all containers together."""
    memory: int = 0
    """Bytes."""
    weight: tuple[int, int] = (UNSAID_CPU, UNSAID_MEMORY)
    """What it counts for when nodes are compared: (cpu, memory)."""
    ports: tuple[HostPort, ...] = ()
    selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[tuple[str, str, str, str], ...] = ()
    """Key, operator, value, effect."""
    labels: Mapping[str, str]
    claims: tuple[str, ...] = ()
    """Claims that it mounts, each as namespace/name."""
    group: str = ""
    """Pods of one group are spread: the uid of the controller, or what the snapshot says of services."""
    created: datetime | None = None
    finished: bool = False
    ours: bool = True
    leaving: bool = False
    gated: bool = False
    priority: int = 0
    preempts: bool = True
    """Whether pods of lower priority may have to leave for it."""
    nominated: str = ""
    """The node where room is being made for it."""
    relations: Relations | None = None
    refusal: str = ""
    """Why it was refused last, as its condition tells."""


def needs_of(pod: types.Pod) -> PodNeeds:
    """Sums over the pod's containers; the sandbox itself asks for nothing."""
    owner = next((owner.uid for owner in pod.metadata.owner_references if owner.controller), "")
    return PodNeeds(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        node=pod.spec.node_name,
        cpu=at_most(pod.spec, "cpu", 0),
        memory=at_most(pod.spec, "memory", 0),
        weight=(at_most(pod.spec, "cpu", UNSAID_CPU), at_most(pod.spec, "memory", UNSAID_MEMORY)),
        ports=tuple(host_ports(pod.spec)),
        selector=tuple(sorted(pod.spec.node_selector.items())),
        tolerations=tuple((t.key, t.operator or "Equal", t.value, t.effect) for t in pod.spec.tolerations),
        labels=pod.metadata.labels,
        claims=claims_of(pod),
        group=owner,
        created=pod.metadata.creation_timestamp,
        finished=pod.status.is_finished,
        ours=pod.spec.scheduler_name in {"", SCHEDULER_NAME},
        leaving=pod.metadata.deletion_timestamp is not None,
        gated=bool(pod.spec.scheduling_gates),
        priority=pod.spec.priority or 0,
        preempts=pod.spec.preemption_policy != "Never",
        nominated=pod.status.nominated_node_name,
        relations=relations_of(pod),
        refusal=refusal_in(pod),
    )


def claims_of(pod: types.Pod) -> tuple[str, ...]:
    mounted = (volume.persistent_volume_claim for volume in pod.spec.volumes)
    return tuple(f"{pod.metadata.namespace}/{each.claim_name}" for each in mounted if each is not None)


def at_most(spec: types.PodSpec, resource: str, unsaid: int) -> int:
    """The most that is reserved at any one time: a container that runs before the others has the room to itself,
    but for the sidecars that started before it."""

    def asked(container: types.Container) -> int:
        found = amount(container, resource)
        return unsaid if found is None else found

    beside = peak = 0
    for container in spec.init_containers:
        peak = max(peak, beside + asked(container))
        if container.restart_policy == "Always":
            beside += asked(container)
    return max(peak, beside + sum(asked(each) for each in spec.containers))


def amount(container: types.Container, resource: str) -> int | None:
    """The container's request (its limit when it names only that), or None when it says nothing."""
    asked = container.resources.requests.get(resource, container.resources.limits.get(resource))
    if asked is None:
        return None
    return cpu_milli(asked) if resource == "cpu" else bytes_of(asked)


def host_ports(spec: types.PodSpec) -> Iterable[HostPort]:
    for container in spec.containers:
        for port in container.ports:
            if port.host_port:
                anywhere = port.host_ip in {"", "0.0.0.0"}
                yield port.protocol or "TCP", "" if anywhere else port.host_ip, port.host_port


def refusal_in(pod: types.Pod) -> str:
    for found in pod.status.conditions:
        if found.type == "PodScheduled" and found.status == "False":
            return found.message
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeFacts:
    """A node as the scheduler sees it."""

    name: str
    cpu: int = 0
    memory: int = 0
    pods: int = PODS_UNSAID
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    """Those that keep pods away,"""
    soft_taints: tuple[Taint, ...] = ()
    """and those that would rather."""
    cordoned: bool = False
    ready: bool = True


def facts_of(node: types.Node) -> NodeFacts:
    room = node.status.allocatable or node.status.capacity
    ready = next((found.status for found in node.status.conditions if found.type == "Ready"), "")
    return NodeFacts(
        name=node.metadata.name,
        cpu=cpu_milli(room.get("cpu", 0)),
        memory=bytes_of(room.get("memory", 0)),
        pods=whole(room.get("pods", PODS_UNSAID)),
        labels={HOSTNAME: node.metadata.name, **node.metadata.labels},
        taints=tuple(_taints(node, "NoSchedule", "NoExecute")),
        soft_taints=tuple(_taints(node, "PreferNoSchedule")),
        cordoned=bool(node.spec.unschedulable),
        ready=ready == "True" and node.metadata.deletion_timestamp is None,
    )


def _taints(node: types.Node, *effects: str) -> Iterator[Taint]:
    for taint in node.spec.taints:
        if taint.effect in effects:
            yield taint.key, taint.value, taint.effect
