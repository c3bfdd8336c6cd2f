"""What a test needs of the machine: skipped with a reason that nobody overlooks where it is missing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

OLDEST_KUBECTL = (1, 27)
FIRST_ON_WEBSOCKETS = (1, 31)
"""Older ones exec, attach, copy and forward over SPDY, which is not served (docs/compatibility.md)."""
SKIPPED = pytest.StashKey[set[str]]()


@cache
def kubectl_version() -> tuple[int, ...]:
    """Major and minor of the kubectl that the tests run. Raises LookupError with the reason why there is none."""
    wanted = ".".join(map(str, OLDEST_KUBECTL))
    if shutil.which("kubectl") is None:
        raise LookupError(f"there is no kubectl on PATH: install {wanted} or newer, Debian's own is too old")
    command = ["kubectl", "version", "--client", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        version = str(json.loads(done.stdout)["clientVersion"]["gitVersion"])
    except (ValueError, KeyError):
        raise LookupError(f"kubectl does not tell its version: {done.stderr.strip()[:200]}") from None
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_KUBECTL:
        raise LookupError(f"kubectl is {version}: install {wanted} or newer")
    return numbers


def kubectl_problem() -> str:
    """Why the kubectl tests cannot run here; "" when they can."""
    try:
        kubectl_version()
    except LookupError as problem:
        return str(problem)
    return ""


def streams_problem() -> str:
    """Why this kubectl cannot talk to containers here."""
    if problem := kubectl_problem():
        return problem
    wanted = ".".join(map(str, FIRST_ON_WEBSOCKETS))
    return "" if kubectl_version() >= FIRST_ON_WEBSOCKETS else f"kubectl talks to containers by SPDY before {wanted}"


def root_problem() -> str:
    return "" if os.geteuid() == 0 else "it needs root"


@cache
def systemd_problem() -> str:
    """Why no machine within this one can run systemd."""
    if problem := root_problem():
        return problem
    for name in ("systemd", "system/docker.service", "system/ssh.service"):
        if not (Path("/lib/systemd") / name).exists():
            return f"there is no /lib/systemd/{name}"
    with tempfile.TemporaryDirectory() as folder:
        script = "mkdir upper work root && mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root"
        command = ["unshare", "--mount", "--cgroup", "sh", "-c", script]
        tried = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return f"no root can be laid over this machine's: {tried.stderr.strip()}" if tried.returncode else ""


PROBLEMS: dict[str, Callable[[], str]] = {
    "kubectl": kubectl_problem,
    "streams": streams_problem,
    "docker": root_problem,
    "net": root_problem,
    "systemd": systemd_problem,
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    skipped = config.stash.setdefault(SKIPPED, set())
    for item in items:
        for marker, problem in PROBLEMS.items():
            if item.get_closest_marker(marker) is not None and (reason := problem()):
                item.add_marker(pytest.mark.skip(reason=reason))
                skipped.add(f"every {marker} test was SKIPPED: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = config.stash.setdefault(SKIPPED, set())
    for line in sorted(skipped):
        terminalreporter.write_line(line, red=True, bold=True)
