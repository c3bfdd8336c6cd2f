"""Containers that are added to a pod that runs: when they begin, what they see, and that they change nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.cluster import types
from node_agent.pods import plan
from node_agent.pods.plan import next_step
from node_agent.pods.sight import Life, Sight
from node_agent.pods.status import lives_from, pod_status
from node_agent.runtime.base import State
from tests.agent.machine import IMAGE, Machine, app, wait_for
from tests.agent.test_plan import NOW, OVER, POD, RUN, WAITS, WIRED, pod, seen


def looked_at(target: str = "", policy: str = "Always") -> types.Pod:
    found = pod("app", policy=policy)
    found.spec.ephemeral_containers = [
        types.EphemeralContainer(name="look", image="busybox", target_container_name=target)
    ]
    return found


BOTH = {"app": RUN, "look": RUN}
CRASHED = (POD, seen("app", 1, State.EXITED))


@pytest.mark.parametrize(
    ("name", "target", "sight", "step"),
    [
        ("beside what runs", "", Sight(seen=(POD, seen("app")), address=WIRED, lives={"app": RUN}),
         plan.MakeContainer("look", 0, "POD-0")),
        ("beside what is in its back-off", "", Sight(seen=CRASHED, address=WIRED, lives={"app": WAITS}),
         plan.MakeContainer("look", 0, "POD-0")),
        ("not before what it looks at", "app", Sight(seen=CRASHED, address=WIRED, lives={"app": WAITS}),
         plan.Settled(WAITS.backoff.due(NOW))),
        ("with what it looks at", "app", Sight(seen=(POD, seen("app")), address=WIRED, lives={"app": RUN}),
         plan.MakeContainer("look", 0, "POD-0")),
        ("made", "", Sight(seen=(POD, seen("app"), seen("look", state=State.CREATED)), address=WIRED, lives=BOTH),
         plan.StartContainer("look-0", "look")),
        ("ended, for good", "", Sight(seen=(POD, seen("app"), seen("look", state=State.EXITED)), address=WIRED,
                                      lives={"app": RUN, "look": OVER}), plan.Settled()),
        ("its sandbox was another", "", Sight(
            seen=(seen("POD", 1, pid=43), seen("app", 1, sandbox="POD-1")), address=WIRED,
            lives={"app": Life(attempt=1), "look": OVER},
        ), plan.Settled()),
        ("stopped with the rest", "", Sight(seen=(POD, seen("app"), seen("look")), address=WIRED, lives=BOTH,
                                            ending=True), plan.Terminate(("app-0", "look-0"))),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)  # fmt: skip
def test_it_runs_once_beside_the_others(name: str, target: str, sight: Sight, step: plan.Step) -> None:
    assert next_step(looked_at(target), sight, NOW) == step


def test_a_pod_is_over_when_its_own_containers_are_and_ends_the_one_that_looks() -> None:
    ended = seen("app", state=State.EXITED)
    sight = Sight(seen=(POD, ended, seen("look")), address=WIRED, lives={"app": OVER, "look": RUN})
    assert next_step(looked_at(policy="Never"), sight, NOW) == plan.Terminate(("look-0",))


def told(found: types.Pod, sight: Sight) -> types.PodStatus:
    return pod_status(found, sight, before=types.PodStatus(), host_ip="10.0.0.1", now=NOW)


def test_it_is_told_apart_and_counts_for_nothing() -> None:
    runs = Sight(seen=(POD, seen("app"), seen("look")), address=WIRED, lives=BOTH)
    status = told(looked_at(), runs)
    (look,) = status.ephemeral_container_statuses
    assert look.state.running is not None and not look.ready and not look.started
    assert status.phase == "Running"
    assert all(condition.status == "True" for condition in status.conditions)
    failed = replace(runs, seen=(POD, seen("app"), seen("look", state=State.EXITED)), lives={"app": RUN, "look": OVER})
    status = told(looked_at(), failed)
    assert status.ephemeral_container_statuses[0].state.terminated is not None
    assert status.phase == "Running" and all(condition.status == "True" for condition in status.conditions)
    assert lives_from(types.PodStatus(ephemeral_container_statuses=[look])).keys() == set()


def test_what_it_waits_for_is_said() -> None:
    waits = Sight(seen=CRASHED, address=WIRED, lives={"app": WAITS})
    (look,) = told(looked_at("app"), waits).ephemeral_container_statuses
    assert look.state.waiting == types.ContainerStateWaiting(
        "ContainerCreating", 'container "app" does not run: there is nothing to look at'
    )


@pytest.mark.docker
def test_it_sees_the_processes_of_the_container_it_names(machine: Machine) -> None:
    found = machine.run(app("sleep", "1000"))
    machine.ready(found)
    own = machine.container(found).container_id
    found.spec.ephemeral_containers = [
        types.EphemeralContainer(
            name=name, target_container_name=target, image=IMAGE, image_pull_policy="IfNotPresent",
            command=["sh", "-c", "cat /proc/1/cmdline; exit 3"],
        )
        for name, target in (("look", "app"), ("alone", ""))
    ]  # fmt: skip
    machine.put("pods", found)

    def ended() -> list[types.ContainerStatus] | None:
        each = machine.reported(found).ephemeral_container_statuses
        return each if len(each) == 2 and all(one.state.terminated for one in each) else None

    look, alone = wait_for(ended, "end of both")
    assert look.state.terminated is not None and look.state.terminated.exit_code == 3
    output = {each.name: machine.api.logs(each.container_id.removeprefix("docker://")) for each in (look, alone)}
    assert b"1000" in output["look"] and b"1000" not in output["alone"]
    machine.restart()
    status = machine.ready(found)
    assert status.container_statuses[0].container_id == own
    assert [each.restart_count for each in status.ephemeral_container_statuses] == [0, 0]
    assert len(machine.containers(found)) == 4, "the sandbox, the pod's own, and those that looked"
