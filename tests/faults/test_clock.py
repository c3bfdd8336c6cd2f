"""A clock that jumps: nobody is held to be lost, and nothing is evicted, because the wall clock moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.cluster.kinds import NODE, POD, REPLICATION_CONTROLLER
from apps.controllers.follow import configured
from apps.nodes import heartbeats
from tests.harness import add_nodes, create, follower, install_roles, objects, run_pods

pytestmark = pytest.mark.usefixtures("cluster")

NODES = ("n1", "n2", "n3")
HOUR = timedelta(hours=1)


class Clock:
    """The wall clock of a worker: the true time, and a jump."""

    def __init__(self) -> None:
        self.jump = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.jump


def beat(at: datetime) -> None:
    for name in NODES:
        heartbeats.claim(name, f"connection of {name}", at)


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 30 * HOUR], ids=["forward", "back", "a day and more"])
def test_a_jump_of_the_clock_loses_no_node_and_evicts_nothing(jump: timedelta) -> None:
    install_roles()
    add_nodes(*NODES)
    clock = Clock()
    beat(clock())
    create(REPLICATION_CONTROLLER, spec__replicas=3)
    worker = follower(configured(), present=clock, resync_every=0)
    worker.follow()
    run_pods(objects(POD))
    before = {pod.metadata.uid for pod in objects(POD)}
    clock.jump = jump
    for _ in range(3):
        worker.resync()
    beat(clock())
    for _ in range(3):
        worker.resync()
    assert {pod.metadata.uid for pod in objects(POD)} == before
    assert all(pod.metadata.deletion_timestamp is None for pod in objects(POD))
    ready = [
        condition.status
        for node in objects(NODE)
        for condition in node.status.conditions
        if condition.type == "Ready"
    ]
    assert ready == ["True"] * len(NODES)
