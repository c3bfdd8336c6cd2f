"""How the pace of signs of life follows the number of nodes."""

import pytest

from apps.cluster.types.agent import PING_SECONDS
from apps.nodes import pace


@pytest.mark.parametrize(("nodes", "seconds"), [(0, 1), (1, 1), (500, 1), (1000, 2), (5000, 10)])
def test_five_hundred_nodes_a_pace(nodes: int, seconds: float) -> None:
    assert PING_SECONDS == 1
    assert pace.ping_seconds(nodes) == seconds


def test_up_to_five_hundred_nodes_the_configured_grace_stands() -> None:
    assert pace.grace_seconds(500, 5) == 5
    assert pace.grace_seconds(1, 3) == 3


def test_a_slow_pace_is_no_silence() -> None:
    assert pace.grace_seconds(5000, 8) == 40
    assert pace.grace_seconds(5000, 60) == 60
