"""Signs of life: one write for many, and the newest connection speaks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.nodes import heartbeats
from apps.nodes.models import Heartbeat

pytestmark = pytest.mark.usefixtures("cluster")
T0 = datetime(2026, 1, 1, tzinfo=UTC)


def heard() -> dict[str, datetime]:
    return dict(Heartbeat.objects.values_list("node", "at"))


def test_a_batch_notes_all_its_nodes_with_three_queries(django_assert_max_num_queries: Any) -> None:
    nodes = {f"n{number}": f"c{number}" for number in range(50)}
    for node, connection in nodes.items():
        heartbeats.claim(node, connection, T0)
    later = T0 + timedelta(seconds=2)
    with django_assert_max_num_queries(4):
        assert heartbeats.write(nodes, later) == frozenset()
    assert set(heard().values()) == {later}


def test_rules_follow_everywhere_as_far_as_the_slowest_node_that_was_heard_of_lately() -> None:
    for node in ("n1", "n2", "hollow", "dead"):
        heartbeats.claim(node, node, T0)
    heartbeats.write({"dead": "dead"}, T0, {"dead": 3})
    assert heartbeats.everywhere(T0) == 3
    later = T0 + timedelta(seconds=6)
    heartbeats.write({"n1": "n1", "n2": "n2", "hollow": "hollow"}, later, {"n1": 7, "n2": 9})
    assert heartbeats.everywhere(later) == 7
    heartbeats.write({"n1": "older connection"}, later, {"n1": 12})
    assert heartbeats.everywhere(later) == 7
    heartbeats.write({"n1": "n1"}, later, {"n1": 12})
    assert heartbeats.everywhere(later) == 9


def test_a_connection_that_was_superseded_is_not_heard() -> None:
    heartbeats.claim("n1", "old", T0)
    heartbeats.claim("n1", "new", T0)
    assert heartbeats.write({"n1": "old", "n2": "never claimed"}, T0 + timedelta(seconds=2)) == {"n1", "n2"}
    assert heard() == {"n1": T0}
    assert heartbeats.write({"n1": "new"}, T0 + timedelta(seconds=2)) == frozenset()
