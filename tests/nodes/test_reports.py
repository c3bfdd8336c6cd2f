"""Reports on the real store: only the own pods, only what changed, never backwards."""

from typing import Any

import pytest

from apps.cluster import log, store, types
from apps.cluster.actors import system
from apps.cluster.errors import ApiError, NotFound
from apps.cluster.kinds import EVENT, NODE, POD
from apps.cluster.types import agent
from apps.nodes import reports
from tests.builders import build

pytestmark = pytest.mark.usefixtures("cluster")
TEST = system("test")


def taken(node: str, part: reports.Report) -> list[str]:
    (notes,) = reports.take([(node, part)])
    assert isinstance(notes, list)
    return notes


def statuses(node: str, items: list[agent.PodReport]) -> list[str]:
    return taken(node, agent.StatusBatch(seq=1, items=items))


def events(node: str, items: list[agent.EventReport]) -> list[str]:
    return taken(node, agent.EventBatch(seq=1, items=items))


def describe(node: str, told: agent.NodeReport) -> None:
    taken(node, told)


def bound(name: str = "web", on: str = "n1") -> types.Pod:
    def write(tx: Any) -> types.Pod:
        tx.create(POD, build(POD, name=name))
        pod: types.Pod = tx.bind("default", name, on)
        return pod

    return store.write(TEST, write)


def report(pod: types.Pod, phase: str = "Running", **rest: Any) -> agent.PodReport:
    meta = pod.metadata
    status = types.PodStatus(phase=phase, conditions=[types.Condition(type="Ready", status="True")])
    return agent.PodReport(namespace=meta.namespace, name=meta.name, uid=meta.uid, status=status, **rest)


def read(name: str = "web") -> types.Pod:
    pod: types.Pod = store.get(POD, "default", name).object
    return pod


def test_a_report_becomes_the_pods_status() -> None:
    assert statuses("n1", [report(bound())]) == []
    status = read().status
    assert status.phase == "Running"
    assert {condition.type: condition.status for condition in status.conditions} == {
        "Ready": "True", "PodScheduled": "True",
    }  # fmt: skip


def test_the_same_report_again_is_no_write() -> None:
    item = report(bound())
    statuses("n1", [item])
    before = store.clock()
    assert statuses("n1", [item, item]) == []
    assert store.clock() == before


def test_a_whole_batch_is_written_though_one_item_is_refused() -> None:
    mine, theirs = bound("mine"), bound("theirs", on="n2")
    stale = report(bound("gone"))
    stale.uid = "00000000-0000-0000-0000-000000000000"
    notes = statuses("n1", [report(theirs), stale, report(mine)])
    assert notes == ["default/theirs: it belongs to node n2", "default/gone: it is no more"]
    assert read("mine").status.phase == "Running"
    assert read("theirs").status.phase == "Pending"


def test_gone_finishes_a_deletion_and_nothing_else() -> None:
    pod = bound()
    gone = report(pod, gone=True)
    assert "nobody deleted it" in statuses("n1", [gone])[0]
    assert read().metadata.uid == pod.metadata.uid
    assert store.write(TEST, lambda tx: tx.delete(POD, "default", "web")) is not None, "it waits for its node"
    assert statuses("n1", [gone]) == []
    with pytest.raises(NotFound):
        read()
    assert statuses("n1", [gone]) == ["default/web: it is no more"]


def test_an_ended_pod_stays_ended() -> None:
    pod = bound()
    statuses("n1", [report(pod, "Failed")])
    assert statuses("n1", [report(pod)]) == [
        "default/web: it has ended (Failed) and does not come back"
    ]
    assert read().status.phase == "Failed"


def described(**labels: str) -> agent.NodeReport:
    status = types.NodeStatus(
        capacity={"cpu": "2", "memory": "2Gi", "pods": "110"}, allocatable={"cpu": "2", "memory": "2Gi", "pods": "110"},
        addresses=[types.NodeAddress(type="InternalIP", address="192.0.2.5")],
    )  # fmt: skip
    return agent.NodeReport(seq=1, status=status, labels=labels, door_port=10250)


