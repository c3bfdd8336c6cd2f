"""What the spec of a pod must obey, for pods and for the templates of controllers alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address

from apps.cluster import names, quantities, types
from apps.cluster.kinds import ephemeral, meta, refusals
from apps.cluster.kinds.name_checks import dns_problems, host_alias_problems
from apps.cluster.kinds.placement_checks import placement_problems
from apps.cluster.kinds.pod_amounts import every_container
from apps.cluster.kinds.probe_checks import care_problems, init_problems
from apps.cluster.kinds.sysctl_checks import sysctl_problems
from apps.cluster.kinds.volume_checks import (
    absolute_path_problems,
    amount_problems,
    mount_problems,
    volume_problems,
)
from apps.cluster.types import Problem

LONGEST_ADDRESS = len("255.255.255.255")
PROTOCOLS = ("TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESOURCES = ("cpu", "memory")
FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
RESOURCE_FIELDS = ("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
SECCOMP_PROFILES = ("RuntimeDefault", "Unconfined")
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*", re.ASCII)
IMAGE_LIMIT = 512
LARGEST_ID = 2**31 - 1
LONGEST_GRACE = 2**31 - 1
LARGEST_PORT = 65535


def spec_problems(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    """Everything wrong with a spec whose defaults are set; ``path`` is ``spec`` or the template's."""
    yield from volume_problems(spec.volumes, f"{path}.volumes")
    if not spec.containers:
        yield refusals.required(f"{path}.containers")
    volumes = {volume.name for volume in spec.volumes}
    seen: set[str] = set()
    for at, container in every_container(spec, path):
        yield from refusals.named(f"{at}.name", container.name, names.dns_label_problem)
        if container.name in seen:
            yield refusals.duplicate(f"{at}.name", container.name)
        seen.add(container.name)
        yield from _container_problems(container, volumes, at)
    for index, container in enumerate(spec.containers):
        yield from care_problems(container, f"{path}.containers[{index}]")
    for index, container in enumerate(spec.init_containers):
        yield from init_problems(container, f"{path}.initContainers[{index}]")
    yield from ephemeral.problems(spec, path)
    yield from _host_port_problems(spec, f"{path}.containers")
    yield from _choices_problems(spec, path)
    yield from _names_problems(spec, path)
    yield from host_alias_problems(spec.host_aliases, f"{path}.hostAliases")
    yield from dns_problems(spec, path)
    yield from placement_problems(spec, path)
    yield from _security_problems(spec.security_context, f"{path}.securityContext")
    yield from sysctl_problems(spec, path)


