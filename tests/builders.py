"""One valid object of each kind; a test says only what matters to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.catalog import format
from apps.catalog import types as catalog
from apps.cluster import types
from apps.cluster.kinds.storage import on_node
from apps.cluster.registry import Kind
from apps.cluster.types.persistent import LOCAL

IMAGE = "redis:7"
LABELS = {"app": "sample"}


def build(kind: Kind, **changes: Any) -> Any:
    """A valid object of ``kind`` as a client would send it, not yet defaulted.

    ``name``, ``namespace``, ``labels`` and ``annotations`` go into the metadata. Any other change is a path, its steps
    joined by two underscores: ``build(POD, spec__containers__0__image="nginx")``.
    """
    obj = _SAMPLES[kind.name]()
    meta = obj.metadata
    meta.name = changes.pop("name", "sample")
    meta.namespace = changes.pop("namespace", "default") if kind.namespaced else ""
    meta.labels = changes.pop("labels", meta.labels)
    meta.annotations = changes.pop("annotations", meta.annotations)
    obj.api_version, obj.kind = kind.api_version, kind.name
    if isinstance(obj, types.Event):
        obj.involved_object.namespace = meta.namespace
    if isinstance(obj, types.Ingress):
        obj.spec.rules[0].host = f"{meta.name}.{meta.namespace}.example.com"  # each has its own
    for path, value in changes.items():
        _put(obj, path.split("__"), value)
    return obj


def defaulted(kind: Kind, **changes: Any) -> Any:
    """``build``, with the API's defaults set."""
    obj = build(kind, **changes)
    kind.default(obj)
    return obj


def containers(count: int = 1, **changes: Any) -> list[types.Container]:
    """Containers ``app``, ``app-2``, ...; changes apply to each."""
    names = ("app", *(f"app-{number}" for number in range(2, count + 1)))
    return [types.Container(**{"name": name, "image": IMAGE, **changes}) for name in names[:count]]


def _put(target: Any, steps: list[str], value: Any) -> None:
    *way, last = steps
    for step in way:
        target = target[int(step)] if step.isdigit() else getattr(target, step)
    if last.isdigit():
        target[int(last)] = value
    else:
        if not hasattr(target, last):
            raise AttributeError(f"{type(target).__name__} has no field {last}")
        setattr(target, last, value)


def _pod() -> types.Pod:
    return types.Pod(metadata=_labelled(), spec=types.PodSpec(containers=containers()))


def _template() -> types.PodTemplateSpec:
    return types.PodTemplateSpec(metadata=_labelled(), spec=types.PodSpec(containers=containers()))


def _selector() -> types.LabelSelector:
    return types.LabelSelector(match_labels=dict(LABELS))


def _replication_controller() -> types.ReplicationController:
    spec = types.ReplicationControllerSpec(replicas=1, selector=dict(LABELS), template=_template())
    return types.ReplicationController(metadata=_labelled(), spec=spec)


def _replica_set() -> types.ReplicaSet:
    spec = types.ReplicaSetSpec(replicas=1, selector=_selector(), template=_template())
    return types.ReplicaSet(metadata=_labelled(), spec=spec)


def _deployment() -> types.Deployment:
    spec = types.DeploymentSpec(replicas=1, selector=_selector(), template=_template())
    return types.Deployment(metadata=_labelled(), spec=spec)


def _job_spec() -> types.JobSpec:
    spec = types.PodSpec(containers=containers(), restart_policy="Never")
    return types.JobSpec(template=types.PodTemplateSpec(metadata=_labelled(), spec=spec))


def _cron_job() -> types.CronJob:
    template = types.JobTemplateSpec(spec=_job_spec())
    return types.CronJob(spec=types.CronJobSpec(schedule="*/5 * * * *", job_template=template))


def _autoscaler() -> types.HorizontalPodAutoscaler:
    target = types.CrossVersionObjectReference(api_version="apps/v1", kind="Deployment", name="sample")
    return types.HorizontalPodAutoscaler(
        spec=types.HorizontalPodAutoscalerSpec(scale_target_ref=target, max_replicas=5)
    )


def _claim() -> types.PersistentVolumeClaim:
    room = types.ResourceRequirements(requests={"storage": "1Gi"})
    spec = types.PersistentVolumeClaimSpec(access_modes=["ReadWriteOnce"], resources=room)
    return types.PersistentVolumeClaim(spec=spec)


def _volume() -> types.PersistentVolume:
    spec = types.PersistentVolumeSpec(
        capacity={"storage": "1Gi"},
        access_modes=["ReadWriteOnce"],
        csi=types.CSIPersistentVolumeSource(driver=LOCAL, volume_handle="sample"),
        node_affinity=on_node("node-1"),
    )
    return types.PersistentVolume(spec=spec)


def _service() -> types.Service:
    spec = types.ServiceSpec(selector=dict(LABELS), ports=[types.ServicePort(port=80)])
    return types.Service(metadata=_labelled(), spec=spec)


