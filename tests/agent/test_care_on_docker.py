"""Containers looked after on a real engine: probes, hooks, those that run before the others and beside them."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import types
from tests.agent.machine import Machine, app, wait_for
from tests.calm import Stopwatch

pytestmark = pytest.mark.docker


def command(*words: str) -> types.ExecAction:
    return types.ExecAction(command=list(words))


def probe(*words: str, **fields: Any) -> types.Probe:
    settings: dict[str, Any] = {
        "period_seconds": 1,
        "timeout_seconds": 1,
        "failure_threshold": 2,
        "success_threshold": 1,
    }
    return types.Probe(exec_=command(*words), **(settings | fields))


def conditions(machine: Machine, pod: types.Pod) -> dict[str, types.Condition]:
    return {each.type: each for each in machine.reported(pod).conditions}


def told(machine: Machine, pod: types.Pod) -> list[tuple[str, str]]:
    return [(each.reason, each.message) for each in machine.events if each.uid == pod.metadata.uid]


def test_a_pod_is_ready_when_its_probe_says_so_and_no_longer(machine: Machine) -> None:
    pod = machine.run(app(readiness_probe=probe("test", "-e", "/tmp/ready")))
    wait_for(lambda: machine.container(pod).started, "start")
    wait_for(lambda: "Unhealthy" in machine.reasons(pod), "event")
    ready = conditions(machine, pod)["Ready"]
    assert (ready.status, ready.reason, ready.message) == (
        "False", "ContainersNotReady", "containers with unready status: [app]",
    )  # fmt: skip
    machine.shell(machine.container(pod), "touch /tmp/ready")
    wait_for(lambda: conditions(machine, pod)["Ready"].status == "True", "readiness")
    running = machine.container(pod).container_id
    machine.restart()
    machine.ready(pod)
    assert machine.container(pod).container_id == running
    machine.shell(machine.container(pod), "busybox rm /tmp/ready")
    wait_for(lambda: conditions(machine, pod)["Ready"].status == "False", "the end of readiness")
    assert machine.container(pod).restart_count == 0


def test_a_container_that_does_not_live_is_restarted_and_told(machine: Machine) -> None:
    pod = machine.run(
        app(
            "sh", "-c", "touch /tmp/alive; sleep 1000",
            liveness_probe=probe("sh", "-c", "test -e /tmp/alive || { echo it is dead; exit 1; }",
                                 termination_grace_period_seconds=1),
        ),
        termination_grace_period_seconds=30,
    )  # fmt: skip
    machine.ready(pod)
    machine.shell(machine.container(pod), "busybox rm /tmp/alive")
    machine.ready(pod, restarts=1)
    ended = machine.container(pod).last_state.terminated
    assert ended is not None and ended.exit_code == 137, "killed after the probe's own grace"
    assert ("Unhealthy", "Liveness probe failed: it is dead\n") in told(machine, pod)
    assert ("Killing", "Container app failed liveness probe, will be restarted") in told(machine, pod)


def test_nothing_else_is_asked_before_the_start(machine: Machine) -> None:
    pod = machine.run(
        app(
            "sleep", "1000",
            startup_probe=probe("test", "-e", "/tmp/up", failure_threshold=30),
            liveness_probe=probe("test", "-e", "/tmp/up", failure_threshold=1),
        )
    )  # fmt: skip
    wait_for(lambda: machine.container(pod).state.running, "run")
    assert not machine.container(pod).started and not machine.container(pod).ready

    def failed() -> bool:
        return any(message.startswith("Startup probe failed") for _, message in told(machine, pod))

    wait_for(failed, "failed probe")
    machine.shell(machine.container(pod), "touch /tmp/up")
    machine.ready(pod)
    assert machine.container(pod).started and machine.container(pod).restart_count == 0


def test_a_command_that_takes_too_long_is_ended(machine: Machine) -> None:
    pod = machine.run(app(readiness_probe=probe("sleep", "600")))
    wait_for(lambda: "Unhealthy" in machine.reasons(pod), "event")
    words = next(message for reason, message in told(machine, pod) if reason == "Unhealthy")
    assert words == 'Readiness probe failed: command timed out: "sleep 600" timed out after 1s'

    def left() -> bool:
        return machine.shell(machine.container(pod), "ps | grep -c 'sleep [6]00'").strip() in ("0", "1")

    wait_for(left, "end of the command")


def test_hooks_run_after_the_start_and_before_the_end(machine: Machine) -> None:
    mounts = [types.VolumeMount(name="data", mount_path="/data")]
    log = machine.state / "log"
    log.mkdir()
    shared = types.Volume(name="data", host_path=types.HostPathVolumeSource(path=str(log)))
    hooks = types.Lifecycle(
        post_start=types.LifecycleHandler(exec_=command("sh", "-c", "sleep 0.5; echo started >> /data/log")),
        pre_stop=types.LifecycleHandler(exec_=command("sh", "-c", "sleep 0.5; echo stopping >> /data/log")),
    )
    script = "trap 'echo signal >> /data/log; exit 0' TERM; while :; do sleep 1000 & wait $!; done"
    second = app("sh", "-c", "echo second >> /data/log; exec sleep 1000", name="second", volume_mounts=mounts)
    pod = machine.run(
        app("sh", "-c", script, volume_mounts=mounts, lifecycle=hooks), second, volumes=[shared]
    )
    machine.ready(pod)
    wait_for(lambda: "second" in (log / "log").read_text(), "the second container")
    assert (log / "log").read_text() == "started\nsecond\n", "the next container waits for the hook"
    machine.delete(pod, grace=10)
    wait_for(lambda: machine.gone(pod) or "signal" in (log / "log").read_text(), "end")
    assert (log / "log").read_text().endswith("stopping\nsignal\n")


def test_a_hook_that_fails_ends_its_container(machine: Machine) -> None:
    hooks = types.Lifecycle(post_start=types.LifecycleHandler(exec_=command("false")))
    pod = machine.run(app(lifecycle=hooks))
    wait_for(lambda: machine.container(pod).restart_count, "restart")
    assert ("FailedPostStartHook", "PostStartHook failed") in told(machine, pod)
    assert not any(each.status.conditions[1].status == "True" for each in machine.history)


def test_a_hook_that_takes_all_of_the_grace_is_given_up(machine: Machine) -> None:
    hooks = types.Lifecycle(pre_stop=types.LifecycleHandler(sleep=types.SleepAction(seconds=600)))
    pod = machine.run(app(lifecycle=hooks))
    machine.ready(pod)
    since = Stopwatch()
    machine.delete(pod, grace=1)
    wait_for(lambda: machine.gone(pod), "end")
    assert since.elapsed >= 1 and since.calm < 5


def test_init_containers_run_one_after_the_other_and_then_the_pod(machine: Machine) -> None:
    pod = machine.run(
        app(),
        init_containers=[
            app("sh", "-c", "sleep 0.3; exit 0", name="first"),
            app("true", name="second"),
        ],
    )
    status = machine.ready(pod)
    assert [each.name for each in status.init_container_statuses] == ["first", "second"]
    for each in status.init_container_statuses:
        assert each.ready and each.state.terminated is not None
        assert each.state.terminated.reason == "Completed"
    early = machine.history[0].status
    assert early.phase == "Pending"
    initialized = early.conditions[0]
    assert (initialized.type, initialized.status, initialized.reason, initialized.message) == (
        "Initialized", "False", "ContainersNotInitialized",
        "containers with incomplete status: [first second]",
    )  # fmt: skip
    waiting = early.container_statuses[0].state.waiting
    assert waiting is not None and waiting.reason == "PodInitializing"
    ends = [machine.inspect(each)["State"] for each in status.init_container_statuses]
    assert ends[0]["FinishedAt"] <= ends[1]["StartedAt"]
    machine.restart()
    machine.put("pods", pod)
    wait_for(lambda: all(each.settled for each in machine.herd.workers()), "rest")
    assert [each.restart_count for each in machine.reported(pod).init_container_statuses] == [0, 0]


def test_a_new_sandbox_begins_with_the_init_containers_again(machine: Machine) -> None:
    pod = machine.run(app(), init_containers=[app("true", name="first")])
    machine.ready(pod)
    sandbox = next(each["Id"] for each in machine.containers(pod) if "k8s_POD_" in each["Names"][0])
    machine.api.kill(sandbox)
    status = machine.ready(pod, restarts=1)
    assert status.init_container_statuses[0].restart_count == 1


def test_an_init_container_that_fails_for_good_fails_the_pod(machine: Machine) -> None:
    pod = machine.run(
        app(), init_containers=[app("false", name="first"), app(name="second")], restart_policy="Never"
    )
    wait_for(lambda: machine.reported(pod).phase == "Failed", "failure")
    assert machine.container(pod).state.waiting == types.ContainerStateWaiting("PodInitializing")
    assert len(machine.reported(pod).init_container_statuses) == 2


def test_an_init_container_that_fails_is_tried_again(machine: Machine) -> None:
    pod = machine.run(app(), init_containers=[app("false", name="first")])

    def crashing() -> bool:
        waiting = next(iter(machine.reported(pod).init_container_statuses)).state.waiting
        return waiting is not None and waiting.reason == "CrashLoopBackOff"

    wait_for(lambda: machine.reported(pod).init_container_statuses and crashing(), "back-off")
    assert machine.reported(pod).phase == "Pending"


def test_a_sidecar_starts_before_and_stops_after_the_others(machine: Machine) -> None:
    log = machine.state / "log"
    log.mkdir()
    shared = types.Volume(name="data", host_path=types.HostPathVolumeSource(path=str(log)))
    mounts = [types.VolumeMount(name="data", mount_path="/data")]

    def logging(name: str) -> str:
        return (
            f"echo {name} up >> /data/log; trap 'echo {name} down >> /data/log; exit 0' TERM; "
            "sleep 0.3; touch /tmp/up; while :; do sleep 1000 & wait $!; done"
        )

    def beside(name: str) -> types.Container:
        return app(
            "sh", "-c", logging(name), name=name, volume_mounts=mounts, restart_policy="Always",
            startup_probe=probe("test", "-e", "/tmp/up", failure_threshold=30),
        )  # fmt: skip

    pod = machine.run(
        app("sh", "-c", logging("app"), volume_mounts=mounts),
        init_containers=[beside("one"), beside("two")],
        volumes=[shared],
    )
    status = machine.ready(pod)
    assert all(each.ready and each.started for each in status.init_container_statuses)
    assert (log / "log").read_text() == "one up\ntwo up\napp up\n"
    wait_for(lambda: machine.shell(machine.container(pod), "ls /tmp").strip() == "up", "app")
    machine.delete(pod, grace=10)
    wait_for(lambda: machine.gone(pod), "end")
    assert (log / "log").read_text().splitlines()[3:] == ["app down", "two down", "one down"]


def test_sidecars_do_not_keep_a_job_from_ending(machine: Machine) -> None:
    pod = machine.run(
        app("sh", "-c", "sleep 0.5"),
        init_containers=[app(name="beside", restart_policy="Always")],
        restart_policy="Never",
    )
    wait_for(lambda: machine.reported(pod).is_finished, "end")
    assert machine.reported(pod).phase == "Succeeded"
    assert machine.reported(pod).init_container_statuses[0].state.terminated is not None


def test_a_pod_that_is_active_for_too_long_is_failed(machine: Machine) -> None:
    pod = machine.run(app(), active_deadline_seconds=2)
    machine.ready(pod)
    wait_for(lambda: machine.reported(pod).phase == "Failed", "failure")
    assert machine.reported(pod).reason == "DeadlineExceeded"
    wait_for(lambda: not any(each["State"] == "running" for each in machine.containers(pod)), "end")
