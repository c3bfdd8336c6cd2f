"""The clock that is set while an agent runs."""

from __future__ import annotations

from node_agent.waiting import Clock


def test_a_clock_that_is_set_back_is_noticed_once_and_no_mere_correction_is() -> None:
    wall, steady = 1000.0, 10.0
    clock = Clock(lambda: wall, lambda: steady)
    wall, steady = 1004.7, 15.0
    assert clock.set_back() == 0, "slowed down a little"
    wall, steady = 9000.0, 20.0
    assert clock.set_back() == 0, "set forward"
    wall, steady = 5405.0, 25.0
    assert clock.set_back() == 3600
    wall, steady = 5410.0, 30.0
    assert clock.set_back() == 0
