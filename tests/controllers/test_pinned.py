"""A pod whose data is on a lost node alone is left to it: nowhere else would it find what it wrote."""

from datetime import timedelta

from apps.cluster import types
from apps.cluster.kinds import POD
from apps.cluster.kinds.storage import on_node
from apps.controllers.node_lifecycle import is_pinned, plan
from apps.controllers.reading import Reader
from tests.builders import build
from tests.controllers.test_node_lifecycle import NOW, RULES, carried_out, lost_for, node, pod, ready_of, view

PINNED = frozenset({"uid-a"})


def test_it_is_not_replaced_and_says_why() -> None:
    seen = view(pinned=PINNED, pods=(pod("a"), pod("b")))
    after = carried_out(seen, plan(seen, NOW, RULES))
    assert ready_of(after.pods[0])[0] == "False"
    told = next(each.message for each in after.pods[0].status.conditions if each.type == "Ready")
    assert told.endswith("left to it and not replaced: its data is there and nowhere else.")
    later = lost_for(9999, pinned=PINNED, pods=(pod("a"), pod("b")))
    assert [gone.name for gone in plan(later, NOW, RULES).deletes] == ["b"]


def test_its_record_is_not_dropped_while_it_may_still_write() -> None:
    leaving = pod("a", deleted_at=NOW - timedelta(seconds=1))
    assert not plan(lost_for(9999, pinned=PINNED, pods=(leaving,)), NOW, RULES).deletes


def test_a_taint_of_the_users_moves_it_all_the_same() -> None:
    taint = types.Taint(key="repair", effect="NoExecute", time_added=NOW)
    seen = view(node=node("True", taint), heard=NOW, pinned=PINNED, pods=(pod("a"),))
    assert [gone.name for gone in plan(seen, NOW, RULES).deletes] == ["a"]


class Read(Reader):
    """A claim and its volume on node-1."""

    def find(self, kind, namespace, name):  # type: ignore[no-untyped-def]
        if kind.name == "PersistentVolumeClaim":
            made = build(kind, name=name)
            made.spec.volume_name = "v" if name == "data" else ""
            return made
        held = build(kind, name=name)
        held.spec.node_affinity = on_node("node-1")
        return held if name == "v" else None


def test_what_pins_a_pod_is_a_volume_of_that_node() -> None:
    claim = types.PersistentVolumeClaimVolumeSource(claim_name="data")
    with_data = build(POD, spec__volumes=[types.Volume(name="d", persistent_volume_claim=claim)])
    assert is_pinned(Read(), with_data, "node-1")
    assert not is_pinned(Read(), with_data, "node-2")
    assert not is_pinned(Read(), build(POD), "node-1")
