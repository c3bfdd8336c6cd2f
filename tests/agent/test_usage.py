"""What the machine and its containers use, from both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from node_agent.runtime.base import SANDBOX, Seen, State
from node_agent.usage import Meter

FORMS = ("one", "two")


class Machine:
    """A /proc and a /sys/fs/cgroup of its own, with one running container."""

    def __init__(self, root: Path, form: str) -> None:
        self.proc, self.groups, self.form = root / "proc", root / "cgroup", form
        mounts = f"cgroup2 {self.groups} cgroup2 rw 0 0\n"
        lines = "0::/docker/c1\n"
        if form == "one":
            mounts += "".join(
                f"cgroup {self.groups}/{name} cgroup rw,{name} 0 0\n" for name in ("cpuacct", "memory")
            )
            lines += "4:memory:/docker/c1\n2:cpuacct:/docker/c1\n"
        self.write(self.proc / "mounts", mounts)
        self.write(self.proc / "7" / "cgroup", lines)
        self.write(self.proc / "meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\n")
        self.spend(0)

    def spend(self, seconds: int) -> None:
        """The container and the machine have worked so long altogether."""
        self.write(self.proc / "stat", f"cpu {seconds * 100} 0 0 5 5 0 0 0 0 0\ncpu0 1 1 1 1\n")
        if self.form == "one":
            self.write(self.groups / "cpuacct/docker/c1/cpuacct.usage", str(seconds * 10**9))
            self.write(self.groups / "memory/docker/c1/memory.usage_in_bytes", "5000")
            self.write(self.groups / "memory/docker/c1/memory.stat", "cache 1\ntotal_inactive_file 1000\n")
        else:
            self.write(self.groups / "docker/c1/cpu.stat", f"usage_usec {seconds * 10**6}\n")
            self.write(self.groups / "docker/c1/memory.current", "5000")
            self.write(self.groups / "docker/c1/memory.stat", "anon 1\ninactive_file 1000\n")

    @staticmethod
    def write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def seen(id: str, name: str = "app", state: State = State.RUNNING, pid: int = 7) -> Seen:
    return Seen(id=id, uid="u", name=name, attempt=0, state=state, namespace="default", pod="web", pid=pid)


@pytest.mark.parametrize("form", FORMS)
def test_use_is_the_difference_of_two_readings(tmp_path: Path, form: str) -> None:
    machine = Machine(tmp_path, form)
    meter = Meter(machine.proc)
    containers = [seen("c1"), seen("c2", SANDBOX), seen("c3", state=State.EXITED), seen("c4", pid=99)]
    assert meter.read(containers, now=100.0) is None
    machine.spend(5)
    samples = meter.read(containers, now=110.0)
    assert samples is not None
    assert (samples.window, samples.cpu, samples.memory) == (10.0, 500_000_000, 600 * 1024)
    (only,) = samples.containers
    assert (only.namespace, only.pod, only.name, only.cpu, only.memory) == (
        "default",
        "web",
        "app",
        500_000_000,
        4000,
    )


def test_a_container_that_is_new_is_told_with_its_second_reading(tmp_path: Path) -> None:
    machine = Machine(tmp_path, "two")
    meter = Meter(machine.proc)
    meter.read([], now=100.0)
    first, second = meter.read([seen("c1")], now=110.0), meter.read([seen("c1")], now=120.0)
    assert first is not None and second is not None
    assert (len(first.containers), len(second.containers)) == (0, 1)
