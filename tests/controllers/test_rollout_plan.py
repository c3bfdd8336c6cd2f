"""A rolling update as numbers: it never strays further than allowed, always moves, and comes to its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.cluster import types
from apps.controllers import rollout
from apps.controllers.rollout import Bounds, Counts, Stand, rolled, spread

NEW = "new"


@dataclass(frozen=True)
class Sets:
    """The newest ReplicaSet and the old ones, oldest first, between two looks."""

    new: Stand
    old: tuple[Stand, ...]
    limits: Bounds

    @property
    def all(self) -> tuple[Stand, ...]:
        return (self.new, *self.old)

    @property
    def there(self) -> int:
        return sum(each.held for each in self.all)

    @property
    def available(self) -> int:
        return sum(each.healthy for each in self.all)

    @property
    def done(self) -> bool:
        return self.new.wanted == self.limits.desired and not any(each.wanted for each in self.old)

    def step(self) -> Counts:
        return rolled(self.new, self.old, self.limits)

    def asked(self, counts: Counts) -> Sets:
        """The plan is carried out; the pods have not followed yet."""
        new, *old = (replace(each, wanted=counts[each.name]) for each in self.all)
        return Sets(new, tuple(old), self.limits)

    def followed(self, which: int, healthy: int) -> Sets:
        """One ReplicaSet makes or removes its pods, and up to ``healthy`` more of them become available."""
        all_ = list(self.all)
        one = all_[which % len(all_)]
        available = min(min(one.available, one.wanted) + healthy, one.wanted)
        all_[which % len(all_)] = replace(one, there=one.wanted, available=available)
        return Sets(all_[0], tuple(all_[1:]), self.limits)


limits = st.builds(Bounds, st.integers(0, 12), st.integers(0, 5), st.integers(0, 5)).filter(
    lambda found: (found.surge or found.unavailable) and found.unavailable <= max(found.desired, 1)
)


@st.composite
def sets(draw: Any) -> Sets:
    """Whatever an earlier update, or several, may have left behind within the limits."""
    bounds = draw(limits)
    left, stands = bounds.most, []
    for name in (NEW, *(f"old-{number}" for number in range(draw(st.integers(0, 3))))):
        wanted = draw(st.integers(0, left))
        there = draw(st.integers(0, left))
        stands.append(Stand(name, wanted, there, draw(st.integers(0, there))))
        left -= max(wanted, there)
    return Sets(stands[0], tuple(stands[1:]), bounds)


moves = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20)


@given(sets(), moves)
def test_an_update_never_has_more_pods_than_it_may(found: Sets, then: list[tuple[int, int]]) -> None:
    for which, healthy in then:
        found = found.asked(found.step())
        assert found.there <= found.limits.most
        found = found.followed(which, healthy)


@given(sets(), moves)
def test_an_update_never_takes_available_pods_that_are_needed(
    found: Sets, then: list[tuple[int, int]]
) -> None:
    for which, healthy in then:
        after = found.asked(found.step())
        assert after.available >= min(found.available, found.limits.least)
        found = after.followed(which, healthy)


@given(sets())
def test_an_update_always_moves_while_its_pods_do_well(found: Sets) -> None:
    for which in range(len(found.all)):
        found = found.followed(which, 99)
    assume(not found.done)
    assert found.asked(found.step()) != found


@given(sets())
def test_an_update_comes_to_its_end(found: Sets) -> None:
    for _ in range(60):
        found = found.asked(found.step())
        for which in range(len(found.all)):
            found = found.followed(which, 99)
    assert found.done
    assert found.asked(found.step()) == found


@given(sets())
def test_planning_twice_changes_nothing(found: Sets) -> None:
    once = found.asked(found.step())
    assert once.asked(once.step()) == once


@given(sets(), st.integers(0, 12))
def test_a_bad_version_never_takes_more_than_the_update_may_miss(found: Sets, steps: int) -> None:
    """The new pods never become available: what was available at first stays up to the limit."""
    found = replace(found, new=Stand(NEW, 0, 0, 0))
    before = found.available
    for step in range(steps):
        found = found.asked(found.step()).followed(step, 0)
    assert found.available >= min(before, found.limits.least)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 40))
def test_scaling_amid_an_update_keeps_the_shares(sizes: list[int], total: int) -> None:
    stands = [Stand(str(number), size, size, size) for number, size in enumerate(sizes)]
    counts = spread(stands, total)
    assert sum(counts.values()) == total
    for each in stands:
        exact = each.wanted * total / sum(sizes)
        assert abs(counts[each.name] - exact) < 1


@pytest.mark.parametrize(
    ("replicas", "unavailable", "surge", "wanted"),
    [
        pytest.param(4, "25%", "25%", Bounds(4, 1, 1), id="shares of four"),
        pytest.param(10, "25%", "25%", Bounds(10, 3, 2), id="surge is rounded up, absence down"),
        pytest.param(1, "25%", "25%", Bounds(1, 1, 0), id="one pod is replaced before it goes"),
        pytest.param(3, "10%", 0, Bounds(3, 0, 1), id="an update that could not begin may miss one pod"),
        pytest.param(3, 5, 2, Bounds(3, 2, 3), id="no more can be away than there are"),
        pytest.param(0, 0, 1, Bounds(0, 1, 0), id="none"),
    ],
)
def test_shares_become_whole_pods(
    replicas: int, unavailable: int | str, surge: int | str, wanted: Bounds
) -> None:
    rolling = types.RollingUpdateDeployment(max_unavailable=unavailable, max_surge=surge)
    spec = types.DeploymentSpec(
        selector=types.LabelSelector(),
        template=types.PodTemplateSpec(spec=types.PodSpec(containers=[])),
        replicas=replicas,
        strategy=types.DeploymentStrategy(type="RollingUpdate", rolling_update=rolling),
    )
    assert rollout.bounds(spec) == wanted


def test_an_update_without_surge_takes_pods_before_it_makes_any() -> None:
    old = Stand("old", 3, 3, 3)
    counts = rolled(Stand(NEW, 0, 0, 0), [old], Bounds(3, 0, 1))
    assert counts == {NEW: 0, "old": 2}


def test_old_pods_that_are_no_use_go_first() -> None:
    broken, fine = Stand("broken", 2, 2, 0), Stand("fine", 3, 3, 3)
    counts = rolled(Stand(NEW, 1, 1, 0), [fine, broken], Bounds(4, 2, 1))
    assert (counts["fine"], counts["broken"]) == (3, 0)


def test_all_old_pods_go_before_any_new_one_is_made() -> None:
    old, new = Stand("old", 3, 3, 3), Stand(NEW, 0, 0, 0)
    assert rollout.recreated(new, [old], 3, vacated=False) == {NEW: 0, "old": 0}
    stopping = Stand("old", 0, 0, 0)
    assert rollout.recreated(new, [stopping], 3, vacated=False) == {NEW: 0, "old": 0}
    assert rollout.recreated(new, [stopping], 3, vacated=True) == {NEW: 3, "old": 0}
