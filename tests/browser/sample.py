"""A sample cluster as the store would hold it: nodes, the guestbook at work, pods in every kind of trouble."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from apps.accounts import policy, roles
from apps.cluster import store, types
from apps.cluster.actors import system
from apps.cluster.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    ENDPOINTS,
    INGRESS,
    NAMESPACE,
    NODE,
    POD,
    REPLICATION_CONTROLLER,
    SECRET,
    SERVICE,
)  # fmt: skip
from apps.cluster.transaction import Transaction
from apps.cluster.types.joining import JoinRequest
from apps.nodes import joining
from node_agent import keys

WRITER = system("sample")
PULL = 'Back-off pulling image "registry.example/shop/api:2.4": 404 Not Found, manifest unknown'
SCHEDULER = "0/3 nodes are available: 2 short of memory, 1 cordoned."
IMAGES = {
    "frontend": "kubernetes/example-guestbook-php-redis:v2",
    "redis-master": "dockerfile/redis",
    "redis-slave": "kubernetes/redis-slave:v2",
}


def empty() -> None:
    """What every new installation has: namespaces and roles."""

    def work(tx: Transaction) -> None:
        for name in ("default", "kube-system"):
            tx.create(NAMESPACE, types.Namespace(metadata=types.ObjectMeta(name=name)))
        for role in roles.cluster_roles():
            tx.create(CLUSTER_ROLE, role)
        for binding in roles.cluster_role_bindings():
            tx.create(CLUSTER_ROLE_BINDING, binding)

    store.write(WRITER, work)
    policy.forget()


def guestbook() -> None:
    """Three nodes of this machine's own, the articles' guestbook, a shop with troubles."""
    for number, name in enumerate(("drover-1", "drover-2", "drover-3"), start=11):
        node(name, f"127.0.7.{number}", cordoned=name == "drover-3")
    make(NAMESPACE, types.Namespace(metadata=types.ObjectMeta(name="shop", labels={"team": "retail"})))
    for name, tier, replicas, port in (
        ("redis-master", "backend", 1, 6379),
        ("redis-slave", "backend", 2, 6379),
        ("frontend", "frontend", 3, 80),
    ):
        labels = {"app": "guestbook" if name == "frontend" else "redis", "name": name, "tier": tier}
        made = controller("default", name, labels, replicas, IMAGES[name], port)
        pods = [owned(made, f"{name}-{end}") for end in ("x7k2p", "m4qzt", "9wbd6")[:replicas]]
        ready(made, len(pods))
        service("default", name, labels, port, pods, node_port=30061 if name == "frontend" else None)
        for pod in pods:
            said(
                pod, "Scheduled", f"Successfully assigned default/{pod.metadata.name} to {pod.spec.node_name}"
            )
            said(pod, "Pulled", f'Container image "{IMAGES[name]}" already present on machine', "agent")
            said(pod, "Started", f"Started container {name}", "agent")
    troubles()


def troubles() -> None:
    """Pods that do not run, each for another reason."""
    labels = {"app": "api"}
    api = controller("shop", "api", labels, 3, "registry.example/shop/api:2.4", 8080)
    for end in ("aa3kd", "b8xnw", "c2lpt"):
        pod = owned(api, f"api-{end}", run=False)
        waiting(pod, "ImagePullBackOff", PULL)
        said(pod, "Failed", PULL, "agent", "Warning")
    ready(api, 0, 3)
    worker = controller("shop", "worker", {"app": "worker"}, 1, "registry.example/shop/worker:1.0", 9000)
    crashing(owned(worker, "worker-5tq9v"))
    ready(worker, 0, 1)
    report = controller(
        "shop", "report", {"app": "report"}, 1, "registry.example/shop/report:7", 9000, memory="64Gi"
    )
    pending = make(POD, pod_of(report, "report-zz71m"))
    ready(report, 0, 1)

    def refuse(pod: types.Pod) -> None:
        pod.status.conditions = [
            types.Condition(type="PodScheduled", status="False", reason="Unschedulable", message=SCHEDULER)
        ]

    edit(POD, pending, refuse)
    said(pending, "FailedScheduling", SCHEDULER, "default-scheduler", "Warning")
    make(SECRET, types.Secret(
        metadata=types.ObjectMeta(name="login", namespace="shop"), type="Opaque",
        data={"user": encoded("shop"), "password": encoded("sentinel-7f3a9c")},
    ))  # fmt: skip
    make(CONFIG_MAP, types.ConfigMap(
        metadata=types.ObjectMeta(name="settings", namespace="shop"),
        data={"level": "info", "shop.ini": "[shop]\ncurrency = EUR\nlanguages = de, en\n"},
    ))  # fmt: skip


def many(count: int = 50) -> None:
    """One controller with many pods."""
    herd = controller("default", "herd", {"app": "herd"}, count, "nginx", 80)
    store.write(
        WRITER, lambda tx: [tx.create(POD, pod_of(herd, f"herd-{number:03d}")) for number in range(count)]
    )
    for number in range(count):
        run(f"herd-{number:03d}", f"drover-{number % 2 + 1}", number)
    ready(herd, count)


def kill(name: str, namespace: str = "default") -> None:
    """What an agent reports after a container was killed and started again."""

    def change(pod: types.Pod) -> None:
        status = pod.status.container_statuses[0]
        ended = types.ContainerStateTerminated(exit_code=137, reason="Error", finished_at=types.now())
        status.last_state = types.ContainerState(terminated=ended)
        status.restart_count += 1
        status.state = types.ContainerState(running=types.ContainerStateRunning(started_at=types.now()))

    edit(POD, find(POD, namespace, name), change)


def burst(writes: int = 500) -> None:
    """Many changes at once, to one pod after the other."""
    names = [row.name for row in store.list(POD, namespace="default").rows]
    for number in range(writes):
        kill(names[number % len(names)])


def join(token: str, name: str, address: str) -> None:
    """What a machine does on which the dialog's line was pasted, and its agent right after."""
    request = keys.request(name, keys.new())
    joining.join(token, JoinRequest(node=name, address=address, request=request, clock=types.now()), types.now())
    describe(find(NODE, "", name), address)


