"""The scheduler in a real store."""

from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.kinds import EVENT, NODE, POD, REPLICATION_CONTROLLER, SERVICE
from apps.controllers.actions import condition
from apps.scheduler.bind import bind
from apps.scheduler.place import place
from apps.scheduler.scheduler import ACTOR, PENDING, Scheduler
from apps.scheduler.view import Eye
from tests.harness import TESTER, add_nodes, create, delete, edit, find, follower, objects, settle

pytestmark = pytest.mark.usefixtures("ruled")


def asking(**requests: str) -> list[types.Container]:
    wanted = types.ResourceRequirements(requests=dict(requests))
    return [types.Container(name="app", image="redis:7", resources=wanted)]


def node_of(name: str) -> str:
    pod = find(POD, name)
    assert pod is not None
    node: str = pod.spec.node_name
    return node


def refusal_of(name: str) -> str:
    found = condition(find(POD, name).status.conditions, "PodScheduled")  # type: ignore[union-attr]
    assert found is not None
    assert (found.status, found.reason) == ("False", "Unschedulable")
    return found.message


def test_a_pod_gets_a_node_a_condition_and_an_event() -> None:
    add_nodes("node-1")
    create(POD, name="x")
    settle()
    assert node_of("x") == "node-1"
    found = condition(find(POD, "x").status.conditions, "PodScheduled")  # type: ignore[union-attr]
    assert found is not None and found.status == "True"
    (event,) = [event for event in objects(EVENT) if event.reason == "Scheduled"]
    assert event.message == "Successfully assigned default/x to node-1"
    assert event.source.component == "default-scheduler"


def test_a_pod_that_fits_nowhere_says_why_once_and_gets_its_node_when_one_comes() -> None:
    add_nodes("small", memory="1Gi")
    add_nodes("cordoned")
    edit(NODE, "cordoned", lambda node: setattr(node.spec, "unschedulable", True))
    create(POD, name="big", spec__containers=asking(memory="2Gi"))
    settle()
    assert refusal_of("big") == "0/2 nodes are available: 1 cordoned, 1 short of memory."
    (event,) = [event for event in objects(EVENT) if event.reason == "FailedScheduling"]
    assert (event.type, event.message) == ("Warning", refusal_of("big"))
    before = store.clock()
    follower().resync()
    assert store.clock() == before
    edit(NODE, "cordoned", lambda node: setattr(node.spec, "unschedulable", None))
    settle()
    assert node_of("big") == "cordoned"


def test_a_place_that_becomes_free_is_taken() -> None:
    add_nodes("node-1", cpu="1")
    create(POD, name="first", spec__containers=asking(cpu="800m"))
    settle()
    create(POD, name="second", spec__containers=asking(cpu="800m"))
    settle()
    assert node_of("second") == ""
    delete(POD, "first", grace_period_seconds=0)
    settle()
    assert node_of("second") == "node-1"


def test_a_pod_that_finished_frees_its_place() -> None:
    add_nodes("node-1", cpu="1")
    create(POD, name="first", spec__containers=asking(cpu="800m"))
    create(POD, name="second", spec__containers=asking(cpu="800m"))
    settle()
    done = next(name for name in ("first", "second") if node_of(name))
    edit(POD, done, lambda pod: setattr(pod.status, "phase", "Succeeded"))
    settle()
    assert {node_of("first"), node_of("second")} == {"node-1"}


def test_pods_of_another_scheduler_are_left_alone() -> None:
    add_nodes("node-1")
    create(POD, name="x", spec__scheduler_name="mine")
    settle()
    assert node_of("x") == ""
    assert not condition(find(POD, "x").status.conditions, "PodScheduled")  # type: ignore[union-attr]


def test_replicas_are_spread_and_bare_pods_of_a_service_too() -> None:
    add_nodes("a", "b", "c")
    create(REPLICATION_CONTROLLER, spec__replicas=3)
    settle()
    assert sorted(pod.spec.node_name for pod in objects(POD)) == ["a", "b", "c"]
    create(SERVICE, name="bare", spec__selector={"bare": "yes"})
    for number in range(3):
        create(POD, name=f"bare-{number}", labels={"bare": "yes"})
    settle()
    assert sorted(node_of(f"bare-{number}") for number in range(3)) == ["a", "b", "c"]


def test_a_node_that_somebody_else_filled_meanwhile_takes_no_more() -> None:
    """Another scheduler binds a pod between our look and our write: the decision must be made anew."""
    add_nodes("node-1", cpu="1")
    create(POD, name="ours", spec__containers=asking(cpu="800m"))
    create(POD, name="theirs", spec__scheduler_name="mine", spec__containers=asking(cpu="800m"))
    scheduler = Scheduler()
    view = Eye().look()
    assert view is not None
    decisions = place(view.snapshot, view.pending, scheduler.filters, scheduler.scores)
    store.write(TESTER, lambda tx: tx.bind("default", "theirs", "node-1"))
    assert bind(ACTOR, decisions, view.bound) is False
    assert node_of("ours") == ""
    settle()
    assert refusal_of("ours") == "0/1 nodes are available: 1 short of cpu."


@pytest.mark.parametrize("meanwhile", ["bound", "deleted", "replaced", "node gone"])
def test_decisions_that_no_longer_hold_fall_out_and_the_others_are_kept(meanwhile: str) -> None:
    add_nodes("node-1", "node-2")
    create(POD, name="a")
    create(POD, name="b")
    scheduler = Scheduler()
    view = Eye().look()
    assert view is not None
    decisions = place(view.snapshot, view.pending, scheduler.filters, scheduler.scores)
    target = {decision.pod.name: decision.node for decision in decisions}
    if meanwhile == "bound":
        store.write(TESTER, lambda tx: tx.bind("default", "a", target["a"]))
    elif meanwhile in {"deleted", "replaced"}:
        delete(POD, "a")
        if meanwhile == "replaced":
            create(POD, name="a")
    else:
        delete(NODE, target["a"])
    assert bind(ACTOR, decisions, view.bound) is False
    assert target["a"] != target["b"]
    assert node_of("b") == target["b"]
    settle()
    assert objects(POD, "default")
    assert all(pod.spec.node_name for pod in objects(POD))


def test_scheduling_twice_changes_nothing() -> None:
    add_nodes("node-1")
    create(POD, name="x")
    settle()
    before = store.clock()
    Scheduler().reconcile(PENDING, types.now())
    assert store.clock() == before


def test_filters_and_scores_are_named_in_the_settings(settings: Any) -> None:
    settings.SCHEDULER_FILTERS = ("apps.scheduler.filters.cordoned",)
    settings.SCHEDULER_SCORES = ()
    scheduler = Scheduler()
    assert [one.name for one in scheduler.filters] == ["cordoned"]
    assert scheduler.scores == ()
    create(NODE, name="never-ready")
    create(POD, name="x")
    scheduler.reconcile(PENDING, types.now())
    assert node_of("x") == "never-ready"
