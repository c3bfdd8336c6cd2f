"""Priority, gates and wishes in a real store, from what a client sends to who runs where."""

from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.errors import Forbidden, Invalid
from apps.cluster.kinds import EVENT, NAMESPACE, NODE, POD, PRIORITY_CLASS
from apps.cluster.kinds.priorities import system_classes
from apps.scheduler.evict import preempt
from apps.scheduler.place import place
from apps.scheduler.scheduler import ACTOR, Scheduler
from apps.scheduler.view import Eye
from apps.scheduler.why import Explainer
from tests.harness import TESTER, add_nodes, create, delete, edit, find, objects, settle, stop_pod
from tests.scheduler.cluster import far, near, term
from tests.scheduler.test_schedules import asking, node_of, refusal_of

pytestmark = pytest.mark.usefixtures("ruled")


def classes(**values: int) -> None:
    for name, value in values.items():
        create(PRIORITY_CLASS, name=name, value=value)


def test_a_pod_gets_the_priority_of_its_class_or_of_the_default_one_or_none() -> None:
    classes(high=1000)
    create(POD, name="before")
    create(PRIORITY_CLASS, name="usual", value=7, global_default=True, preemption_policy="Never")
    create(POD, name="named", spec__priority_class_name="high")
    create(POD, name="silent")
    ranks = {pod.metadata.name: (pod.spec.priority_class_name, pod.spec.priority, pod.spec.preemption_policy)
             for pod in objects(POD)}  # fmt: skip
    assert ranks == {
        "before": ("", 0, "PreemptLowerPriority"),
        "named": ("high", 1000, "PreemptLowerPriority"),
        "silent": ("usual", 7, "Never"),
    }


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"spec__priority_class_name": "none"}, "no PriorityClass with name none was found"),
        ({"spec__priority": 5}, "the integer value of priority (5) must not be provided in pod spec"),
        (
            {"spec__preemption_policy": "Never"},
            "the string value of PreemptionPolicy (Never) must not be provided",
        ),
        (
            {"spec__priority_class_name": "system-node-critical"},
            "needs the namespace kube-system, or one with the label",
        ),
    ],
)
def test_a_pod_cannot_give_itself_a_priority(spec: dict[str, Any], why: str) -> None:
    for found in system_classes():
        create(PRIORITY_CLASS, found)
    with pytest.raises(Forbidden) as refusal:
        create(POD, **spec)
    assert why in refusal.value.message
    assert refusal.value.causes


