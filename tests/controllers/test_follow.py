"""Following the log: no change is lost and no key is done twice in vain, whoever is killed or works at the
same time."""

import math
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.cluster import log, models, store, types
from apps.cluster.kinds import CONFIG_MAP, POD, REPLICATION_CONTROLLER
from apps.controllers import cursor, follow, wakeups
from apps.controllers.base import Retry
from apps.controllers.follow import Follower
from apps.controllers.lock import Lock
from apps.controllers.replication import Replication
from tests.harness import NOBODY, create, edit, follower, objects, settle

pytestmark = pytest.mark.usefixtures("ruled")
RC = REPLICATION_CONTROLLER


class Listener:
    """A controller that only writes down which keys it was asked to reconcile."""

    name = "listener"
    watches = (CONFIG_MAP,)
    every = 0.0

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failures = 0

    def keys(self, change: log.Change, read: Any) -> Iterable[str]:
        return (change.name,)

    def all_keys(self, read: Any) -> Iterable[str]:
        return ()

    def overdue(self, read: Any, now: datetime) -> Iterable[str]:
        return ()

    def reconcile(self, key: str, now: datetime) -> datetime | None:
        self.asked.append(key)
        if self.failures:
            self.failures -= 1
            raise Retry(f"{key} is not to be had")
        return None


def touch(name: str) -> None:
    def change(config: types.ConfigMap) -> None:
        config.data["count"] = str(int(config.data.get("count", "0")) + 1)

    edit(CONFIG_MAP, name, change)


def ever_made() -> int:
    return sum(change.type == "ADDED" and change.kind_key == POD.key for change in log.after(0, 10_000))


def test_equal_keys_of_a_batch_are_reconciled_once() -> None:
    listener = Listener()
    create(CONFIG_MAP, name="one")
    create(CONFIG_MAP, name="two")
    for _ in range(3):
        touch("one")
    follower([listener]).follow()
    assert listener.asked == ["one", "two"]


def test_the_cursor_stands_at_the_end_of_the_log_and_nothing_is_done_again() -> None:
    create(CONFIG_MAP, name="one")
    follower([Listener()]).follow()
    assert cursor.position() == store.clock()
    later = Listener()
    follower([later]).follow()
    assert later.asked == []


def test_a_worker_killed_before_the_cursor_moved_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """kill -9: nothing is caught, nothing is tidied up."""

    def die(number: int) -> None:
        raise Killed

    create(RC, spec__replicas=2)
    with monkeypatch.context() as killing:
        killing.setattr(cursor, "move", die)
        with pytest.raises(Killed):
            settle([Replication()])
    assert cursor.position() == 0
    settle([Replication()])
    assert cursor.position() == store.clock()
    assert len(objects(POD)) == 2
    assert ever_made() == 2


def test_a_worker_killed_in_the_middle_of_a_batch_leaves_the_rest_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    class Dying(Listener):
        def reconcile(self, key: str, now: datetime) -> datetime | None:
            if key == "two":
                raise Killed
            return super().reconcile(key, now)

    for name in ("one", "two", "three"):
        create(CONFIG_MAP, name=name)
    with pytest.raises(Killed):
        follower([Dying()]).follow()
    next_worker = Listener()
    follower([next_worker]).follow()
    assert next_worker.asked == ["one", "two", "three"]


def test_those_who_listen_look_before_any_wake_up_is_judged() -> None:
    """Woken after a long sleep, a follower must first notice that it slept: else it blames others' silence."""

    class Listening(Listener):
        every = 1.0

        def overdue(self, read: Any, now: datetime) -> Iterable[str]:
            self.asked.append("listened")
            return ()

    listener = Listening()
    wakeups.at(listener.name, "one", datetime.now(UTC) - timedelta(minutes=5))
    follower([listener]).follow()
    assert listener.asked == ["listened", "one"]


def test_two_followers_at_once_make_no_pod_too_many() -> None:
    """Redis is dead, so no lock keeps them apart: only the check that the view still holds does."""
    for number in range(6):
        create(RC, name=f"rc-{number}", labels={}, spec__replicas=3, **selecting(f"rc-{number}"))
    together = threading.Barrier(3)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            together.wait()
            settle([Replication()])
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    settle([Replication()])
    assert len(objects(POD)) == 18
    assert ever_made() == 18


def selecting(app: str) -> dict[str, Any]:
    template = types.PodTemplateSpec(
        metadata=types.ObjectMeta(labels={"app": app}),
        spec=types.PodSpec(containers=[types.Container(name="app", image="redis:7")]),
    )
    return {"spec__selector": {"app": app}, "spec__template": template}


