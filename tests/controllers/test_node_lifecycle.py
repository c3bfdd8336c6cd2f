"""Nodes that fall silent: what is said of them, what becomes of their pods, and when nothing may be
concluded."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import store, types
from apps.cluster.actors import system
from apps.cluster.kinds import EVENT, NODE, POD, REPLICATION_CONTROLLER
from apps.controllers.actions import Actions, condition
from apps.controllers.node_lifecycle import NODE_LOST, NodeLifecycle, Rules, View, plan
from apps.controllers.patience import Patience
from apps.controllers.replication import Replication
from apps.controllers.taints import NOT_READY, UNREACHABLE, leaves_at
from apps.nodes.models import Heartbeat
from apps.scheduler.scheduler import Scheduler
from tests.builders import build
from tests.harness import add_nodes, create, delete, find, objects, run_pods, settle

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GRACE, STAY = timedelta(seconds=40), timedelta(seconds=60)
RULES = Rules(grace=GRACE, stay=STAY, stay_unready=2 * STAY)
LONG = timedelta(hours=1)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def node(ready: str = "True", *taints: types.Taint) -> types.Node:
    made: types.Node = build(NODE, name="node-1")
    made.metadata.uid, made.metadata.resource_version = "node", "1"
    made.metadata.creation_timestamp = NOW - LONG
    made.status.conditions = [
        types.Condition(type="MemoryPressure", status="False"),
        types.Condition(type="Ready", status=ready, reason="AgentReady"),
    ]
    made.spec.taints = list(taints)
    return made


def pod(name: str = "a", **changes: Any) -> types.Pod:
    made: types.Pod = build(POD, name=name)
    made.metadata.uid, made.metadata.resource_version = f"uid-{name}", "2"
    made.metadata.deletion_timestamp = changes.get("deleted_at")
    made.spec.node_name = "node-1"
    made.spec.tolerations = changes.get("tolerations", [])
    made.status.phase = changes.get("phase", "Running")
    made.status.conditions = [
        types.Condition(type="Ready", status="True"),
        types.Condition(type="ContainersReady", status="True"),
    ]
    return made


def view(**changes: Any) -> View:
    """A silent node in an otherwise healthy cluster that was listened to for an hour."""
    facts: dict[str, Any] = {
        "name": "node-1",
        "node": node(),
        "heard": ago(100),
        "listening_since": NOW - LONG,
        "calm_since": NOW - LONG,
        "pods": (pod(),),
    }
    return View(**(facts | changes))


def carried_out(before: View, actions: Actions) -> View:
    """The view after its plan, as far as the node and its pods go."""
    found = before.node
    pods = {one.metadata.uid: one for one in before.pods}
    for update in actions.updates:
        assert found is not None
        found = structs_replace(found, spec=update.obj.spec)
    for told in actions.statuses:
        if told.kind is NODE:
            assert found is not None
            found = structs_replace(found, status=told.obj.status)
        else:
            pods[told.obj.metadata.uid] = told.obj
    for gone in actions.deletes:
        if gone.grace == 0:
            del pods[gone.uid]
        else:
            meta = structs_replace(pods[gone.uid].metadata, deletion_timestamp=NOW + LONG)
            pods[gone.uid] = structs_replace(pods[gone.uid], metadata=meta)
    return replace(before, node=found, pods=tuple(pods.values()))


def structs_replace(struct: Any, **changes: Any) -> Any:
    from msgspec.structs import replace as replaced

    return replaced(struct, **changes)


def ready_of(obj: Any) -> tuple[str, str]:
    found = condition(obj.status.conditions, "Ready")
    assert found is not None
    return found.status, found.reason


def test_a_silent_node_is_unknown_tainted_and_told_of_and_its_pods_are_not_ready() -> None:
    seen = view()
    actions = plan(seen, NOW, RULES)
    after = carried_out(seen, actions)
    assert after.node is not None
    assert ready_of(after.node) == ("Unknown", "NodeStatusUnknown")
    assert {(taint.key, taint.effect) for taint in after.node.spec.taints} == {
        (UNREACHABLE, "NoSchedule"),
        (UNREACHABLE, "NoExecute"),
    }
    assert ready_of(after.pods[0]) == ("False", NODE_LOST)
    assert [note.reason for note in actions.events] == ["NodeNotReady"]
    assert not actions.deletes
    assert actions.again == NOW + STAY


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"heard": ago(39)}, id="heard within the grace"),
        pytest.param({"listening_since": ago(39)}, id="nobody listened for a whole grace: we just started"),
        pytest.param({"node": "new", "heard": None}, id="it has only just joined"),
    ],
)
def test_nothing_is_held_against_a_node(changes: dict[str, Any]) -> None:
    if changes.get("node") == "new":
        young = node()
        young.metadata.creation_timestamp = ago(10)
        changes = changes | {"node": young}
    assert plan(view(**changes), NOW, RULES).idle


def test_a_node_that_is_heard_again_is_ready_untainted_and_its_pods_are_what_their_containers_are() -> None:
    lost = carried_out(view(), plan(view(), NOW, RULES))
    back = replace(lost, heard=ago(1))
    actions = plan(back, NOW, RULES)
    after = carried_out(back, actions)
    assert after.node is not None
    assert ready_of(after.node)[0] == "True"
    assert after.node.spec.taints == []
    assert ready_of(after.pods[0])[0] == "True"
    assert [note.reason for note in actions.events] == ["NodeReady"]
    assert plan(after, NOW, RULES).idle


def test_what_the_node_says_of_itself_stands() -> None:
    seen = view(node=node("False"), heard=ago(1))
    after = carried_out(seen, plan(seen, NOW, RULES))
    assert after.node is not None
    assert ready_of(after.node) == ("False", "AgentReady")
    assert {taint.key for taint in after.node.spec.taints} == {NOT_READY}


def lost_for(seconds: float, **changes: Any) -> View:
    taint = types.Taint(key=UNREACHABLE, effect="NoExecute", time_added=ago(seconds))
    silent = node(
        "Unknown", types.Taint(key=UNREACHABLE, effect="NoSchedule", time_added=ago(seconds)), taint
    )
    return view(node=silent, heard=ago(seconds + 40), **changes)


def tolerating(seconds: int | None) -> list[types.Toleration]:
    return [
        types.Toleration(key=UNREACHABLE, operator="Exists", effect="NoExecute", toleration_seconds=seconds)
    ]


@pytest.mark.parametrize(
    ("seconds", "changes", "leaves"),
    [
        pytest.param(59, {}, False, id="not yet"),
        pytest.param(60, {}, True, id="when its stay is over"),
        pytest.param(60, {"tolerations": tolerating(300)}, False, id="tolerates for longer"),
        pytest.param(301, {"tolerations": tolerating(300)}, True, id="tolerated long enough"),
        pytest.param(5, {"tolerations": tolerating(2)}, True, id="tolerates for a shorter time"),
        pytest.param(9999, {"tolerations": tolerating(None)}, False, id="tolerates for ever"),
        pytest.param(99, {"phase": "Succeeded"}, False, id="finished anyway"),
        pytest.param(99, {"deleted_at": NOW + LONG}, False, id="leaving anyway"),
    ],
)
def test_pods_leave_a_lost_node_in_time(seconds: float, changes: dict[str, Any], leaves: bool) -> None:
    actions = plan(lost_for(seconds, pods=(pod(**changes),)), NOW, RULES)
    assert bool(actions.deletes) is leaves


@pytest.mark.parametrize(
    "weather",
    [
        pytest.param({"calm_since": None}, id="most nodes are silent"),
        pytest.param({"calm_since": ago(20)}, id="most nodes were silent until just now"),
        pytest.param({"listening_since": ago(20)}, id="we were away ourselves"),
    ],
)
def test_nobody_is_evicted(weather: dict[str, Any]) -> None:
    assert not plan(lost_for(500, **weather), NOW, RULES).deletes


@pytest.mark.parametrize(("seconds", "leaves"), [(100, False), (121, True)])
def test_a_node_that_says_it_is_not_ready_gets_more_time_than_a_silent_one(
    seconds: float, leaves: bool
) -> None:
    taint = types.Taint(key=NOT_READY, effect="NoExecute", time_added=ago(seconds))
    other = types.Taint(key=NOT_READY, effect="NoSchedule", time_added=ago(seconds))
    assert bool(plan(view(node=node("False", other, taint), heard=ago(1)), NOW, RULES).deletes) is leaves


def test_a_taint_of_the_users_evicts_at_once_even_in_a_storm() -> None:
    taint = types.Taint(key="maintenance", effect="NoExecute", value="now", time_added=ago(1))
    stays = pod("b", tolerations=[types.Toleration(key="maintenance", operator="Equal", value="now")])
    seen = view(node=node("True", taint), heard=ago(1), pods=(pod(), stays), calm_since=None)
    assert [gone.name for gone in plan(seen, NOW, RULES).deletes] == ["a"]


def test_pods_of_a_node_that_is_gone_go_for_good() -> None:
    (gone,) = plan(view(node=None), NOW, RULES).deletes
    assert (gone.name, gone.grace) == ("a", 0)


def test_a_pod_that_should_be_gone_is_not_waited_for_on_a_silent_node() -> None:
    over, not_over = pod("a", deleted_at=ago(1)), pod("b", deleted_at=NOW + LONG)
    actions = plan(lost_for(5, pods=(over, not_over)), NOW, RULES)
    assert [(gone.name, gone.grace) for gone in actions.deletes] == [("a", 0)]


@given(
    heard=st.one_of(st.none(), st.integers(0, 200).map(ago)),
    listening=st.integers(0, 200).map(ago),
    calm=st.one_of(st.none(), st.integers(0, 200).map(ago)),
    ready=st.sampled_from(["True", "False", "Unknown"]),
    lost=st.integers(0, 400),
    deleted=st.one_of(st.none(), st.integers(-50, 50).map(ago)),
)
def test_planning_again_after_carrying_out_changes_nothing(
    heard: datetime | None,
    listening: datetime,
    calm: datetime | None,
    ready: str,
    lost: int,
    deleted: datetime | None,
) -> None:
    taints = lost_for(lost).node.spec.taints if ready == "Unknown" else []  # type: ignore[union-attr]
    seen = view(
        node=node(ready, *taints), heard=heard, listening_since=listening, calm_since=calm,
        pods=(pod(deleted_at=deleted), pod("b")),
    )  # fmt: skip
    after = carried_out(seen, plan(seen, NOW, RULES))
    assert plan(after, NOW, RULES).idle


@given(
    listening=st.integers(0, 39),
    heard=st.one_of(st.none(), st.integers(0, 500).map(ago)),
    lost=st.integers(0, 5000),
)
def test_whoever_did_not_listen_for_a_grace_neither_judges_nor_evicts(
    listening: int, heard: datetime | None, lost: int
) -> None:
    since = {"listening_since": ago(listening), "calm_since": ago(listening)}
    actions = plan(replace(lost_for(lost, **since), heard=heard), NOW, RULES)
    assert not actions.deletes
    assert plan(view(heard=heard, **since), NOW, RULES).idle


def test_the_shortest_of_several_tolerations_counts() -> None:
    taint = types.Taint(key=UNREACHABLE, effect="NoExecute", time_added=NOW)
    both = pod(tolerations=[*tolerating(30), *tolerating(10)])
    assert leaves_at(both, [taint], RULES.stays()) == NOW + timedelta(seconds=10)


class TestPatience:
    def looks(self, *steps: tuple[float, float], storm: bool = False) -> Patience:
        """Looks at (wall, monotonic) seconds."""
        patience = Patience(GRACE)
        for wall, monotonic in steps:
            patience.observe(NOW + timedelta(seconds=wall), monotonic, storm=storm)
        return patience

    def test_counts_from_the_first_look_while_looks_are_frequent(self) -> None:
        assert self.looks((0, 0), (2, 2), (4, 4)).since == NOW

    @pytest.mark.parametrize(
        "look",
        [
            pytest.param((3600, 4), id="the wall clock jumped ahead, or the machine slept"),
            pytest.param((-3600, 4), id="the wall clock was set back"),
            pytest.param((50, 50), id="nobody looked for a while"),
        ],
    )
    def test_starts_anew_after(self, look: tuple[float, float]) -> None:
        assert self.looks((0, 0), (2, 2), look).since == NOW + timedelta(seconds=look[0])

    def test_is_calm_only_since_the_storm_ended(self) -> None:
        patience = self.looks((0, 0), (2, 2), storm=True)
        assert patience.calm_since is None
        patience.observe(NOW + timedelta(seconds=4), 4.0, storm=False)
        patience.observe(NOW + timedelta(seconds=6), 6.0, storm=False)
        assert patience.calm_since == NOW + timedelta(seconds=4)


@pytest.mark.usefixtures("ruled")
class TestInTheStore:
    def patient(self) -> NodeLifecycle:
        """A controller that has listened to a calm cluster for an hour."""
        controller = NodeLifecycle()
        hour_ago = datetime.now(UTC) - LONG
        controller.patience.since = controller.patience.calm_since = hour_ago

        def steady(*_: Any, **__: Any) -> None:
            """Keep it so: the test's hour has not passed on any clock."""

        controller.patience.observe = steady  # type: ignore[method-assign]
        return controller

    def hear(self, *nodes: str, seconds_ago: float = 0) -> None:
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        for name in nodes:
            Heartbeat.objects.update_or_create(node=name, defaults={"at": at})

    def age(self, *nodes: str) -> None:
        """Nodes that have been there for an hour: no write of the store can say so, so this goes behind its
        back."""
        from apps.cluster import models
        from apps.controllers import reading

        reading._decoded.clear()
        for row in models.Object.objects.filter(kind="nodes", name__in=nodes):
            made = types.decode(types.Node, row.text)
            made.metadata.creation_timestamp = types.now() - LONG
            models.Object.objects.filter(pk=row.pk).update(text=types.encode(made).decode())

    def test_a_silent_node_loses_its_pods_to_the_others_and_may_come_back(self) -> None:
        add_nodes("node-1", "node-2", "node-3")
        create(REPLICATION_CONTROLLER, spec__replicas=3)
        settle()
        run_pods(objects(POD))
        self.age("node-1", "node-2", "node-3")
        self.hear("node-2", "node-3")
        self.hear("node-1", seconds_ago=3000)
        settle([self.patient(), Replication(), Scheduler()])
        lost = find(NODE, "node-1")
        assert lost is not None
        assert ready_of(lost)[0] == "Unknown"
        assert ready_of(next(one for one in objects(POD) if one.spec.node_name == "node-1"))[0] == "False"
        assert any(event.reason == "NodeNotReady" for event in objects(EVENT))
        self.taint_long_ago("node-1")
        settle([self.patient(), Replication(), Scheduler()])
        alive = [one for one in objects(POD) if one.metadata.deletion_timestamp is None]
        assert len(alive) == 3
        assert {one.spec.node_name for one in alive} == {"node-2", "node-3"}
        self.hear("node-1")
        settle([self.patient(), Replication(), Scheduler()])
        back = find(NODE, "node-1")
        assert back is not None
        assert ready_of(back)[0] == "True"
        assert back.spec.taints == []

    def taint_long_ago(self, name: str) -> None:
        def work(tx: Any) -> None:
            stored = tx.get(NODE, "", name)
            for taint in stored.spec.taints:
                taint.time_added = types.now() - LONG
            tx.update(NODE, stored)

        store.write(system("test"), work)

    def test_a_worker_that_just_started_judges_nobody(self) -> None:
        add_nodes("node-1", "node-2", "node-3")
        self.age("node-1", "node-2", "node-3")
        self.hear("node-1", "node-2", "node-3", seconds_ago=3000)
        before = store.clock()
        settle([NodeLifecycle()])
        assert store.clock() == before

    def test_when_a_node_is_removed_its_pods_are_deleted_for_good_and_replaced(self) -> None:
        add_nodes("node-1", "node-2")
        create(REPLICATION_CONTROLLER, spec__replicas=2)
        settle()
        run_pods(objects(POD))
        delete(NODE, "node-1")
        settle()
        assert [one.spec.node_name for one in objects(POD)] == ["node-2", "node-2"]
