"""Pods on a real engine: their start, what happens when parts of them die, and their end."""

from __future__ import annotations

import pytest

from apps.cluster import types
from apps.cluster.types import agent as protocol
from tests.agent.machine import Machine, app, wait_for
from tests.calm import Stopwatch

pytestmark = pytest.mark.docker


def test_a_pod_runs_and_tells_so(machine: Machine) -> None:
    pod = machine.run(app())
    status = machine.ready(pod)
    assert status.phase == "Running"
    assert status.pod_ip == "10.64.0.2" and status.host_ip == "10.0.0.1"
    assert {each.type: each.status for each in status.conditions} == {
        "Initialized": "True", "Ready": "True", "ContainersReady": "True", "PodScheduled": "True",
    }  # fmt: skip
    assert status.container_statuses[0].image_id.startswith("docker://sha256:")
    wait_for(lambda: "Started" in machine.reasons(pod), "event Started")
    assert machine.reasons(pod) == ["Pulled", "Created", "Started"]
    names = {each["Names"][0] for each in machine.containers(pod)}
    uid = pod.metadata.uid
    assert names == {f"/k8s_POD_web_default_{uid}_0", f"/k8s_app_web_default_{uid}_0"}


def test_containers_start_in_the_listed_order(machine: Machine) -> None:
    pod = machine.run(app(name="first"), app(name="second"), app(name="third"))
    machine.ready(pod)
    started = [machine.inspect(machine.container(pod, name))["State"]["StartedAt"] for name in
               ("first", "second", "third")]  # fmt: skip
    assert started == sorted(started)
    for report in machine.history:
        running = [each.state.running is not None for each in report.status.container_statuses]
        assert running == sorted(running, reverse=True), "a later container ran before an earlier one"


def test_a_container_that_cannot_be_made_holds_back_those_after_it(machine: Machine) -> None:
    pod = machine.run(app(image="no-such-image:1", image_pull_policy="Never"), app(name="second"))
    wait_for(lambda: machine.container(pod).state.waiting, "report")
    wait_for(lambda: "Failed" in machine.reasons(pod), "event")
    assert machine.container(pod).state.waiting == types.ContainerStateWaiting(
        "ErrImageNeverPull", 'Container image "no-such-image:1" is not present with pull policy of Never'
    )
    assert machine.reported(pod).phase == "Pending"
    assert machine.container(pod, "second").container_id == ""


def test_a_removed_container_is_back_at_once_and_counted(machine: Machine) -> None:
    pod = machine.run(app(), app(name="other"))
    machine.ready(pod)
    first = machine.container(pod).container_id
    other = machine.container(pod, "other").container_id
    machine.api.remove_container(first.removeprefix("docker://"), force=True)
    wait_for(lambda: machine.container(pod).ready and machine.container(pod).restart_count == 1, "restart")
    again = machine.container(pod)
    assert again.container_id != first
    assert again.last_state.terminated is not None
    assert (again.last_state.terminated.exit_code, again.last_state.terminated.container_id) == (137, first)
    assert machine.container(pod, "other").container_id == other, "the other container was left alone"


def test_a_removal_that_nobody_saw_counts_too(machine: Machine) -> None:
    pod = machine.run(app())
    machine.ready(pod)
    pod.status = machine.reported(pod)  # as the server sends it back
    machine.put("pods", pod)
    machine.herd.stop()
    machine.api.remove_container(machine.container(pod).container_id.removeprefix("docker://"), force=True)
    machine.restart()
    status = machine.ready(pod, restarts=1)
    assert status.container_statuses[0].restart_count == 1
    ended = status.container_statuses[0].last_state.terminated
    assert ended is not None and ended.reason == "ContainerStatusUnknown"


