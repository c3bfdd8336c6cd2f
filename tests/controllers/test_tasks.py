"""The Celery side: what is reminded, how Redis is found, what trimming drops."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.cluster import nudge, store
from apps.cluster.kinds import EVENT, POD
from apps.controllers import tasks
from apps.controllers.expiry import expire_events
from paas.celery import app, broker
from tests.harness import TESTER, create, find, objects


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("unix:///run/drover/redis.sock", "redis+socket:///run/drover/redis.sock"),
        ("redis://redis.example:6379/1", "redis://redis.example:6379/1"),
        ("rediss://redis.example:6379/1", "rediss://redis.example:6379/1"),
    ],
)
def test_the_broker_is_the_redis_of_the_settings(url: str, told: str) -> None:
    assert broker(url) == told


def test_every_reminder_and_the_nudge_name_a_task_that_exists() -> None:
    known = {tasks.follow.name, tasks.resync.name, tasks.trim.name}
    assert {reminder["task"] for reminder in app.conf.beat_schedule.values()} | {nudge.FOLLOW} == known


def test_a_reminder_that_nobody_took_is_dropped() -> None:
    for reminder in app.conf.beat_schedule.values():
        assert 0 < reminder["options"]["expires"] <= 60


def test_no_task_is_kept_or_acknowledged_late_and_connections_stay() -> None:
    assert not app.conf.task_acks_late
    assert app.conf.task_ignore_result
    assert not app.conf.result_backend
    assert app.conf.timezone == "UTC"
    assert app.conf["CELERY_DB_REUSE_MAX"] >= 10**9


@pytest.mark.usefixtures("ruled")
def test_events_go_an_hour_after_they_were_last_seen() -> None:
    pod = create(POD, name="x")
    store.write(TESTER, lambda tx: tx.record(pod, "Old", "long ago"))
    now = datetime.now(UTC)
    assert expire_events(now + timedelta(minutes=59)) == 0
    assert expire_events(now + timedelta(minutes=61)) == 1
    assert objects(EVENT) == []
    assert find(POD, "x") is not None
