"""Disruption budgets: what they count, and that no eviction takes what they keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.errors import TooManyRequests
from apps.cluster.eviction import Room, evict, room
from apps.cluster.kinds import DEPLOYMENT, POD, POD_DISRUPTION_BUDGET, REPLICATION_CONTROLLER
from apps.cluster.kinds.budgets import ALWAYS
from apps.cluster.registry import Kind
from tests.builders import build
from tests.harness import TESTER, add_nodes, create, edit, find, objects, run_pods, settle


@dataclass
class Known:
    """What can be found by its name: one controller, or none."""

    owner: Any = None

    def find(self, kind: Kind, namespace: str, name: str) -> Any:  # noqa: ARG002
        return self.owner if kind is REPLICATION_CONTROLLER else None


def budget(**spec: Any) -> types.PodDisruptionBudget:
    made: types.PodDisruptionBudget = build(POD_DISRUPTION_BUDGET)
    made.spec = types.PodDisruptionBudgetSpec(**{"selector": made.spec.selector, **spec})
    return made


def pod(name: str, *, ready: bool = True) -> types.Pod:
    made: types.Pod = build(POD, name=name, labels={"app": "sample"})
    owner = types.OwnerReference(
        api_version="v1", kind="ReplicationController", name="rc", uid="rc", controller=True
    )
    made.metadata.owner_references = [owner]
    made.status.conditions = [types.Condition(type="Ready", status=str(ready))]
    return made


@pytest.mark.parametrize(
    ("spec", "ready", "wanted"),
    [
        ({"min_available": 2}, 3, Room(3, 3, 2)),
        ({"min_available": 3}, 2, Room(3, 2, 3)),
        ({"min_available": "50%"}, 3, Room(4, 3, 2)),
        ({"max_unavailable": 1}, 3, Room(4, 3, 3)),
        ({"max_unavailable": "26%"}, 3, Room(4, 3, 2)),
        ({"max_unavailable": 9}, 3, Room(4, 3, 0)),
        ({"min_available": 0, "selector": None}, 3, Room()),
        ({"min_available": 1, "selector": types.LabelSelector()}, 3, Room(3, 3, 1)),
    ],
)
def test_a_budget_counts_pods_or_shares_of_what_their_owner_wants(
    spec: dict[str, Any], ready: int, wanted: Room
) -> None:
    owner = build(REPLICATION_CONTROLLER, name="rc", spec__replicas=4)
    owner.metadata.uid = "rc"
    pods = [pod(f"p{number}", ready=number < ready) for number in range(3)]
    assert room(budget(**spec), pods, Known(owner)) == wanted


def test_what_an_owner_does_not_say_lets_nobody_go() -> None:
    found = room(budget(max_unavailable=1), [pod("stray")], Known())
    assert found.allowed == 0
    assert 'pod "stray" has no owner' in found.why


def leave(name: str) -> None:
    store.write(TESTER, lambda tx: evict(tx, "default", name, types.DeleteOptions()))


@pytest.fixture
def running(ruled: None) -> list[types.Pod]:
    """Three ready pods of a deployment, of which two must stay."""
    add_nodes("n1")
    create(DEPLOYMENT, name="sample", spec__replicas=3)
    settle()
    run_pods(objects(POD))
    create(POD_DISRUPTION_BUDGET, name="web", spec__min_available="60%")
    settle()
    return objects(POD)


def test_a_budget_tells_how_it_stands_and_lets_so_many_go(running: list[types.Pod]) -> None:
    first, second, _ = (each.metadata.name for each in running)
    status = find(POD_DISRUPTION_BUDGET, "web").status  # type: ignore[union-attr]
    assert (status.disruptions_allowed, status.current_healthy, status.desired_healthy, status.expected_pods) == (
        1, 3, 2, 3,
    )  # fmt: skip
    leave(first)
    with pytest.raises(TooManyRequests) as refused:
        leave(second)
    assert refused.value.causes[0].message == (
        "The disruption budget web needs 2 healthy pods and has 2 currently"
    )
    leave(first)  # it leaves already: asking again takes nobody else's place
    settle()
    status = find(POD_DISRUPTION_BUDGET, "web").status  # type: ignore[union-attr]
    assert (status.disruptions_allowed, status.current_healthy) == (0, 2)
    assert [(each.type, each.status, each.reason) for each in status.conditions] == [
        ("DisruptionAllowed", "False", "InsufficientPods")
    ]


def test_two_in_one_write_cannot_both_take_the_last_place(running: list[types.Pod]) -> None:
    def both(tx: Any) -> None:
        for each in running[:2]:
            evict(tx, "default", each.metadata.name, types.DeleteOptions())

    with pytest.raises(TooManyRequests):
        store.write(TESTER, both)
    assert all(each.metadata.deletion_timestamp is None for each in objects(POD))


def test_a_pod_that_is_not_ready_goes_where_enough_others_are_or_where_it_may_always(
    running: list[types.Pod],
) -> None:
    names = [each.metadata.name for each in running]
    for name in names[:2]:
        run_pods([find(POD, name)], ready=False)  # type: ignore[list-item]
    with pytest.raises(TooManyRequests):
        leave(names[0])

    def always(found: types.PodDisruptionBudget) -> None:
        found.spec.unhealthy_pod_eviction_policy = ALWAYS

    edit(POD_DISRUPTION_BUDGET, "web", always)
    leave(names[0])
    run_pods([find(POD, names[1])])  # type: ignore[list-item]
    with pytest.raises(TooManyRequests):
        leave(names[1])