def node() -> types.Node:
    found: types.Node = store.get(NODE, "", "n1").object
    return found


def test_a_new_nodes_report_makes_its_object() -> None:
    describe(
        "n1", described(**{"kubernetes.io/arch": "amd64", "team": "mine", "kubernetes.io/hostname": "x"})
    )
    made = node()
    assert made.metadata.labels == {"kubernetes.io/arch": "amd64", "kubernetes.io/hostname": "n1"}
    assert made.status.capacity["cpu"] == "2"
    assert [(condition.type, condition.status) for condition in made.status.conditions] == [("Ready", "True")]


def test_a_report_without_news_is_no_write() -> None:
    describe("n1", described())
    before = store.clock()
    describe("n1", described())
    assert store.clock() == before


def test_a_node_that_is_back_loses_the_taint_and_keeps_what_people_set() -> None:
    describe("n1", described())

    def lose(tx: Any) -> None:
        lost = tx.get(NODE, "", "n1")
        lost.metadata.labels["disk"] = "ssd"
        lost.spec.taints = [
            types.Taint(key="node.kubernetes.io/unreachable", effect="NoExecute"),
            types.Taint(key="dedicated", effect="NoSchedule"),
        ]
        lost = tx.update(NODE, lost)
        lost.status.conditions = [types.Condition(type="Ready", status="Unknown")]
        tx.update(NODE, lost, part="status")

    store.write(TEST, lose)
    describe("n1", described())
    back = node()
    assert [taint.key for taint in back.spec.taints] == ["dedicated"]
    assert back.metadata.labels["disk"] == "ssd"
    assert back.status.conditions[0].status == "True"


def told(pod: types.Pod, **rest: Any) -> agent.EventReport:
    given = {"namespace": "default", "name": pod.metadata.name, "uid": pod.metadata.uid, "reason": "Started",
             "message": "Started container app", **rest}  # fmt: skip
    return agent.EventReport(**given)


def test_what_happened_to_a_pod_is_told_once_and_counted() -> None:
    pod = bound()
    for _ in range(3):
        assert events("n1", [told(pod, container="app")]) == []
    (row,) = store.list(EVENT).rows
    event: types.Event = row.object
    assert (event.count, event.source.component, event.source.host) == (3, "kubelet", "n1")
    assert event.involved_object.field_path == "spec.containers{app}"


def test_a_node_tells_about_itself_and_not_about_others_pods() -> None:
    describe("n1", described())
    theirs = bound("theirs", on="n2")
    notes = events(
        "n1", [told(theirs), told(theirs, uid="", name="n2", reason="Rebooted", type="Strange")]
    )
    assert notes == ["default/theirs: it belongs to node n2"]
    (row,) = store.list(EVENT).rows
    event: types.Event = row.object
    assert (event.involved_object.kind, event.involved_object.name, event.type) == ("Node", "n1", "Normal")


def test_what_many_nodes_tell_is_one_write_and_each_speaks_for_itself() -> None:
    mine, theirs = bound("mine"), bound("theirs", on="n2")
    strange = agent.NodeReport(seq=1, status=types.NodeStatus(), labels={"kubernetes.io/arch": "no such value!"})
    before = store.clock()
    first, second, third = reports.take([
        ("n1", agent.StatusBatch(seq=1, items=[report(mine)])),
        ("n3", strange),
        ("n2", agent.EventBatch(seq=1, items=[told(theirs), told(mine)])),
    ])  # fmt: skip
    assert (first, third) == ([], ["default/mine: it belongs to node n1"])
    assert isinstance(second, ApiError)
    assert "labels" in second.message
    assert store.find(NODE, "", "n3") is None
    written = [(change.kind_key, change.name.split(".")[0], change.actor) for change in log.after(before)]
    assert written == [("pods", "mine", "system:node:n1"), ("events", "theirs", "system:node:n2")]