def test_a_failed_key_is_stored_with_a_growing_delay_and_the_cursor_goes_on() -> None:
    listener = Listener()
    listener.failures = 2
    start = datetime.now(UTC)
    clock = [start]
    worker = follower([listener], present=lambda: clock[0])
    create(CONFIG_MAP, name="one")
    worker.follow()
    assert cursor.position() == store.clock()
    (first,) = models.Wakeup.objects.all()
    assert (first.controller, first.key, first.attempts) == ("listener", "one", 1)
    clock[0] = first.due
    worker = follower([listener], present=lambda: clock[0])  # another worker takes over
    worker.follow()
    (second,) = models.Wakeup.objects.all()
    assert second.attempts == 2
    assert second.due - clock[0] > first.due - start
    clock[0] = second.due
    follower([listener], present=lambda: clock[0]).follow()
    assert not models.Wakeup.objects.exists()
    assert listener.asked == ["one", "one", "one"]


def test_when_the_next_wakeup_is_due_is_known_without_asking_again() -> None:
    worker = follower([Listener()])
    worker.follow()
    assert worker.due_in() == math.inf
    wakeups.at("listener", "later", datetime.now(UTC) + timedelta(minutes=5))
    worker.follow()
    assert 0 < worker.due_in() <= 300


def test_a_wakeup_is_not_run_before_its_time() -> None:
    listener = Listener()
    now = datetime.now(UTC)
    wakeups.at("listener", "later", now + timedelta(minutes=5))
    follower([listener], present=lambda: now).follow()
    assert listener.asked == []
    follower([listener], present=lambda: now + timedelta(minutes=6)).follow()
    assert listener.asked == ["later"]


def test_an_exception_in_one_controller_stops_no_other() -> None:
    class Broken(Listener):
        name = "broken"

        def keys(self, change: log.Change, read: Any) -> Iterable[str]:
            if change.name == "unreadable":
                raise ValueError(change.name)
            return super().keys(change, read)

        def reconcile(self, key: str, now: datetime) -> datetime | None:
            raise ZeroDivisionError

    listener = Listener()
    create(CONFIG_MAP, name="unreadable")
    create(CONFIG_MAP, name="one")
    follower([Broken(), listener]).follow()
    assert listener.asked == ["unreadable", "one"]
    assert [wakeup.controller for wakeup in models.Wakeup.objects.all()] == ["broken"]
    assert cursor.position() == store.clock()


def test_what_is_written_while_the_lock_is_let_go_is_not_left_to_chance() -> None:
    """The other follower finds the lock busy and goes away: its holder must look again."""
    listener = Listener()
    worker = follower([listener])

    class Late(Lock):
        written = False

        def release(self) -> None:
            if not self.written:
                self.written = True
                create(CONFIG_MAP, name="late")
                worker.follow()  # as the nudge would: busy
            super().release()

    worker._lock = Late(NOBODY, "controllers")
    create(CONFIG_MAP, name="one")
    worker.follow()
    assert listener.asked == ["one", "late"]


def test_a_cursor_that_the_log_no_longer_reaches_means_looking_at_everything() -> None:
    create(RC, spec__replicas=1)
    settle([Replication()])
    (pod,) = objects(POD)
    store.write(_tester(), lambda tx: tx.delete(POD, "default", pod.metadata.name, None))
    models.Change.objects.all().delete()  # trimmed while no worker was there
    cursor.move(1)
    follower([Replication()]).follow()
    assert len(objects(POD)) == 1
    assert cursor.position() == store.clock()


def test_a_cursor_from_the_future_means_a_restored_backup_and_looking_at_everything() -> None:
    create(RC, spec__replicas=1)
    cursor.move(10_000)
    follower([Replication()]).follow()
    assert len(objects(POD)) == 1
    assert cursor.position() == store.clock()


def test_the_resync_finds_what_no_change_told() -> None:
    create(RC, spec__replicas=1)
    cursor.move(store.clock())
    follower([Replication()]).resync()
    assert len(objects(POD)) == 1


def test_keys_are_served_in_the_order_of_the_controllers() -> None:
    order: list[str] = []

    class First(Listener):
        name = "first"

        def reconcile(self, key: str, now: datetime) -> datetime | None:
            order.append(f"first {key}")
            return None

    class Second(First):
        name = "second"

        def reconcile(self, key: str, now: datetime) -> datetime | None:
            order.append(f"second {key}")
            return None

    create(CONFIG_MAP, name="a")
    create(CONFIG_MAP, name="b")
    follower([First(), Second()]).follow()
    assert order == ["first a", "first b", "second a", "second b"]


def test_an_idle_follower_asks_the_database_a_handful_of_times_and_writes_nothing() -> None:
    from django.test.utils import CaptureQueriesContext

    worker: Follower = settle()
    worker.follow()
    with CaptureQueriesContext(connection) as queries:
        worker.follow()
    assert len(queries) <= 8
    assert not [query for query in queries if not query["sql"].startswith("SELECT")]


@pytest.mark.parametrize("attempts", [0, 1, 5, 30, 10_000])
def test_the_back_off_is_bounded(attempts: int) -> None:
    waiting = wakeups.delay(attempts).total_seconds()
    assert 0 < waiting <= wakeups.LONGEST


def test_every_configured_controller_has_a_name_of_its_own() -> None:
    names = [controller.name for controller in follow.configured()]
    assert len(set(names)) == len(names)


def _tester() -> Any:
    from tests.harness import TESTER

    return TESTER