# What the above is made of


def node(name: str, address: str, *, cordoned: bool = False) -> None:
    describe(make(NODE, types.Node(metadata=types.ObjectMeta(name=name))), address, cordoned=cordoned)


def describe(made: types.Node, address: str, *, cordoned: bool = False) -> None:
    def report(node: types.Node) -> None:
        room: dict[str, types.Quantity] = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        node.spec.unschedulable = cordoned or None
        node.status.capacity = node.status.allocatable = dict(room)
        node.status.addresses = [types.NodeAddress(type="InternalIP", address=address)]
        node.status.node_info = types.NodeSystemInfo(
            kernel_version="6.1.0-26-amd64", os_image="Debian GNU/Linux 12", kubelet_version="v0.1.0",
            container_runtime_version="docker://29.1.3", operating_system="linux", architecture="amd64",
        )  # fmt: skip
        node.status.conditions = [
            types.Condition(type="MemoryPressure", status="False", reason="EnoughMemory"),
            types.Condition(type="DiskPressure", status="False", reason="EnoughDisk"),
            types.Condition(type="Ready", status="True", reason="AgentReady", message="the agent reports"),
        ]
        for condition in node.status.conditions:
            condition.last_transition_time = types.now() - timedelta(hours=3)

    edit(NODE, made, report)