def _ingress() -> types.Ingress:
    backend = types.IngressBackend(
        service=types.IngressServiceBackend(name="sample", port=types.ServiceBackendPort(number=80))
    )
    paths = [types.HTTPIngressPath(path="/", path_type="Prefix", backend=backend)]
    rule = types.IngressRule(http=types.HTTPIngressRuleValue(paths=paths))
    return types.Ingress(spec=types.IngressSpec(rules=[rule]))


def _ingress_class() -> types.IngressClass:
    return types.IngressClass(spec=types.IngressClassSpec(controller="example.com/other"))


def _endpoints() -> types.Endpoints:
    subset = types.EndpointSubset(
        addresses=[types.EndpointAddress(ip="10.64.0.7")], ports=[types.EndpointPort(port=80)]
    )
    return types.Endpoints(metadata=_labelled(), subsets=[subset])


def _endpoint_slice() -> types.EndpointSlice:
    return types.EndpointSlice(
        metadata=types.ObjectMeta(labels={"kubernetes.io/service-name": "handmade"}),
        address_type="IPv4",
        endpoints=[types.Endpoint(addresses=["10.64.0.7"])],
        ports=[types.SlicePort(port=80)],
    )


def _node() -> types.Node:
    return types.Node(metadata=types.ObjectMeta(labels={"kubernetes.io/hostname": "sample"}))


def _event() -> types.Event:
    about = types.ObjectReference(api_version="v1", kind="Pod", name="sample", uid="1")
    return types.Event(
        involved_object=about, reason="Started", message="Started container app", type="Normal", count=1
    )


def _role_rules() -> list[types.PolicyRule]:
    return [types.PolicyRule(verbs=["get", "list", "watch"], api_groups=[""], resources=["pods"])]


def _subjects() -> list[types.Subject]:
    return [types.Subject(kind="User", name="ann", api_group="rbac.authorization.k8s.io")]


def _role_ref() -> types.RoleRef:
    return types.RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name="view")


def _resource_quota() -> types.ResourceQuota:
    return types.ResourceQuota(spec=types.ResourceQuotaSpec(hard={"pods": "100", "limits.cpu": "100"}))


def _limit_range() -> types.LimitRange:
    item = types.LimitRangeItem(type="Container", max={"cpu": "2"}, default={"cpu": "500m"})
    return types.LimitRange(spec=types.LimitRangeSpec(limits=[item]))


def _labelled() -> types.ObjectMeta:
    return types.ObjectMeta(labels=dict(LABELS))


def _definition() -> format.Definition:
    return format.Definition(components={"web": format.Component(image="nginx:1.25", ports={"http": 80})})


def _application_template() -> catalog.ApplicationTemplate:
    spec = types.convert(format.TemplateSpec, {**types.to_data(_definition()), "version": "1.0.0"})
    return catalog.ApplicationTemplate(spec=spec)


def _application() -> catalog.Application:
    return catalog.Application(spec=catalog.ApplicationSpec(definition=_definition()))


def _revision() -> catalog.ApplicationRevision:
    spec = catalog.RevisionSpec(application="sample", number=1, definition=_definition())
    return catalog.ApplicationRevision(spec=spec)


_SAMPLES: dict[str, Callable[[], Any]] = {
    "Application": _application,
    "ApplicationRevision": _revision,
    "ApplicationTemplate": _application_template,
    "Namespace": types.Namespace,
    "Node": _node,
    "Pod": _pod,
    "ReplicationController": _replication_controller,
    "ReplicaSet": _replica_set,
    "Deployment": _deployment,
    "PersistentVolume": _volume,
    "PersistentVolumeClaim": _claim,
    "StorageClass": lambda: types.StorageClass(provisioner=LOCAL),
    "Job": lambda: types.Job(spec=_job_spec()),
    "CronJob": _cron_job,
    "HorizontalPodAutoscaler": _autoscaler,
    "Service": _service,
    "Endpoints": _endpoints,
    "EndpointSlice": _endpoint_slice,
    "Ingress": _ingress,
    "IngressClass": _ingress_class,
    "Event": _event,
    "Secret": lambda: types.Secret(data={"password": "aHVudGVyMg=="}),
    "ConfigMap": lambda: types.ConfigMap(data={"colour": "blue"}),
    "ServiceAccount": types.ServiceAccount,
    "PodDisruptionBudget": lambda: types.PodDisruptionBudget(
        spec=types.PodDisruptionBudgetSpec(
            min_available=1, selector=types.LabelSelector(match_labels=dict(LABELS))
        )
    ),
    "PriorityClass": lambda: types.PriorityClass(value=1000, description="for what people wait for"),
    "ResourceQuota": _resource_quota,
    "LimitRange": _limit_range,
    "Role": lambda: types.Role(rules=_role_rules()),
    "ClusterRole": lambda: types.ClusterRole(rules=_role_rules()),
    "RoleBinding": lambda: types.RoleBinding(role_ref=_role_ref(), subjects=_subjects()),
    "ClusterRoleBinding": lambda: types.ClusterRoleBinding(role_ref=_role_ref(), subjects=_subjects()),
}
