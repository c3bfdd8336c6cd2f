"""Jobs that begin by the clock: one for each moment, the last one that was missed, and no more than are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import CRON_JOB, JOB, schedules
from apps.controllers.cron import SCHEDULED_AT, CronJobs, View, plan
from apps.controllers.garbage import Garbage
from tests.builders import defaulted
from tests.harness import create, delete, edit, find, follower, objects

MADE = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
CONTROLLERS = (CronJobs(), Garbage())
EVERY_FIVE = "*/5 * * * *"


def cron(**changes: Any) -> types.CronJob:
    made: types.CronJob = defaulted(CRON_JOB, **changes)
    made.metadata.uid, made.metadata.resource_version, made.metadata.creation_timestamp = "cron", "7", MADE
    return made


def began(name: str, ended: str = "") -> types.Job:
    """A job that an earlier moment began."""
    job: types.Job = defaulted(JOB, name=name)
    job.metadata.uid, job.metadata.resource_version = f"uid-{name}", "9"
    job.status.start_time = MADE
    if ended:
        job.status.conditions = [types.Condition(type=ended, status="True", last_transition_time=MADE)]
    return job


def at(minutes: float) -> datetime:
    return MADE + timedelta(minutes=minutes)


def test_nothing_is_due_before_the_first_moment_and_the_plan_says_when_that_is() -> None:
    actions = plan(View(cron(), ()), at(1))
    assert (actions.creates, actions.again) == ((), datetime(2026, 1, 1, 12, 5, tzinfo=UTC))


def test_a_job_is_begun_at_its_moment_and_named_by_it() -> None:
    due = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
    (made,) = plan(View(cron(), ()), due).creates
    assert made.obj.metadata.name == f"sample-{int(due.timestamp() // 60)}"
    assert made.obj.metadata.annotations[SCHEDULED_AT] == "2026-01-01T12:05:00Z"
    assert [owner.name for owner in made.obj.metadata.owner_references] == ["sample"]


def test_of_moments_that_were_missed_only_the_last_is_made_up_for() -> None:
    actions = plan(View(cron(), ()), at(62))
    (made,) = actions.creates
    assert made.obj.metadata.annotations[SCHEDULED_AT] == "2026-01-01T13:00:00Z"
    assert actions.again == datetime(2026, 1, 1, 13, 5, tzinfo=UTC)


def test_a_year_of_missed_moments_costs_one_job() -> None:
    assert len(plan(View(cron(), ()), at(365 * 24 * 60)).creates) == 1


def test_a_moment_missed_for_too_long_is_let_go() -> None:
    late = cron(spec__starting_deadline_seconds=60)
    assert plan(View(late, ()), datetime(2026, 1, 1, 12, 7, tzinfo=UTC)).creates == ()


@pytest.mark.parametrize(
    ("policy", "begins", "stops"),
    [("Allow", 1, 0), ("Forbid", 0, 0), ("Replace", 1, 1)],
)
def test_a_job_that_still_runs_is_joined_waited_for_or_replaced(policy: str, begins: int, stops: int) -> None:
    actions = plan(View(cron(spec__concurrency_policy=policy), (began("a"),)), at(5))
    assert (len(actions.creates), len(actions.deletes)) == (begins, stops)


def test_a_suspended_one_begins_nothing() -> None:
    assert plan(View(cron(spec__suspend=True), ()), at(5)).creates == ()


def test_no_more_ended_jobs_are_kept_than_asked_for() -> None:
    jobs = (*(began(f"good-{n}", "Complete") for n in range(5)), *(began(f"bad-{n}", "Failed") for n in range(3)))
    gone = {each.name for each in plan(View(cron(), jobs), at(1)).deletes}
    assert gone == {"good-0", "good-1", "bad-0", "bad-1"}


def test_the_clock_of_a_time_zone_counts() -> None:
    made = cron(spec__schedule="0 9 * * *", spec__time_zone="Asia/Tokyo")
    assert plan(View(made, ()), at(1)).again == datetime(2026, 1, 2, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", sorted(schedules.NAMED))
def test_names_of_schedules_are_understood(name: str) -> None:
    assert next(schedules.times(name, None, MADE)) > MADE


@pytest.mark.usefixtures("ruled")
def test_in_a_store_each_moment_gets_one_job_and_deleting_takes_them_along() -> None:
    create(CRON_JOB, spec__schedule="* * * * *")
    follower(CONTROLLERS).follow()
    assert objects(JOB) == []
    soon = datetime.now(UTC) + timedelta(minutes=1)
    for _ in range(2):
        follower(CONTROLLERS, present=lambda: soon).resync()
    (job,) = objects(JOB)
    status = find(CRON_JOB, "sample").status  # type: ignore[union-attr]
    assert [each.name for each in status.active] == [job.metadata.name]

    def ended(found: types.Job) -> None:
        found.status.conditions = [types.Condition(type="Complete", status="True")]
        found.status.completion_time = types.now()

    edit(JOB, job.metadata.name, ended)
    follower(CONTROLLERS, present=lambda: soon).follow()
    status = find(CRON_JOB, "sample").status  # type: ignore[union-attr]
    assert (status.active, status.last_successful_time is not None) == ([], True)
    delete(CRON_JOB, "sample")
    follower(CONTROLLERS, present=lambda: soon).follow()
    assert objects(JOB) == []