def controller(
    namespace: str,
    name: str,
    labels: dict[str, str],
    replicas: int,
    image: str,
    port: int,
    memory: str = "64Mi",
) -> types.ReplicationController:
    container = types.Container(
        name=name, image=image, ports=[types.ContainerPort(container_port=port)],
        env=[
            types.EnvVar(name="GET_HOSTS_FROM", value="dns"),
            types.EnvVar(name="PASSWORD", value_from=types.EnvVarSource(
                secret_key_ref=types.SecretKeySelector(name="login", key="password", optional=True))),
        ],
        resources=types.ResourceRequirements(requests={"cpu": "100m", "memory": memory}),
    )  # fmt: skip
    template = types.PodTemplateSpec(
        metadata=types.ObjectMeta(labels=labels),
        spec=types.PodSpec(
            containers=[container],
            volumes=[types.Volume(name="scratch", empty_dir=types.EmptyDirVolumeSource())],
        ),
    )
    spec = types.ReplicationControllerSpec(replicas=replicas, selector=labels, template=template)
    meta = types.ObjectMeta(name=name, namespace=namespace, labels=labels)
    wanted = types.ReplicationController(metadata=meta, spec=spec)
    return make(REPLICATION_CONTROLLER, wanted)  # type: ignore[no-any-return]


def pod_of(controller: types.ReplicationController, name: str) -> types.Pod:
    owner = types.OwnerReference(
        api_version="v1", kind="ReplicationController", name=controller.metadata.name, uid=controller.metadata.uid,
        controller=True, block_owner_deletion=True,
    )  # fmt: skip
    template = types.decode(types.PodTemplateSpec, types.encode(controller.spec.template))
    meta = types.ObjectMeta(
        name=name,
        namespace=controller.metadata.namespace,
        labels=template.metadata.labels,
        owner_references=[owner],
    )
    return types.Pod(metadata=meta, spec=template.spec)


def owned(controller: types.ReplicationController, name: str, *, run: bool = True) -> types.Pod:
    made: types.Pod = make(POD, pod_of(controller, name))
    _run(
        made.metadata.namespace,
        name,
        "drover-1" if len(name) % 2 else "drover-2",
        hash(name) % 200 + 2,
        started=run,
    )
    return find(POD, made.metadata.namespace, name)  # type: ignore[no-any-return]


def run(name: str, node: str, number: int, namespace: str = "default") -> None:
    _run(namespace, name, node, number, started=True)


def _run(namespace: str, name: str, node: str, number: int, *, started: bool) -> None:
    store.write(WRITER, lambda tx: tx.bind(namespace, name, node))

    def report(pod: types.Pod) -> None:
        word = "True" if started else "False"
        now = types.now()
        running = types.ContainerState(running=types.ContainerStateRunning(started_at=now))
        making = types.ContainerState(waiting=types.ContainerStateWaiting("ContainerCreating"))
        pod.status.phase = "Running" if started else "Pending"
        pod.status.start_time = now
        pod.status.pod_ip, pod.status.host_ip = f"10.64.1.{number % 250 + 2}", "127.0.7.11"
        pod.status.conditions += [
            types.Condition(type=type_, status=word, last_transition_time=now)
            for type_ in ("ContainersReady", "Ready")
        ]
        pod.status.container_statuses = [
            types.ContainerStatus(
                name=each.name, image=each.image, ready=started, started=started,
                state=running if started else making,
                container_id="docker://" + "3f9c2ab77d10" * 5,
            )
            for each in pod.spec.containers
        ]  # fmt: skip

    edit(POD, find(POD, namespace, name), report)


def waiting(pod: types.Pod, reason: str, message: str) -> None:
    def change(pod: types.Pod) -> None:
        status = pod.status.container_statuses[0]
        status.ready = False
        status.state = types.ContainerState(
            waiting=types.ContainerStateWaiting(reason=reason, message=message)
        )

    edit(POD, pod, change)


def crashing(pod: types.Pod) -> None:
    def change(pod: types.Pod) -> None:
        status = pod.status.container_statuses[0]
        status.ready, status.restart_count = False, 4
        for condition in pod.status.conditions:
            if condition.type.endswith("Ready"):
                condition.status, condition.message = "False", "containers with unready status: [worker]"
        status.state = types.ContainerState(
            waiting=types.ContainerStateWaiting(
                "CrashLoopBackOff", "back-off 40s restarting failed container worker"
            )
        )
        status.last_state = types.ContainerState(
            terminated=types.ContainerStateTerminated(exit_code=1, reason="Error", finished_at=types.now())
        )

    edit(POD, pod, change)
    said(pod, "BackOff", "Back-off restarting failed container worker", "agent", "Warning")