def _choices_problems(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    yield from refusals.one_of(f"{path}.restartPolicy", spec.restart_policy, RESTART_POLICIES)
    yield from refusals.one_of(f"{path}.dnsPolicy", spec.dns_policy, DNS_POLICIES)
    if spec.host_pid and spec.share_process_namespace:
        why = "may not be true when `hostPID` is: all of the machine's processes are seen then"
        yield refusals.invalid(f"{path}.shareProcessNamespace", True, why)
    grace = spec.termination_grace_period_seconds
    if grace is not None and not 0 <= grace <= LONGEST_GRACE:
        yield refusals.invalid(
            f"{path}.terminationGracePeriodSeconds", grace, "must be greater than or equal to 0"
        )
    yield from refusals.between(
        f"{path}.activeDeadlineSeconds", spec.active_deadline_seconds, 1, LONGEST_GRACE
    )


def _names_problems(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    yield from meta.label_problems(spec.node_selector, f"{path}.nodeSelector")
    for field, check in (
        ("service_account_name", names.dns_subdomain_problem),
        ("node_name", names.dns_subdomain_problem),
        ("scheduler_name", names.dns_subdomain_problem),
        ("hostname", names.dns_label_problem),
        ("subdomain", names.dns_label_problem),
    ):
        if value := getattr(spec, field):
            yield from refusals.spelled(f"{path}.{types.wire_name(field)}", value, check)
    for index, reference in enumerate(spec.image_pull_secrets):
        at = f"{path}.imagePullSecrets[{index}].name"
        yield from refusals.named(at, reference.name, names.dns_subdomain_problem)


def _container_problems(container: types.Container, volumes: set[str], path: str) -> Iterator[Problem]:
    yield from _image_problems(container, path)
    yield from _process_problems(container, path)
    yield from _port_problems(container.ports, f"{path}.ports")
    yield from _env_problems(container.env, f"{path}.env")
    yield from _env_from_problems(container.env_from, f"{path}.envFrom")
    yield from mount_problems(container.volume_mounts, volumes, f"{path}.volumeMounts")
    yield from resource_problems(container.resources, f"{path}.resources")
    yield from _container_security_problems(container.security_context, f"{path}.securityContext")


def _image_problems(container: types.Container, path: str) -> Iterator[Problem]:
    if not container.image:
        yield refusals.required(f"{path}.image")
    elif len(container.image) > IMAGE_LIMIT:
        yield refusals.too_long(f"{path}.image", IMAGE_LIMIT)
    elif not IMAGE.fullmatch(container.image):
        yield refusals.invalid(
            f"{path}.image", container.image, "must be an image name such as 'redis' or 'host/name:tag'"
        )
    yield from refusals.one_of(f"{path}.imagePullPolicy", container.image_pull_policy, PULL_POLICIES)


def _process_problems(container: types.Container, path: str) -> Iterator[Problem]:
    for field in ("command", "args"):
        for index, word in enumerate(getattr(container, field)):
            yield from refusals.without_nul(f"{path}.{field}[{index}]", word)
    if container.working_dir:
        yield from absolute_path_problems(f"{path}.workingDir", container.working_dir)
    yield from absolute_path_problems(f"{path}.terminationMessagePath", container.termination_message_path)
    yield from refusals.one_of(
        f"{path}.terminationMessagePolicy", container.termination_message_policy, MESSAGE_POLICIES
    )


def port_problems(path: str, port: int) -> Iterator[Problem]:
    yield from refusals.between(path, port, 1, LARGEST_PORT)


def _port_problems(ports: Sequence[types.ContainerPort], path: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        yield from port_problems(f"{at}.containerPort", port.container_port)
        if port.host_port:
            yield from port_problems(f"{at}.hostPort", port.host_port)
        if port.host_ip:
            yield from address_problems(f"{at}.hostIP", port.host_ip)
        yield from refusals.one_of(f"{at}.protocol", port.protocol, PROTOCOLS)
        if port.name:
            yield from refusals.spelled(f"{at}.name", port.name, names.port_name_problem)
            if port.name in seen:
                yield refusals.duplicate(f"{at}.name", port.name)
            seen.add(port.name)


def address_problems(path: str, text: str) -> Iterator[Problem]:
    """An IPv4 address in its usual spelling."""
    if len(text) > LONGEST_ADDRESS or not _is_address(text):
        yield refusals.invalid(path, text, "must be a valid IPv4 address (such as 10.9.8.7)")


@lru_cache(maxsize=4096)  # a pod's status names its address twice, and its node's with every report
def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _host_port_problems(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    seen: set[tuple[str, int, str]] = set()
    for index, container in enumerate(spec.containers):
        for position, port in enumerate(container.ports):
            at = f"{path}[{index}].ports[{position}]"
            if spec.host_network and port.host_port != port.container_port:
                yield refusals.invalid(
                    f"{at}.containerPort",
                    port.container_port,
                    "must match `hostPort` when `hostNetwork` is true",
                )
            if not port.host_port:
                continue
            taken = (port.protocol, port.host_port, port.host_ip)
            if taken in seen:
                yield refusals.duplicate(f"{at}.hostPort", port.host_port)
            seen.add(taken)


def _env_problems(env: Sequence[types.EnvVar], path: str) -> Iterator[Problem]:
    for index, variable in enumerate(env):
        at = f"{path}[{index}]"
        yield from refusals.named(f"{at}.name", variable.name, names.env_name_problem)
        yield from refusals.without_nul(f"{at}.value", variable.value)
        if variable.value_from is not None:
            if variable.value:
                yield refusals.invalid(
                    f"{at}.valueFrom", "", "may not be specified when `value` is not empty"
                )
            yield from _source_problems(variable.value_from, f"{at}.valueFrom")


def _source_problems(source: types.EnvVarSource, path: str) -> Iterator[Problem]:
    sources = (source.field_ref, source.resource_field_ref, source.config_map_key_ref, source.secret_key_ref)
    if sum(one is not None for one in sources) != 1:
        why = (
            "must specify exactly one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        )
        yield refusals.invalid(path, "", why)
    if source.field_ref is not None:
        yield from _field_ref_problems(source.field_ref, f"{path}.fieldRef")
    if (resource := source.resource_field_ref) is not None:
        yield from refusals.one_of(f"{path}.resourceFieldRef.resource", resource.resource, RESOURCE_FIELDS)
        yield from amount_problems(f"{path}.resourceFieldRef.divisor", resource.divisor)
    for field, reference in (
        ("configMapKeyRef", source.config_map_key_ref),
        ("secretKeyRef", source.secret_key_ref),
    ):
        if reference is not None:
            yield from refusals.named(f"{path}.{field}.name", reference.name, names.dns_subdomain_problem)
            yield from refusals.named(f"{path}.{field}.key", reference.key, names.config_key_problem)


def _field_ref_problems(reference: types.ObjectFieldSelector, path: str) -> Iterator[Problem]:
    if reference.api_version != "v1":
        yield from refusals.one_of(f"{path}.apiVersion", reference.api_version, ("v1",))
    if not reference.field_path:
        yield refusals.required(f"{path}.fieldPath")
    elif keyed := KEYED_FIELD.fullmatch(reference.field_path):
        yield from refusals.spelled(f"{path}.fieldPath", keyed[2], names.label_key_problem)
    else:
        known = (*FIELDS, "metadata.labels['<KEY>']", "metadata.annotations['<KEY>']")
        if reference.field_path not in FIELDS:
            yield refusals.unsupported(f"{path}.fieldPath", reference.field_path, known)


def _env_from_problems(sources: Sequence[types.EnvFromSource], path: str) -> Iterator[Problem]:
    for index, source in enumerate(sources):
        at = f"{path}[{index}]"
        if source.prefix:
            yield from refusals.spelled(f"{at}.prefix", source.prefix, names.env_name_problem)
        if (source.config_map_ref is None) is (source.secret_ref is None):
            yield refusals.invalid(at, "", "must specify exactly one of: `configMapRef` or `secretRef`")
        for field, reference in (("configMapRef", source.config_map_ref), ("secretRef", source.secret_ref)):
            if reference is not None:
                yield from refusals.named(f"{at}.{field}.name", reference.name, names.dns_subdomain_problem)


def resource_problems(resources: types.ResourceRequirements, path: str) -> Iterator[Problem]:
    limits, requests = resources.limits, resources.requests
    # A request that was copied from its limit is told about once, where it was written.
    asked = {name: amount for name, amount in requests.items() if limits.get(name) != amount}
    sound: set[str] = set()
    for field, amounts in (("limits", limits), ("requests", asked)):
        for name, amount in amounts.items():
            at = f"{path}.{field}[{name}]"
            wrong = list(_amount_problems(at, name, amount))
            yield from wrong
            if not wrong:
                sound.add(at)
    for name, amount in asked.items():
        compared = {f"{path}.limits[{name}]", f"{path}.requests[{name}]"}
        if compared <= sound and quantities.exact(amount) > quantities.exact(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            yield refusals.invalid(f"{path}.requests[{name}]", amount, why)


def _amount_problems(path: str, name: str, amount: types.Quantity) -> Iterator[Problem]:
    if name not in RESOURCES:
        yield refusals.unsupported(path, name, RESOURCES)
    else:
        yield from amount_problems(path, amount)


def _seccomp_problems(
    context: types.PodSecurityContext | types.SecurityContext, path: str
) -> Iterator[Problem]:
    """The container engine's own profile is what every container gets that does not ask for none at all."""
    if context.seccomp_profile is not None:
        at = f"{path}.seccompProfile.type"
        yield from refusals.one_of(at, context.seccomp_profile.type, SECCOMP_PROFILES)


def _security_problems(context: types.PodSecurityContext | None, path: str) -> Iterator[Problem]:
    if context is None:
        return
    yield from _seccomp_problems(context, path)
    for field in ("run_as_user", "run_as_group", "fs_group"):
        yield from refusals.between(
            f"{path}.{types.wire_name(field)}", getattr(context, field), 0, LARGEST_ID
        )
    for index, group in enumerate(context.supplemental_groups):
        yield from refusals.between(f"{path}.supplementalGroups[{index}]", group, 0, LARGEST_ID)


def _container_security_problems(context: types.SecurityContext | None, path: str) -> Iterator[Problem]:
    if context is None:
        return
    yield from _seccomp_problems(context, path)
    for field in ("run_as_user", "run_as_group"):
        yield from refusals.between(
            f"{path}.{types.wire_name(field)}", getattr(context, field), 0, LARGEST_ID
        )
    if context.privileged and context.allow_privilege_escalation is False:
        why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield refusals.invalid(f"{path}.allowPrivilegeEscalation", False, why)
    if context.capabilities is not None:
        for field in ("add", "drop"):
            for index, name in enumerate(getattr(context.capabilities, field)):
                at = f"{path}.capabilities.{field}[{index}]"
                if not re.fullmatch(r"[A-Z][A-Z_]*", name):
                    yield refusals.invalid(at, name, "must be a capability such as 'NET_ADMIN', or 'ALL'")
