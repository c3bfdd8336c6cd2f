"""Which pods a namespace lets in: level `baseline`, unless its labels allow more, or less (`restricted`).

A pod that may mount the machine's files, join its network or take its capabilities is root on that machine,
so the check comes with every pod and every template.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from apps.cluster import types
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import refusals
from apps.cluster.kinds.pod_amounts import every_container
from apps.cluster.types import Problem

LEVEL_LABEL: Final = "pod-security.kubernetes.io/enforce"
LEVELS: Final = ("baseline", "privileged", "restricted")
DEFAULT_LEVEL: Final = "baseline"
HOST_PORTS_LABEL: Final = "drover.dev/host-ports"
HOST_PORTS_ALLOWED: Final = "allowed"
HARMLESS_CAPABILITIES: Final = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip


def level_problems(namespace: types.Namespace) -> Iterator[Problem]:
    """The labels that say what a namespace allows must say something we enforce."""
    labels = namespace.metadata.labels
    if LEVEL_LABEL in labels:
        yield from refusals.one_of(f"metadata.labels[{LEVEL_LABEL}]", labels[LEVEL_LABEL], LEVELS)
    if HOST_PORTS_LABEL in labels:
        allowed = (HOST_PORTS_ALLOWED,)
        yield from refusals.one_of(f"metadata.labels[{HOST_PORTS_LABEL}]", labels[HOST_PORTS_LABEL], allowed)


def level_of(namespace: types.Namespace) -> str:
    return namespace.metadata.labels.get(LEVEL_LABEL, DEFAULT_LEVEL)


def admit_spec(namespace: types.Namespace, spec: types.PodSpec, path: str, refused: Any) -> None:
    """Raises Forbidden, naming each field and the label that would allow it. ``refused`` is (kind, name)."""
    level = level_of(namespace)
    if level == "privileged":
        return
    host_ports = namespace.metadata.labels.get(HOST_PORTS_LABEL) == HOST_PORTS_ALLOWED
    problems = [*privileges(spec, path), *(() if host_ports else host_port_uses(spec, path))]
    if level == "restricted":
        problems += restrictions(spec, path)
    if not problems:
        return
    kind, name = refused
    told = ", ".join(f"{problem.path}: {problem.message}" for problem in problems)
    raise Forbidden(
        f'{kind} "{name}" is forbidden: violates pod security level "{level}" of namespace '
        f'"{namespace.metadata.name}": {told}',
        causes=problems,
        kind=kind,
        name=name,
    )


def privileges(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    """What only the level `privileged` allows."""
    why = f"needs the namespace label {LEVEL_LABEL}=privileged"
    for field in ("host_network", "host_pid", "host_ipc"):
        if getattr(spec, field):
            yield refusals.forbidden(f"{path}.{types.wire_name(field)}", why)
    for index, volume in enumerate(spec.volumes):
        if volume.host_path is not None:
            yield refusals.forbidden(f"{path}.volumes[{index}].hostPath", why)
    if _unconfined(spec.security_context):
        yield refusals.forbidden(f"{path}.securityContext.seccompProfile.type", f"Unconfined {why}")
    for place, container in every_container(spec, path):
        for field, host in probed_hosts(container):
            if host:
                yield refusals.forbidden(f"{place}.{field}.host", why)
        if container.security_context is not None:
            yield from _rights(container.security_context, f"{place}.securityContext", why)


def _rights(context: types.SecurityContext, at: str, why: str) -> Iterator[Problem]:
    if context.privileged:
        yield refusals.forbidden(f"{at}.privileged", why)
    if _unconfined(context):
        yield refusals.forbidden(f"{at}.seccompProfile.type", f"Unconfined {why}")
    for position, name in enumerate(_added(context)):
        if name not in HARMLESS_CAPABILITIES:
            yield refusals.forbidden(f"{at}.capabilities.add[{position}]", f"{name} {why}")


def probed_hosts(container: types.Container) -> Iterator[tuple[str, str]]:
    """Addresses other than the pod's own that the node is to knock at for it."""
    for name in ("liveness_probe", "readiness_probe", "startup_probe"):
        probe: types.Probe | None = getattr(container, name)
        if probe is not None and probe.http_get is not None:
            yield f"{types.wire_name(name)}.httpGet", probe.http_get.host
        if probe is not None and probe.tcp_socket is not None:
            yield f"{types.wire_name(name)}.tcpSocket", probe.tcp_socket.host
    if container.lifecycle is not None:
        for name in ("post_start", "pre_stop"):
            hook: types.LifecycleHandler | None = getattr(container.lifecycle, name)
            if hook is not None and hook.http_get is not None:
                yield f"lifecycle.{types.wire_name(name)}.httpGet", hook.http_get.host


def _unconfined(context: types.PodSecurityContext | types.SecurityContext | None) -> bool:
    profile = None if context is None else context.seccomp_profile
    return profile is not None and profile.type == "Unconfined"


def host_port_uses(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    """Ports of the machine itself, which a label of their own allows."""
    why = f"needs the namespace label {HOST_PORTS_LABEL}={HOST_PORTS_ALLOWED} or {LEVEL_LABEL}=privileged"
    for place, container in every_container(spec, path):
        for position, port in enumerate(container.ports):
            if port.host_port:
                yield refusals.forbidden(f"{place}.ports[{position}].hostPort", why)


def restrictions(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    """What the level `restricted` asks to be said: no way to become root, or to gain any right at all."""
    pod = spec.security_context or types.PodSecurityContext()
    if pod.run_as_user == 0:
        yield refusals.forbidden(f"{path}.securityContext.runAsUser", "must not be 0 (root)")
    for place, container in every_container(spec, path):
        at = f"{place}.securityContext"
        own = container.security_context or types.SecurityContext()
        yield from _unrestricted(own, at)
        non_root = pod.run_as_non_root if own.run_as_non_root is None else own.run_as_non_root
        if not non_root:
            yield refusals.forbidden(f"{at}.runAsNonRoot", "must be true, here or for the pod")
        if own.seccomp_profile is None and pod.seccomp_profile is None:
            why = "must be RuntimeDefault, here or for the pod"
            yield refusals.forbidden(f"{at}.seccompProfile.type", why)


def _unrestricted(context: types.SecurityContext, at: str) -> Iterator[Problem]:
    if context.allow_privilege_escalation is not False:
        yield refusals.forbidden(f"{at}.allowPrivilegeEscalation", "must be false")
    if context.capabilities is None or "ALL" not in context.capabilities.drop:
        yield refusals.forbidden(f"{at}.capabilities.drop", 'must include "ALL"')
    for position, name in enumerate(_added(context)):
        if name != "NET_BIND_SERVICE" and name in HARMLESS_CAPABILITIES:
            why = f"{name} is not allowed, only NET_BIND_SERVICE"
            yield refusals.forbidden(f"{at}.capabilities.add[{position}]", why)
    if context.run_as_user == 0:
        yield refusals.forbidden(f"{at}.runAsUser", "must not be 0 (root)")


def _added(context: types.SecurityContext) -> list[str]:
    return context.capabilities.add if context.capabilities is not None else []
