"""Hollow nodes: the plan and the status of real ones, without an engine."""

from __future__ import annotations

import uuid

import pytest

from apps.cluster import types
from apps.cluster.types import agent as protocol
from node_agent.hollow.node import HollowNode

NODE = "hollow-1"


class Server:
    """What a node is told, and what it reports."""

    def __init__(self) -> None:
        self.node = HollowNode(NODE, "127.0.0.1", lambda _: types.NodeStatus())
        self._number = 0

    def tell(self, kind: str, found: types.Resource, type_: str = "MODIFIED") -> None:
        self._number += 1
        found.metadata.resource_version = str(self._number)
        text = protocol.raw(types.encode(found))
        self.node.view.changed(protocol.Changed(number=self._number, type=type_, kind=kind, object=text))
        self.node.synced(self.node.view.synced(self._number))

    def has_a_network(self) -> None:
        meta = types.ObjectMeta(name=NODE, uid="n1")
        self.tell("nodes", types.Node(metadata=meta, spec=types.NodeSpec(pod_cidr="10.64.3.0/24")))

    def reports(self) -> list[protocol.PodReport]:
        """The pods' reports that wait; they count as accepted."""
        found: list[protocol.PodReport] = []
        while frames := self.node.outbox.take(events=True):
            for frame in frames:
                found += frame.items if isinstance(frame, protocol.StatusBatch) else []
                self.node.outbox.accepted(frame.seq)  # type: ignore[attr-defined]
        return found


@pytest.fixture
def server() -> Server:
    return Server()


def pod(**spec: object) -> types.Pod:
    settings: dict[str, object] = {"restart_policy": "Always", "termination_grace_period_seconds": 30}
    container = types.Container(name="app", image="busybox")
    return types.Pod(
        metadata=types.ObjectMeta(name="web", namespace="default", uid=str(uuid.uuid4())),
        spec=types.PodSpec(containers=[container], node_name=NODE, **(settings | spec)),  # type: ignore[arg-type]
    )


def ready(status: types.PodStatus) -> str:
    return next((each.status for each in status.conditions if each.type == "Ready"), "")


async def test_a_pod_becomes_ready_with_an_address_of_the_nodes_own_range(server: Server) -> None:
    server.has_a_network()
    server.tell("pods", pod())
    report = server.reports()[-1]
    assert (report.status.phase, ready(report.status)) == ("Running", "True")
    assert report.status.pod_ip == "10.64.3.2"


async def test_a_pod_waits_for_the_network(server: Server) -> None:
    server.tell("pods", pod())
    assert server.reports()[-1].status.phase == "Pending"
    server.has_a_network()
    assert ready(server.reports()[-1].status) == "True"


async def test_first_containers_end_before_the_others_start(server: Server) -> None:
    server.has_a_network()
    server.tell("pods", pod(init_containers=[types.Container(name="first", image="busybox")]))
    report = server.reports()[-1]
    assert ready(report.status) == "True"
    ended = report.status.init_container_statuses[0].state.terminated
    assert ended is not None and ended.exit_code == 0


async def test_a_deleted_pod_is_gone_at_once_and_forgotten_with_its_object(server: Server) -> None:
    server.has_a_network()
    wanted = pod()
    server.tell("pods", wanted)
    wanted.metadata.deletion_timestamp = types.now()
    wanted.metadata.deletion_grace_period_seconds = 30
    server.tell("pods", wanted)
    assert server.reports()[-1].gone
    server.tell("pods", wanted, "DELETED")
    assert server.node.pods == 0


async def test_after_a_restart_a_running_pod_is_taken_up_as_it_was(server: Server) -> None:
    server.has_a_network()
    wanted = pod()
    server.tell("pods", wanted)
    wanted.status = server.reports()[-1].status
    again = Server()
    again.has_a_network()
    again.tell("pods", wanted)
    for report in again.reports():
        assert report.status.pod_ip == wanted.status.pod_ip
        assert report.status.container_statuses == wanted.status.container_statuses
