"""What the scheduler reads out of pods and nodes."""

from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import NODE, POD
from apps.scheduler.needs import UNSAID_CPU, UNSAID_MEMORY, facts_of, needs_of
from tests.builders import build, containers

MIB = 2**20


def asking(*resources: types.ResourceRequirements) -> types.Pod:
    made: types.Pod = build(POD)
    made.spec.containers = [
        types.Container(name=f"c{number}", image="redis", resources=one)
        for number, one in enumerate(resources)
    ]
    return made


@pytest.mark.parametrize(
    ("pod", "cpu", "memory"),
    [
        pytest.param(build(POD), 0, 0, id="nothing asked"),
        pytest.param(
            asking(types.ResourceRequirements(requests={"cpu": "250m", "memory": "64Mi"})),
            250,
            64 * MIB,
            id="one",
        ),
        pytest.param(
            asking(
                types.ResourceRequirements(requests={"cpu": "250m"}),
                types.ResourceRequirements(requests={"cpu": 1, "memory": "1Mi"}),
            ),
            1250,
            MIB,
            id="containers are added up",
        ),
        pytest.param(
            asking(types.ResourceRequirements(limits={"cpu": "2", "memory": "1Mi"})),
            2000,
            MIB,
            id="a limit is a request",
        ),
        pytest.param(
            asking(types.ResourceRequirements(limits={"cpu": "2"}, requests={"cpu": "1"})),
            1000,
            0,
            id="a request goes before its limit",
        ),
    ],
)
def test_requests(pod: types.Pod, cpu: int, memory: int) -> None:
    needs = needs_of(pod)
    assert (needs.cpu, needs.memory) == (cpu, memory)


def test_a_pod_that_asks_for_nothing_still_weighs_something() -> None:
    assert needs_of(build(POD)).weight == (UNSAID_CPU, UNSAID_MEMORY)


def test_host_ports_are_told_and_every_address_is_none() -> None:
    ports = [
        types.ContainerPort(container_port=80, host_port=8080, host_ip="0.0.0.0"),
        types.ContainerPort(container_port=53, host_port=53, protocol="UDP", host_ip="10.0.0.1"),
        types.ContainerPort(container_port=81),
    ]
    needs = needs_of(build(POD, spec__containers=containers(ports=ports)))
    assert needs.ports == (("TCP", "", 8080), ("UDP", "10.0.0.1", 53))


@pytest.mark.parametrize(("name", "ours"), [("", True), ("default-scheduler", True), ("mine", False)])
def test_only_pods_of_this_scheduler_are_ours(name: str, ours: bool) -> None:
    assert needs_of(build(POD, spec__scheduler_name=name)).ours is ours


def ready(status: str) -> list[types.Condition]:
    return [types.Condition(type="Ready", status=status)]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        pytest.param(
            {"status__allocatable": {"cpu": "2", "memory": "1Mi", "pods": "9"}}, (2000, MIB, 9), id="said"
        ),
        pytest.param(
            {"status__capacity": {"cpu": "500m"}}, (500, 0, 110), id="capacity when nothing else is known"
        ),
        pytest.param({}, (0, 0, 110), id="nothing said"),
    ],
)
def test_room_of_a_node(changes: dict[str, Any], wanted: tuple[int, int, int]) -> None:
    facts = facts_of(build(NODE, **changes))
    assert (facts.cpu, facts.memory, facts.pods) == wanted


@pytest.mark.parametrize(
    ("conditions", "is_ready"),
    [(ready("True"), True), (ready("False"), False), (ready("Unknown"), False), ([], False)],
)
def test_a_node_is_ready_only_when_it_says_so(conditions: list[types.Condition], is_ready: bool) -> None:
    assert facts_of(build(NODE, status__conditions=conditions)).ready is is_ready


def test_preferences_keep_no_pod_away() -> None:
    taints = [types.Taint(key=key, effect=key) for key in ("NoSchedule", "NoExecute", "PreferNoSchedule")]
    kept = facts_of(build(NODE, spec__taints=taints)).taints
    assert [effect for _, _, effect in kept] == ["NoSchedule", "NoExecute"]
