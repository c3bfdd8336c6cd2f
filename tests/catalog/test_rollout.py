"""When a revision has failed: after its deadline, sooner where its pods fail and there is a good one to go back to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.catalog import rollout
from apps.catalog.render.metadata import COMPONENT
from apps.catalog.types import Application, ApplicationRevision, ComponentStatus
from apps.cluster import types

BEGAN = datetime(2026, 5, 1, 12, 0, 0, 500_000, tzinfo=UTC)


def verdict(
    after: float,
    *,
    made: float | None = 0,
    state: str = "Failing",
    good: int = 1,
    deadline: int | None = None,
) -> rollout.Verdict:
    """Of a revision whose web component is in a state, with a pod made so long after the beginning."""
    app, revision = Application(), ApplicationRevision()
    app.status.revision, app.spec.progress_deadline_seconds = good, deadline
    revision.status.phase, revision.status.started_at = "RollingOut", BEGAN
    pods = []
    if made is not None:
        at = (BEGAN + timedelta(seconds=made)).replace(microsecond=0)
        meta = types.ObjectMeta(name="web", labels={COMPONENT: "web"}, creation_timestamp=at)
        pods = [types.Pod(metadata=meta, spec=types.PodSpec(containers=[]))]
    web = ComponentStatus(name="web", state=state, message="its image cannot be had")
    now = BEGAN + timedelta(seconds=after)
    return rollout.verdict(app, revision, [web], pods, settled=False, now=now)


@pytest.mark.parametrize(
    ("given", "failed"),
    [
        ({"after": 59}, False),
        ({"after": 61}, True),
        ({"after": 61, "state": "Starting"}, False),
        ({"after": 301, "state": "Starting"}, True),
        ({"after": 61, "made": 30}, False),
        ({"after": 91, "made": 30}, True),
        ({"after": 61, "made": -600}, False),
        ({"after": 61, "made": None}, False),
        ({"after": 61, "good": 0}, False),
        ({"after": 301, "good": 0}, True),
        ({"after": 61, "deadline": 120}, False),
        ({"after": 121, "deadline": 120}, True),
    ],
)
def test_how_long_a_revision_may_take(given: dict[str, float], failed: bool) -> None:
    assert verdict(**given).failed is failed  # type: ignore[arg-type]


def test_it_says_how_long_it_waited_and_why() -> None:
    assert (
        verdict(61).words
        == "not ready after 61 s: 0 of 1 components are ready; web: its image cannot be had."
    )


def test_it_is_looked_at_again_when_its_time_is_over() -> None:
    assert verdict(10, made=5).deadline == (BEGAN + timedelta(seconds=65)).replace(microsecond=0)