def test_the_systems_classes_are_for_its_own_namespace_and_for_privileged_ones() -> None:
    for found in system_classes():
        create(PRIORITY_CLASS, found)
    label = {"pod-security.kubernetes.io/enforce": "privileged"}
    create(NAMESPACE, name="kube-system")
    create(NAMESPACE, name="trusted", labels=label)
    for namespace in ("kube-system", "trusted"):
        made = create(POD, namespace=namespace, spec__priority_class_name="system-cluster-critical")
        assert made.spec.priority == 2_000_000_000
    with pytest.raises(Forbidden, match="the system's own classes stay"):
        delete(PRIORITY_CLASS, "system-cluster-critical")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"value": 1_000_000_001}, "value: Invalid value: 1000000001: must be between"),
        ({"name": "system-mine"}, "metadata.name: Forbidden: priority class names with 'system-' prefix"),
        ({"preemption_policy": "Always"}, 'preemptionPolicy: Unsupported value: "Always"'),
    ],
)
def test_a_class_must_make_sense(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        create(PRIORITY_CLASS, **changes)
    assert why in refusal.value.message


def test_only_one_class_speaks_for_pods_that_name_none_and_values_stand() -> None:
    create(PRIORITY_CLASS, name="one", global_default=True)
    with pytest.raises(Forbidden, match="PriorityClass one is already marked as default"):
        create(PRIORITY_CLASS, name="two", global_default=True)
    with pytest.raises(Invalid, match="value: Forbidden: may not be changed in an update"):
        edit(PRIORITY_CLASS, "one", lambda found: setattr(found, "value", 1))


def full_of_lesser_pods() -> None:
    classes(high=1000, low=-10)
    add_nodes("node-1", cpu="1")
    for name in ("x", "y"):
        create(POD, name=name, spec__containers=asking(cpu="500m"), spec__priority_class_name="low")
    settle()


def test_a_pod_of_lower_priority_leaves_gracefully_and_the_other_takes_its_place() -> None:
    full_of_lesser_pods()
    create(POD, name="urgent", spec__containers=asking(cpu="500m"), spec__priority_class_name="high")
    settle()
    (victim,) = [pod for pod in objects(POD) if pod.metadata.deletion_timestamp is not None]
    assert victim.metadata.deletion_grace_period_seconds == 30
    urgent = find(POD, "urgent")
    assert urgent is not None and urgent.status.nominated_node_name == "node-1"
    assert refusal_of("urgent").endswith("Pods of lower priority leave node node-1 for it.")
    (event,) = [event for event in objects(EVENT) if event.reason == "Preempted"]
    assert event.involved_object.name == victim.metadata.name
    assert event.message == f"Preempted by pod {urgent.metadata.uid} of priority 1000 on node node-1"
    create(POD, name="thief", spec__containers=asking(cpu="500m"))
    stop_pod(victim.metadata.name)
    settle()
    assert node_of("urgent") == "node-1"
    assert node_of("thief") == ""


def test_nobody_leaves_a_node_that_changed_meanwhile() -> None:
    full_of_lesser_pods()
    create(POD, name="urgent", spec__containers=asking(cpu="500m"), spec__priority_class_name="high")
    create(POD, name="other", spec__scheduler_name="mine")
    scheduler, view = Scheduler(), Eye().look()
    assert view is not None
    decisions = place(view.snapshot, view.pending, scheduler.filters, scheduler.scores)
    assert any(decision.victims for decision in decisions)
    store.write(TESTER, lambda tx: tx.bind("default", "other", "node-1"))
    assert preempt(ACTOR, decisions, view.bound) is False
    assert all(pod.metadata.deletion_timestamp is None for pod in objects(POD))


def test_a_nomination_that_came_to_nothing_is_taken_back() -> None:
    full_of_lesser_pods()
    create(POD, name="urgent", spec__containers=asking(cpu="500m"), spec__priority_class_name="high")
    settle()
    edit(NODE, "node-1", lambda node: setattr(node.spec, "unschedulable", True))
    settle()
    urgent = find(POD, "urgent")
    assert urgent is not None and urgent.status.nominated_node_name == ""
    assert refusal_of("urgent") == "0/1 nodes are available: 1 cordoned."


def test_a_gated_pod_waits_until_its_gates_are_open() -> None:
    add_nodes("node-1")
    gates = [types.PodSchedulingGate(name="example.com/a"), types.PodSchedulingGate(name="example.com/b")]
    create(POD, name="x", spec__scheduling_gates=gates)
    settle()
    pod = find(POD, "x")
    assert pod is not None and pod.spec.node_name == ""
    assert [(each.reason, each.status) for each in pod.status.conditions] == [("SchedulingGated", "False")]
    status = next(column for column in POD.columns if column.name == "Status")
    assert status.cell(pod, types.now()) == "SchedulingGated"
    edit(POD, "x", lambda pod: pod.spec.scheduling_gates.pop())
    settle()
    assert node_of("x") == ""
    with pytest.raises(Invalid, match="only deletion is allowed"):
        edit(POD, "x", lambda pod: pod.spec.scheduling_gates.append(types.PodSchedulingGate(name="c")))
    edit(POD, "x", lambda pod: setattr(pod.spec, "scheduling_gates", []))
    settle()
    assert node_of("x") == "node-1"


def test_a_pod_that_waits_for_company_is_placed_when_somebody_else_brings_it() -> None:
    """The other pod is bound by another scheduler, which only the log tells."""
    add_nodes("node-1", "node-2")
    create(POD, name="follower", spec__affinity=near(term()))
    create(POD, name="leader", labels={"app": "web"}, spec__scheduler_name="mine")
    worker = settle()
    assert refusal_of("follower") == "0/2 nodes are available: 2 without a pod of app=web."
    store.write(TESTER, lambda tx: tx.bind("default", "leader", "node-2"))
    worker.follow()
    assert node_of("follower") == "node-2"


def test_every_node_tells_why_it_does_not_take_a_pod_and_what_would_help() -> None:
    add_nodes("a", "b", "c", "d")
    edit(NODE, "a", lambda node: setattr(node.spec, "unschedulable", True))
    taint = types.Taint(key="gpu", effect="NoSchedule")
    edit(NODE, "b", lambda node: setattr(node.spec, "taints", [taint]))
    create(POD, name="w", labels={"app": "web"}, spec__node_selector={"kubernetes.io/hostname": "c"})
    edit(NODE, "d", lambda node: setattr(node.spec, "unschedulable", True))
    settle()
    create(POD, name="x", spec__affinity=far(term()))
    settle()
    told = {each.node: each.words for each in Explainer().why_not("default", "x")}
    assert told == {
        "a": "cordoned",
        "b": "tainted gpu:NoSchedule",
        "c": "already running a pod of app=web",
        "d": "cordoned",
    }
    assert all(each.helps for each in Explainer().why_not("default", "x"))
    edit(NODE, "d", lambda node: setattr(node.spec, "unschedulable", None))
    assert {each.node: each.words for each in Explainer().why_not("default", "x")}["d"] == ""
    assert Explainer().why_not("default", "w") == []


def test_a_manifest_that_says_nothing_of_priority_can_be_applied_again() -> None:
    classes(high=1000)
    create(PRIORITY_CLASS, name="usual", value=7, global_default=True)
    create(POD, name="x")

    def forget(pod: types.Pod) -> None:
        pod.spec.priority, pod.spec.preemption_policy, pod.spec.priority_class_name = None, None, ""

    edit(POD, "x", forget)
    pod = find(POD, "x")
    assert pod is not None and (pod.spec.priority, pod.spec.priority_class_name) == (7, "usual")
    with pytest.raises(Invalid, match="spec.priorityClassName: Forbidden"):
        edit(POD, "x", lambda pod: setattr(pod.spec, "priority_class_name", "high"))
