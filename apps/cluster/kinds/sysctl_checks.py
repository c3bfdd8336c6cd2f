"""Kernel settings a pod may have for itself: those of its own namespaces that can hurt nobody else on the machine."""

from __future__ import annotations

from collections.abc import Iterator

from apps.cluster import types
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

SAFE = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
)


def sysctl_problems(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    context = spec.security_context or types.PodSecurityContext()
    seen: set[str] = set()
    for index, sysctl in enumerate(context.sysctls):
        at = f"{path}.securityContext.sysctls[{index}]"
        if sysctl.name in seen:
            yield refusals.duplicate(f"{at}.name", sysctl.name)
        elif sysctl.name not in SAFE:
            yield refusals.unsupported(f"{at}.name", sysctl.name, SAFE)
        elif spec.host_network and sysctl.name.startswith("net."):
            yield refusals.invalid(f"{at}.name", sysctl.name, "may not be set when `hostNetwork` is true")
        elif spec.host_ipc and sysctl.name.startswith("kernel."):
            yield refusals.invalid(f"{at}.name", sysctl.name, "may not be set when `hostIPC` is true")
        seen.add(sysctl.name)
        if not sysctl.value:
            yield refusals.required(f"{at}.value")
        yield from refusals.plain(f"{at}.value", sysctl.value)
