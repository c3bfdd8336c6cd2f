"""A pod's line in a list: what each state reads like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import POD
from tests.builders import build, containers

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def running(name: str = "app", *, ready: bool = True, restarts: int = 0) -> types.ContainerStatus:
    state = types.ContainerState(running=types.ContainerStateRunning(started_at=NOW))
    return types.ContainerStatus(name=name, ready=ready, state=state, restart_count=restarts)


def waiting(reason: str, *, restarts: int = 0) -> types.ContainerStatus:
    state = types.ContainerState(waiting=types.ContainerStateWaiting(reason=reason))
    return types.ContainerStatus(name="app", state=state, restart_count=restarts)


def ended(reason: str = "", code: int = 0, signal: int | None = None) -> types.ContainerStatus:
    end = types.ContainerStateTerminated(exit_code=code, reason=reason, signal=signal, finished_at=NOW)
    return types.ContainerStatus(name="app", state=types.ContainerState(terminated=end))


def restarted(seconds_ago: int, restarts: int) -> types.ContainerStatus:
    finished = NOW - timedelta(seconds=seconds_ago)
    last = types.ContainerState(
        terminated=types.ContainerStateTerminated(exit_code=1, reason="Error", finished_at=finished)
    )
    status = running(restarts=restarts)
    status.last_state = last
    return status


def cells(phase: str, *statuses: types.ContainerStatus, **changes: Any) -> dict[str, str | int]:
    pod = build(POD, spec__containers=containers(max(len(statuses), 1)), **changes)
    pod.status.phase, pod.status.container_statuses = phase, list(statuses)
    return {column.name: column.cell(pod, NOW) for column in POD.columns}


READY = [types.Condition(type="Ready", status="True")]
DELETING = {"metadata__deletion_timestamp": NOW}
STATES: list[tuple[str, str, list[types.ContainerStatus], dict[str, Any], str, str]] = [
    ("a new pod", "Pending", [], {}, "Pending", "0/1"),
    ("a pod whose image is pulled", "Pending", [waiting("ContainerCreating")], {}, "ContainerCreating",
    "0/1"),
    ("an image that cannot be had", "Pending", [waiting("ErrImagePull")], {}, "ErrImagePull", "0/1"),
    ("a running pod", "Running", [running()], {}, "Running", "1/1"),
    ("a pod that is not ready yet", "Running", [running(ready=False)], {}, "Running", "0/1"),
    ("a crashing pod", "Running", [waiting("CrashLoopBackOff")], {}, "CrashLoopBackOff", "0/1"),
    ("a job that is done", "Succeeded", [ended("Completed")], {}, "Completed", "0/1"),
    ("a job that failed", "Failed", [ended("Error", 1)], {}, "Error", "0/1"),
    ("an end without a reason", "Failed", [ended(code=3)], {}, "ExitCode:3", "0/1"),
    ("an end by a signal", "Failed", [ended(code=137, signal=9)], {}, "Signal:9", "0/1"),
    ("one of two in trouble", "Running", [running(), waiting("ErrImagePull")], {}, "ErrImagePull", "1/2"),
    ("the first in trouble speaks", "Running", [ended("Error", 1), waiting("ErrImagePull")], {}, "Error",
    "0/2"),
    ("one done, one ready",
    "Running", [ended("Completed"), running()], {"status__conditions": READY}, "Running", "1/2"),
    ("one done, pod not ready", "Running", [ended("Completed"), running()], {}, "NotReady", "1/2"),
    ("a pod being deleted", "Running", [running()], DELETING, "Terminating", "1/1"),
    ("a finished pod being deleted", "Succeeded", [ended("Completed")], DELETING, "Completed", "0/1"),
    ("deleted on a lost node", "Running", [], {**DELETING, "status__reason": "NodeLost"}, "Unknown", "0/1"),
    ("an evicted pod", "Failed", [], {"status__reason": "Evicted"}, "Evicted", "0/1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("phase", "statuses", "changes", "status", "ready"), [s[1:] for s in STATES], ids=[s[0] for s in STATES]
)
def test_a_pods_status_in_one_word(
    phase: str, statuses: list[types.ContainerStatus], changes: dict[str, Any], status: str, ready: str
) -> None:
    shown = cells(phase, *statuses, **changes)
    assert (shown["Status"], shown["Ready"]) == (status, ready)


def test_restarts_say_how_many_and_how_long_ago_the_last_was() -> None:
    assert cells("Running", running())["Restarts"] == "0"
    assert cells("Running", restarted(5, 1))["Restarts"] == "1 (5s ago)"
    assert cells("Running", restarted(300, 2), restarted(200, 1))["Restarts"] == "3 (3m20s ago)"
    assert cells("Running", running(restarts=4))["Restarts"] == "4"


def test_what_is_not_known_yet_is_shown_as_none() -> None:
    shown = cells("Pending")
    wide = ("IP", "Node", "Nominated Node", "Readiness Gates")
    assert [shown[name] for name in wide] == ["<none>"] * 4
    assert shown["Age"] == "<unknown>"


def test_where_a_pod_runs_is_shown() -> None:
    shown = cells("Running", running(), spec__node_name="n1", status__pod_ip="10.64.0.5")
    assert (shown["IP"], shown["Node"]) == ("10.64.0.5", "n1")
