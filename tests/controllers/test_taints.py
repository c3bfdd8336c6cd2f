"""Taints that ask pods to leave, as a user sets them: without saying since when."""

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import NODE, POD
from apps.controllers.node_lifecycle import NodeLifecycle
from apps.nodes.models import Heartbeat
from tests.harness import add_nodes, create, edit, find, objects, settle

pytestmark = pytest.mark.usefixtures("ruled")


@pytest.fixture
def node() -> Any:
    add_nodes("node-1")
    Heartbeat.objects.create(node="node-1", at=datetime.now(UTC))
    for name, seconds in (("bears-nothing", None), ("bears-a-while", 3600), ("bears-all", -1)):
        toleration = types.Toleration(key="repair", operator="Exists", effect="NoExecute")
        toleration.toleration_seconds = seconds if seconds != -1 else None
        create(POD, name=name, spec__tolerations=[toleration] if seconds else [])
    settle()
    found = find(NODE, "node-1")
    assert found is not None
    return found


def taint(effect: str, value: str = "") -> types.Taint:
    return types.Taint(key="repair", effect=effect, value=value)


def leaving() -> set[str]:
    return {pod.metadata.name for pod in objects(POD) if pod.metadata.deletion_timestamp is not None}


def test_pods_that_do_not_tolerate_it_leave_at_once_and_others_when_their_time_is_over(
    node: types.Node,
) -> None:
    edit(NODE, "node-1", lambda node: setattr(node.spec, "taints", [taint("NoExecute")]))
    settle([NodeLifecycle()])
    assert leaving() == {"bears-nothing"}
    since = types.now().timestamp() - 3601

    def long_ago(node: Any) -> None:
        node.spec.taints[0].time_added = datetime.fromtimestamp(since, UTC)

    edit(NODE, "node-1", long_ago)
    settle([NodeLifecycle()])
    assert leaving() == {"bears-nothing", "bears-a-while"}


def test_the_time_counts_from_when_the_taint_was_set_and_stays_while_it_does(node: Any) -> None:
    stored = edit(
        NODE, "node-1", lambda node: setattr(node.spec, "taints", [taint("NoExecute"), taint("NoSchedule")])
    )
    first, other = stored.spec.taints
    assert first.time_added is not None and other.time_added is None
    again = edit(NODE, "node-1", lambda node: setattr(node.spec, "taints", [taint("NoExecute")]))
    assert again.spec.taints[0].time_added == first.time_added


@pytest.mark.parametrize("effect", ["NoSchedule", "PreferNoSchedule"])
def test_the_other_effects_move_nobody(node: Any, effect: str) -> None:
    edit(NODE, "node-1", lambda node: setattr(node.spec, "taints", [taint(effect)]))
    settle([NodeLifecycle()])
    assert leaving() == set()
