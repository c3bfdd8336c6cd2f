"""The API's defaults for pods and for the pod templates of controllers."""

from __future__ import annotations

from apps.cluster import quantities, types

GATED = "SchedulingGated"
GATED_WORDS = "Scheduling is blocked due to non-empty scheduling gates"
FILE_MODE = 0o644
TOKEN_SECONDS = 3600
GUARANTEED = ("cpu", "memory")


def default_pod(pod: types.Pod) -> None:
    """A pod's defaults; the parts that only a running pod has are set here, not in templates."""
    spec = pod.spec
    default_spec(spec)
    if not spec.service_account_name:
        spec.service_account_name = spec.service_account or "default"
    spec.service_account = spec.service_account_name
    if not pod.status.phase:
        pod.status.phase = "Pending"
    if spec.scheduling_gates and not pod.status.conditions:
        pod.status.conditions = [
            types.Condition(type="PodScheduled", status="False", reason=GATED, message=GATED_WORDS)
        ]
    if not pod.status.qos_class:
        pod.status.qos_class = quality(spec)


def default_spec(spec: types.PodSpec) -> None:
    """Defaults shared by pods and templates, in place."""
    spec.restart_policy = spec.restart_policy or "Always"
    spec.dns_policy = spec.dns_policy or "ClusterFirst"
    spec.scheduler_name = spec.scheduler_name or "default-scheduler"
    if spec.termination_grace_period_seconds is None:
        spec.termination_grace_period_seconds = 30
    if spec.enable_service_links is None:
        spec.enable_service_links = True
    if spec.security_context is None:
        spec.security_context = types.PodSecurityContext()
    if spec.service_account and not spec.service_account_name:
        spec.service_account_name = spec.service_account
    for toleration in spec.tolerations:
        toleration.operator = toleration.operator or "Equal"
    for volume in spec.volumes:
        _default_volume(volume)
    for container in spec.all_containers():
        _default_container(container, host_network=bool(spec.host_network))


def _default_volume(volume: types.Volume) -> None:
    filled = (volume.config_map, volume.secret, volume.downward_api, volume.projected)
    given = (volume.empty_dir, volume.host_path, volume.persistent_volume_claim, *filled)
    if all(source is None for source in given):
        volume.empty_dir = types.EmptyDirVolumeSource()
    if volume.empty_dir is not None and volume.empty_dir.size_limit is not None:
        volume.empty_dir.size_limit = canonical(volume.empty_dir.size_limit)
    for source in filled:
        if source is not None and source.default_mode is None:
            source.default_mode = FILE_MODE
    for item in downward_files(volume):
        if item.field_ref is not None:
            item.field_ref.api_version = item.field_ref.api_version or "v1"
        if item.resource_field_ref is not None:
            item.resource_field_ref.divisor = canonical(item.resource_field_ref.divisor or "0")
    for projection in volume.projected.sources if volume.projected is not None else ():
        token = projection.service_account_token
        if token is not None and token.expiration_seconds is None:
            token.expiration_seconds = TOKEN_SECONDS


def downward_files(volume: types.Volume) -> list[types.DownwardAPIVolumeFile]:
    """The files of a volume that show the pod's own fields."""
    files = list(volume.downward_api.items) if volume.downward_api is not None else []
    for projection in volume.projected.sources if volume.projected is not None else ():
        if projection.downward_api is not None:
            files += projection.downward_api.items
    return files


def _default_container(container: types.Container, *, host_network: bool) -> None:
    container.image_pull_policy = container.image_pull_policy or pull_policy(container.image)
    container.termination_message_path = container.termination_message_path or "/dev/termination-log"
    container.termination_message_policy = container.termination_message_policy or "File"
    for probe in (container.liveness_probe, container.readiness_probe, container.startup_probe):
        if probe is not None:
            _default_probe(probe)
    lifecycle = container.lifecycle or types.Lifecycle()
    for hook in (lifecycle.post_start, lifecycle.pre_stop):
        if hook is not None and hook.http_get is not None:
            _default_get(hook.http_get)
    _default_ports(container.ports, host_network=host_network)
    for variable in container.env:
        source = variable.value_from
        if source is not None and source.field_ref is not None:
            source.field_ref.api_version = source.field_ref.api_version or "v1"
        if source is not None and source.resource_field_ref is not None:
            source.resource_field_ref.divisor = canonical(source.resource_field_ref.divisor or "0")
    resources = container.resources
    resources.limits = canonical_each(resources.limits)
    resources.requests = resources.limits | canonical_each(resources.requests)


def _default_ports(ports: list[types.ContainerPort], *, host_network: bool) -> None:
    for port in ports:
        port.protocol = port.protocol or "TCP"
        if host_network and port.host_port is None:
            port.host_port = port.container_port


def _default_probe(probe: types.Probe) -> None:
    probe.timeout_seconds = probe.timeout_seconds or 1
    probe.period_seconds = probe.period_seconds or 10
    probe.success_threshold = probe.success_threshold or 1
    probe.failure_threshold = probe.failure_threshold or 3
    if probe.http_get is not None:
        _default_get(probe.http_get)


def _default_get(get: types.HTTPGetAction) -> None:
    get.path = get.path or "/"
    get.scheme = get.scheme or "HTTP"


def pull_policy(image: str) -> str:
    """What is not fixed to a version is asked for again at every start."""
    name, _, digest = image.partition("@")
    if digest:
        return "IfNotPresent"
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in {"", "latest"} else "IfNotPresent"


def canonical(amount: types.Quantity) -> types.Quantity:
    """The amount's one spelling; what is no amount stays as it is, for validation to name."""
    try:
        return quantities.canonical(amount)
    except ValueError:
        return amount


def canonical_each(amounts: dict[str, types.Quantity]) -> dict[str, types.Quantity]:
    return {name: canonical(amount) for name, amount in amounts.items()}


def quality(spec: types.PodSpec) -> str:
    """The class the API calls qosClass: who is stopped first when a node runs out of memory."""
    resources = [container.resources for container in spec.planned_containers()]
    if not any(_has_amount(each.requests) or _has_amount(each.limits) for each in resources):
        return "BestEffort"
    same = all(each.limits.get(name) == each.requests.get(name) for each in resources for name in GUARANTEED)
    limited = all(name in each.limits for each in resources for name in GUARANTEED)
    return "Guaranteed" if same and limited else "Burstable"


def _has_amount(amounts: dict[str, types.Quantity]) -> bool:
    return any(name in GUARANTEED and str(amount) != "0" for name, amount in amounts.items())
