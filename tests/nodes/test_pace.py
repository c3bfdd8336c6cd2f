"""How the pace of signs of life follows the number of nodes."""

import pytest

from apps.cluster.types.agent import PING_SECONDS
from apps.nodes import pace


@pytest.mark.parametrize(("nodes", "seconds"), [(0, 2), (1, 2), (1000, 2), (2000, 4), (5000, 10)])
def test_a_thousand_nodes_a_pace(nodes: int, seconds: float) -> None:
    assert PING_SECONDS == 2
    assert pace.ping_seconds(nodes) == seconds


def test_up_to_a_thousand_nodes_the_configured_grace_stands() -> None:
    assert pace.grace_seconds(1000, 8) == 8
    assert pace.grace_seconds(1, 3) == 3


def test_a_slow_pace_is_no_silence() -> None:
    assert pace.grace_seconds(5000, 8) == 40
    assert pace.grace_seconds(5000, 60) == 60
