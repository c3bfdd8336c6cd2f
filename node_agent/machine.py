"""What this machine is and has: the node's own report. Reads /proc and /etc only."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from apps.cluster import types
from apps.cluster.types.agent import EDGE_UNAVAILABLE
from node_agent import VERSION
from node_agent.runtime.pause import architecture
from node_agent.waiting import utcnow

PODS = 110
MEMORY_SHORT = 100 * 1024**2  # bytes left below which the node says so
DISK_SHORT_PART = 0.10
PIDS_SHORT_PART = 0.05
CAP_SYS_RESOURCE = 24


def memory_bytes() -> int:
    return _meminfo()["MemTotal"]


def lowest_oom_score() -> int:
    """How far the kernel lets a process here be spared; without CAP_SYS_RESOURCE not at all."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:") and int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1:
            return -1000
    return int(_line("/proc/self/oom_score_adj") or 0)


def boot_id() -> str:
    return _line("/proc/sys/kernel/random/boot_id")


def capacity(disk: Path) -> dict[str, types.Quantity]:
    """All there is for pods, in the API's units."""
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory_bytes() // 1024}Ki",
        "pods": str(PODS),
        "ephemeral-storage": f"{shutil.disk_usage(disk).total // 1024}Ki",
    }


def labels(node: str) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": node,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
    }


def node_status(
    *,
    node: str,
    address: str,
    disk: Path,
    door_port: int,
    runtime_version: str,
    network_trouble: str = "",
    names_trouble: str = "",
    edge_trouble: tuple[str, str] | None = None,
    before: types.NodeStatus | None = None,
) -> types.NodeStatus:
    """The node's status now; ``runtime_version`` is empty while the engine does not answer."""
    room = capacity(disk)
    held = {condition.type: condition for condition in (before.conditions if before is not None else [])}
    return types.NodeStatus(
        capacity=room,
        allocatable=dict(room),
        conditions=[
            _since(each, held.get(each.type))
            for each in (
                *_conditions(disk, _readiness(runtime_version, network_trouble)),
                *_names(names_trouble),
                *_edge(edge_trouble),
            )
        ],
        addresses=[
            types.NodeAddress(type="InternalIP", address=address),
            types.NodeAddress(type="Hostname", address=node),
        ],
        daemon_endpoints=types.NodeDaemonEndpoints(kubelet_endpoint=types.DaemonEndpoint(port=door_port)),
        node_info=types.NodeSystemInfo(
            machine_id=_line("/etc/machine-id"),
            system_uuid=_line("/sys/class/dmi/id/product_uuid"),
            boot_id=boot_id(),
            kernel_version=platform.release(),
            os_image=_os_image(),
            container_runtime_version=runtime_version,
            kubelet_version=VERSION,
            kube_proxy_version=VERSION,
            operating_system="linux",
            architecture=architecture(),
        ),
    )


def _readiness(runtime_version: str, network_trouble: str) -> types.Condition:
    if not runtime_version:
        return types.Condition("Ready", "False", "EngineAway", "the container engine does not answer")
    if network_trouble:
        return types.Condition("Ready", "False", "NetworkNotReady", network_trouble)
    return types.Condition(
        "Ready", "True", "AgentReady", "the node's agent is running and the engine answers"
    )


def _conditions(disk: Path, ready: types.Condition) -> list[types.Condition]:
    memory = _meminfo()["MemAvailable"] < MEMORY_SHORT
    usage = shutil.disk_usage(disk)
    full = usage.free < usage.total * DISK_SHORT_PART
    pids_most = int(_line("/proc/sys/kernel/pid_max") or 32768)
    pids_used = int(_line("/proc/loadavg").split()[3].partition("/")[2])
    crowded = pids_most - pids_used < pids_most * PIDS_SHORT_PART
    return [
        _pressure("MemoryPressure", memory, "Memory", "memory"),
        _pressure("DiskPressure", full, "Disk", "disk space"),
        _pressure("PIDPressure", crowded, "PID", "process ids"),
        ready,
    ]


def _names(trouble: str) -> tuple[types.Condition, ...]:
    """Pods run without them, so the node stays ready; but people must find out why theirs find nothing."""
    return (types.Condition("NamesUnavailable", "True", "DnsNotRunning", trouble),) if trouble else ()


def _edge(trouble: tuple[str, str] | None) -> tuple[types.Condition, ...]:
    """Reason and words. The node does everything else."""
    return (types.Condition(EDGE_UNAVAILABLE, "True", *trouble),) if trouble else ()


def _pressure(kind: str, short: bool, word: str, what: str) -> types.Condition:
    if short:
        return types.Condition(kind, "True", f"AgentHasInsufficient{word}", f"the node is short of {what}")
    return types.Condition(kind, "False", f"AgentHasSufficient{word}", f"the node has sufficient {what}")


def _since(condition: types.Condition, before: types.Condition | None) -> types.Condition:
    now = utcnow().replace(microsecond=0)
    same = before is not None and before.status == condition.status
    condition.last_transition_time = before.last_transition_time if same and before is not None else now
    return condition


def _meminfo() -> dict[str, int]:
    """In bytes."""
    found = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, amount = line.partition(":")
        found[name] = int(amount.split()[0]) * 1024
    return found


def _os_image() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip('"')
    return "Linux"


def _line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