def test_a_dead_sandbox_takes_the_whole_pod_with_it(machine: Machine) -> None:
    pod = machine.run(app(), app(name="other"))
    machine.ready(pod)
    sandbox = next(each["Id"] for each in machine.containers(pod) if "k8s_POD_" in each["Names"][0])
    machine.api.kill(sandbox)
    status = machine.ready(pod, restarts=1)
    assert [each.restart_count for each in status.container_statuses] == [1, 1]
    running = [each["Names"][0] for each in machine.containers(pod) if each["State"] == "running"]
    assert sorted(name.rsplit("_", 1)[1] for name in running) == ["1", "1", "1"]
    assert "SandboxChanged" in machine.reasons(pod)


def test_a_restarted_agent_adopts_and_restarts_nothing(machine: Machine) -> None:
    pod = machine.run(app(), app(name="other"))
    before = machine.ready(pod)
    running = {each["Id"] for each in machine.containers(pod)}
    machine.statuses.clear()
    machine.restart()
    after = machine.ready(pod)
    assert {each["Id"] for each in machine.containers(pod)} == running
    assert after.container_statuses == before.container_statuses
    assert after.pod_ip == before.pod_ip
    assert machine.network.attached == {pod.metadata.uid: before.pod_ip}


def test_an_agent_killed_half_way_finishes_the_pod(machine: Machine) -> None:
    pod = machine.run(app())
    wait_for(lambda: machine.containers(pod), "sandbox")
    machine.restart()
    machine.ready(pod)
    names = sorted(each["Names"][0].split("_")[1] for each in machine.containers(pod))
    assert names == ["POD", "app"]


def test_what_the_server_does_not_know_is_removed_once_it_has_spoken(machine: Machine) -> None:
    pod = machine.run(app())
    machine.ready(pod)
    machine.herd.stop()
    machine.view.changed(_deleted(machine, pod))
    machine.restart()
    assert len(machine.containers(pod)) == 2, "nothing is removed before the server has spoken"
    machine.herd.synced(machine.view.synced(machine.number))
    wait_for(lambda: not machine.containers(pod), "removal")
    wait_for(lambda: not (machine.state / "pods" / pod.metadata.uid).exists(), "removal of files")


def test_a_server_that_believes_otherwise_is_told_again(machine: Machine) -> None:
    pod = machine.run(app())
    status = machine.ready(pod)
    told = len(machine.history)
    pod.status = status
    machine.put("pods", pod)
    wait_for(lambda: all(each.settled for each in machine.herd.workers()), "rest")
    assert len(machine.history) == told, "its own report coming back is no news"
    lost = types.Condition("Ready", "False", "NodeLost")
    pod.status = types.PodStatus(phase="Running", conditions=[lost])  # the node was taken for lost
    machine.put("pods", pod)
    wait_for(lambda: len(machine.history) > told, "second report")
    assert machine.history[-1].status == status


def test_a_deleted_pod_has_its_grace_and_is_then_gone(machine: Machine) -> None:
    pod = machine.run(app("sh", "-c", "trap 'echo stopping; sleep 0.3; exit 0' TERM; sleep 1000 & wait"))
    machine.ready(pod)
    since = Stopwatch()
    machine.delete(pod, grace=10)
    wait_for(lambda: machine.gone(pod), "report that it is gone")
    assert since.elapsed >= 0.3 and since.calm < 5
    assert machine.containers(pod) == []
    assert machine.network.attached == {}
    assert "Killing" in machine.reasons(pod)
    machine.put("pods", pod, deleted=True)
    other = machine.run(app(), name="other")
    machine.ready(other)
    assert [each.record.uid for each in machine.herd.workers()] == [other.metadata.uid]


def test_a_container_that_will_not_stop_is_killed_after_the_grace(machine: Machine) -> None:
    pod = machine.run(app("sleep", "1000"))  # as process 1 it ignores SIGTERM
    machine.ready(pod)
    since = Stopwatch()
    machine.delete(pod, grace=1)
    wait_for(lambda: machine.gone(pod), "report that it is gone")
    assert since.elapsed >= 1 and since.calm < 4


