"""Which pods a namespace lets in: level `baseline`, unless the namespace's labels allow more.

A pod that may mount the machine's files, join its network or take its capabilities is root on that machine,
so the check comes with every pod and every template.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from apps.cluster import types
from apps.cluster.errors import Forbidden
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

LEVEL_LABEL: Final = "pod-security.kubernetes.io/enforce"
LEVELS: Final = ("baseline", "privileged")
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


def admit_spec(namespace: types.Namespace, spec: types.PodSpec, path: str, refused: Any) -> None:
    """Raises Forbidden, naming each field and the label that would allow it. ``refused`` is (kind, name)."""
    labels = namespace.metadata.labels
    if labels.get(LEVEL_LABEL) == "privileged":
        return
    host_ports = labels.get(HOST_PORTS_LABEL) == HOST_PORTS_ALLOWED
    problems = [*privileges(spec, path), *(() if host_ports else host_port_uses(spec, path))]
    if not problems:
        return
    kind, name = refused
    told = ", ".join(f"{problem.path}: {problem.message}" for problem in problems)
    raise Forbidden(
        f'{kind} "{name}" is forbidden: violates pod security level "baseline" of namespace '
        f'"{namespace.metadata.name}": {told}',
        causes=problems,
        kind=kind,
        name=name,
    )


def privileges(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    """What only the level `privileged` allows."""
    why = f"needs the namespace label {LEVEL_LABEL}=privileged"
    if spec.host_network:
        yield refusals.forbidden(f"{path}.hostNetwork", why)
    for index, volume in enumerate(spec.volumes):
        if volume.host_path is not None:
            yield refusals.forbidden(f"{path}.volumes[{index}].hostPath", why)
    for index, container in enumerate(spec.containers):
        context = container.security_context
        at = f"{path}.containers[{index}].securityContext"
        if context is None:
            continue
        if context.privileged:
            yield refusals.forbidden(f"{at}.privileged", why)
        added = context.capabilities.add if context.capabilities is not None else []
        for position, name in enumerate(added):
            if name not in HARMLESS_CAPABILITIES:
                yield refusals.forbidden(f"{at}.capabilities.add[{position}]", f"{name} {why}")


def host_port_uses(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    """Ports of the machine itself, which a label of their own allows."""
    why = f"needs the namespace label {HOST_PORTS_LABEL}={HOST_PORTS_ALLOWED} or {LEVEL_LABEL}=privileged"
    for index, container in enumerate(spec.containers):
        for position, port in enumerate(container.ports):
            if port.host_port:
                yield refusals.forbidden(f"{path}.containers[{index}].ports[{position}].hostPort", why)
