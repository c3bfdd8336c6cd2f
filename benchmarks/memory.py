"""What the platform costs while the guestbook runs: the proportional memory (PSS) of all its own processes."""

import re
from pathlib import Path

from benchmarks.figures import Figure
from tests.platform import EXAMPLES, Platform

MIB = 1024
FOREIGN = ("dockerd", "docker-registry")
"""Not Drover's own, as the kernel names them."""
IN_ORDER = (
    "redis-master-controller", "redis-master-service", "redis-slave-controller",
    "redis-slave-service", "frontend-controller", "frontend-service-nodeport",
)  # fmt: skip


def memory(platform: Platform) -> list[Figure]:
    """MiB by process, and in all; a process's children count with it."""
    for name in IN_ORDER:
        platform.kubectl("create", "-f", str(EXAMPLES / f"guestbook/{name}.yaml"))
    platform.ready_pods("name=frontend", 3)
    platform.ready_pods("name=redis-slave", 2)
    named = {pid: name for name, pid in {**platform.processes(), "up": platform.pid}.items()}
    by_name: dict[str, float] = {}
    for pid in family(platform.pid):
        name = next((named[one] for one in lineage(pid) if one in named), "up")
        by_name[name] = by_name.get(name, 0) + pss(pid)
    platform.kubectl("delete", "rc,service", "-l", "name in (frontend,redis-master,redis-slave)")
    total = sum(by_name.values())
    parts = ", ".join(f"{name} {size:.0f}" for name, size in sorted(by_name.items()))
    return [Figure("memory with the guestbook, PSS", total, "MiB", at_most=300, detail=parts)]


def pss(pid: int) -> float:
    """MiB that this process holds, its share of shared pages included; 0 when it ended meanwhile."""
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", told, re.MULTILINE)
    return int(found[1]) / MIB if found else 0.0


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def lineage(pid: int) -> list[int]:
    """The process, its parent, and so on up."""
    found = []
    while pid > 1:
        found.append(pid)
        pid = parent(pid)
    return found


def family(root: int) -> list[int]:
    """The process and all that descend from it, but for an engine or a registry that it had to start."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    lines = {pid: lineage(pid) for pid in pids}
    return [pid for pid, line in lines.items() if root in line and not any(map(is_foreign, line))]


def is_foreign(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() in FOREIGN
    except OSError:
        return False