def test_a_pod_that_the_server_forgot_is_an_orphan_until_nothing_of_it_is_left(machine: Machine) -> None:
    pod = machine.run(app("sleep", "1000"))
    machine.ready(pod)
    assert not machine.herd.has_orphans()
    machine.put("pods", pod, deleted=True)
    assert machine.herd.has_orphans()
    wait_for(lambda: not machine.herd.has_orphans(), "its end")
    assert machine.containers(pod) == []


def test_a_pod_that_is_done_keeps_its_containers_and_frees_its_sandbox(machine: Machine) -> None:
    pod = machine.run(app("sh", "-c", "echo done > /dev/termination-log"), restart_policy="Never")
    wait_for(lambda: machine.reported(pod).is_finished, "end")
    status = machine.reported(pod)
    assert status.phase == "Succeeded"
    ended = status.container_statuses[0].state.terminated
    assert ended is not None and (ended.reason, ended.message) == ("Completed", "done\n")
    wait_for(lambda: len(machine.containers(pod)) == 1, "removal of the sandbox")
    machine.restart()
    machine.put("pods", pod)
    wait_for(lambda: all(each.settled for each in machine.herd.workers()), "rest")
    assert machine.reported(pod).phase == "Succeeded"
    assert len(machine.containers(pod)) == 1, "an ended pod does not start again"


def test_a_failed_pod_says_how_it_failed(machine: Machine) -> None:
    pod = machine.run(
        app("sh", "-c", "echo the disk is full; exit 3", termination_message_policy="FallbackToLogsOnError"),
        restart_policy="Never",
    )
    wait_for(lambda: machine.reported(pod).phase == "Failed", "failure")
    ended = machine.container(pod).state.terminated
    assert ended is not None
    assert (ended.exit_code, ended.reason, ended.message) == (3, "Error", "the disk is full\n")


def test_the_second_crash_waits(machine: Machine) -> None:
    pod = machine.run(app("false"))

    def crashing() -> bool:
        waiting = machine.container(pod).state.waiting
        return waiting is not None and waiting.reason == "CrashLoopBackOff"

    wait_for(crashing, "back-off")
    status = machine.container(pod)
    assert status.restart_count == 1, "the first restart is immediate, the second waits"
    assert status.state.waiting is not None and "back-off 10s restarting" in status.state.waiting.message
    assert status.last_state.terminated is not None and status.last_state.terminated.exit_code == 1
    assert machine.reported(pod).phase == "Running"
    assert "BackOff" in machine.reasons(pod)


def test_a_command_that_does_not_exist_is_told_in_words(machine: Machine) -> None:
    pod = machine.run(app("/no/such/command"), restart_policy="Never")
    wait_for(lambda: machine.container(pod).state.terminated, "end")
    ended = machine.container(pod).state.terminated
    assert ended is not None and ended.reason == "ContainerCannotRun"
    assert "/no/such/command" in ended.message


def test_a_pod_waits_until_its_services_are_known(machine: Machine) -> None:
    pod = types.Pod(
        metadata=types.ObjectMeta(name="early", namespace="default", uid="early", resource_version="9"),
        spec=types.PodSpec(containers=[app()], restart_policy="Always", node_name="node-1"),
    )
    machine.view.changed(_changed(9, pod))
    machine.herd.synced(machine.view.synced(8))
    wait_for(lambda: machine.reported(pod).phase == "Pending", "first report")
    wait_for(lambda: all(each.settled for each in machine.herd.workers()), "rest")
    assert machine.containers(pod) == []
    machine.view.changed(_changed(9, pod))
    machine.herd.synced(machine.view.synced(9))
    machine.ready(pod)


def _changed(number: int, pod: types.Pod, type: str = "MODIFIED") -> protocol.Changed:
    raw = protocol.raw(types.encode(pod))
    return protocol.Changed(number=number, type=type, kind="pods", object=raw)


def _deleted(machine: Machine, pod: types.Pod) -> protocol.Changed:
    return _changed(machine.number + 1, pod, "DELETED")