def service(
    namespace: str, name: str, labels: dict[str, str], port: int, pods: list[types.Pod], node_port: int | None
) -> None:
    ports = [types.ServicePort(port=port, target_port=port, protocol="TCP", node_port=node_port)]
    spec = types.ServiceSpec(ports=ports, selector=labels, type="NodePort" if node_port else "ClusterIP")
    make(
        SERVICE,
        types.Service(metadata=types.ObjectMeta(name=name, namespace=namespace, labels=labels), spec=spec),
    )
    addresses = [
        types.EndpointAddress(
            ip=pod.status.pod_ip, node_name=pod.spec.node_name,
            target_ref=types.ObjectReference(
                kind="Pod", namespace=namespace, name=pod.metadata.name, uid=pod.metadata.uid
            ),
        )
        for pod in pods
    ]  # fmt: skip
    subset = types.EndpointSubset(addresses=addresses, ports=[types.EndpointPort(port=port, protocol="TCP")])
    make(
        ENDPOINTS,
        types.Endpoints(metadata=types.ObjectMeta(name=name, namespace=namespace), subsets=[subset]),
    )


def host_name() -> None:
    """The guestbook under a name of its own, with a certificate."""
    leads = types.IngressBackend(
        service=types.IngressServiceBackend(name="frontend", port=types.ServiceBackendPort(number=80))
    )
    paths = [
        types.HTTPIngressPath(path="/", path_type="Prefix", backend=leads),
        types.HTTPIngressPath(path="/health", path_type="Exact", backend=leads),
    ]
    host = "guestbook.example.com"
    spec = types.IngressSpec(
        ingress_class_name="edge", tls=[types.IngressTLS(hosts=[host], secret_name="guestbook-tls")],
        rules=[types.IngressRule(host=host, http=types.HTTPIngressRuleValue(paths=paths))],
    )  # fmt: skip
    meta = types.ObjectMeta(name="guestbook", namespace="default")
    made = make(INGRESS, types.Ingress(metadata=meta, spec=spec))
    ports = [types.PortStatus(port=number, protocol="TCP") for number in (80, 443)]

    def reached(found: types.Ingress) -> None:
        at = [types.IngressLoadBalancerIngress(ip=f"127.0.7.{number}", ports=ports) for number in (11, 12)]
        found.status.load_balancer = types.IngressLoadBalancerStatus(ingress=at)

    edit(INGRESS, made, reached)


def ready(controller: types.ReplicationController, count: int, there: int = 0) -> None:
    def report(found: types.ReplicationController) -> None:
        found.status.replicas = there or count
        found.status.ready_replicas = found.status.available_replicas = count
        found.status.observed_generation = found.metadata.generation

    edit(REPLICATION_CONTROLLER, controller, report)


def said(
    about: Any, reason: str, message: str, component: str = "default-scheduler", type: str = "Normal"
) -> None:
    host = about.spec.node_name if component == "agent" else ""
    store.write(
        WRITER, lambda tx: tx.record(about, reason, message, type=type, component=component, host=host)
    )


def make(kind: Any, obj: Any) -> Any:
    return store.write(WRITER, lambda tx: tx.create(kind, obj))


def find(kind: Any, namespace: str, name: str) -> Any:
    return store.get(kind, namespace, name).object


def edit(kind: Any, obj: Any, change: Callable[[Any], None]) -> None:
    """Change spec and status of what is stored now."""

    def work(tx: Transaction) -> None:
        for part in ("spec", "status"):
            found = tx.get(kind, obj.metadata.namespace, obj.metadata.name)
            fresh = types.decode(kind.schema, types.encode(found))
            change(fresh)
            fresh.metadata.resource_version = ""
            if part == "spec" and kind is POD:
                continue
            tx.update(kind, fresh, part=part)

    store.write(WRITER, work)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
