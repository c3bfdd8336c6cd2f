"""What the machine and its containers use, read from /proc and the control groups (version 1 and 2)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from apps.cluster.types.agent import ContainerSample, Samples
from node_agent.runtime.base import SANDBOX, Seen, State

CPU, MEMORY = "cpuacct", "memory"
_TICK = 10_000_000  # nanoseconds that /proc/stat counts in


@dataclass(frozen=True, slots=True)
class Group:
    """Where one container's counters are. Both are the same directory under version 2."""

    cpu: Path
    memory: Path

    def cpu_nanoseconds(self) -> int:
        usage = self.cpu / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text())
        return _counters(self.cpu / "cpu.stat")["usage_usec"] * 1000

    def working_set(self) -> int:
        """Bytes that cannot be had back at once: all but the file pages nobody has used lately."""
        used = self.memory / "memory.usage_in_bytes"
        if used.exists():
            idle = _counters(self.memory / "memory.stat").get("total_inactive_file", 0)
            return max(int(used.read_text()) - idle, 0)
        idle = _counters(self.memory / "memory.stat").get("inactive_file", 0)
        return max(int((self.memory / "memory.current").read_text()) - idle, 0)


class Meter:
    """Reads counters; what was used is the difference to the reading before."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._mounts = _mounts((proc / "mounts").read_text())
        self._groups: dict[str, Group] = {}
        self._before: dict[str, int] = {}
        self._read_at = 0.0

    def read(self, containers: Iterable[Seen], now: float | None = None) -> Samples | None:
        """What was used since the last reading; None for the first."""
        now = time.monotonic() if now is None else now
        window, self._read_at = now - self._read_at if self._read_at else 0.0, now
        running = {
            each.id: each for each in containers if each.state is State.RUNNING and each.name != SANDBOX
        }
        self._groups = {id: group for id, group in self._groups.items() if id in running}
        before, self._before = self._before, {"": self._machine()}
        memory: dict[str, int] = {}
        for id, container in running.items():
            try:
                group = self._groups.get(id) or self._found(container.pid)
                self._before[id], memory[id] = group.cpu_nanoseconds(), group.working_set()
                self._groups[id] = group
            except (OSError, KeyError, ValueError):
                continue  # it ended just now
        if not window:
            return None

        def rate(id: str) -> int:
            return max(int((self._before[id] - before[id]) / window), 0)

        return Samples(
            window=round(window, 3),
            cpu=rate(""),
            memory=self._memory(),
            containers=[
                ContainerSample(
                    namespace=running[id].namespace, pod=running[id].pod, name=running[id].name,
                    cpu=rate(id), memory=memory[id],
                )
                for id in memory
                if id in before
            ],
        )  # fmt: skip

    def _found(self, pid: int) -> Group:
        if not pid:
            raise ValueError("no process")
        paths: dict[str, str] = {}
        for line in (self._proc / str(pid) / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            paths.update(dict.fromkeys(controllers.split(","), path))
        groups = []
        for controller in (CPU, MEMORY):
            # A controller that version 1 does not hold is version 2's, which has no name.
            name = controller if controller in paths and controller in self._mounts else ""
            groups.append(self._mounts[name] / paths[name].lstrip("/"))
        return Group(*groups)

    def _machine(self) -> int:
        """Nanoseconds that all processors have worked."""
        fields = [int(text) for text in (self._proc / "stat").read_text().split("\n", 1)[0].split()[1:9]]
        idle, waiting = fields[3], fields[4]
        return (sum(fields) - idle - waiting) * _TICK

    def _memory(self) -> int:
        amounts = _counters(self._proc / "meminfo")
        return (amounts["MemTotal:"] - amounts["MemAvailable:"]) * 1024


def _counters(path: Path) -> dict[str, int]:
    found = {}
    for line in path.read_text().splitlines():
        name, *amount = line.split()
        if amount and amount[0].isdigit():
            found[name] = int(amount[0])
    return found


def _mounts(text: str) -> dict[str, Path]:
    """Where each controller of version 1 is mounted, and version 2 under ""."""
    found: dict[str, Path] = {}
    for line in text.splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found.setdefault("", Path(place))
        elif kind == "cgroup":
            found.update(dict.fromkeys(options.split(","), Path(place)))
    return found
