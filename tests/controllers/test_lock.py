"""One follower at a time while Redis answers; a dead or hanging Redis stops nobody."""

import time
from collections.abc import Iterator

import pytest
import redis

from apps.controllers import lock as locks
from apps.controllers.lock import Lock
from tests.calm import Stopwatch
from tests.harness import NOBODY
from tests.services import private_redis


@pytest.fixture(scope="module")
def url() -> str:
    return private_redis()


@pytest.fixture
def name(url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A lock's name that no other test uses."""
    named: str = request.node.name
    yield named
    with redis.Redis.from_url(url) as client:
        client.delete(f"drover:lock:{named}")


def test_one_holder_at_a_time_across_processes(url: str, name: str) -> None:
    one, other = Lock(url, name), Lock(url, name)  # as two processes have them
    assert one.take()
    assert not other.take()
    one.release()
    assert other.take()
    other.release()


def test_one_holder_at_a_time_within_a_process_though_redis_is_dead(name: str) -> None:
    lock = Lock(NOBODY, name)
    assert lock.take()
    assert not lock.take()
    lock.release()
    assert lock.take()
    lock.release()


def test_a_dead_redis_costs_next_to_nothing(name: str) -> None:
    lock = Lock(NOBODY, name)
    since = Stopwatch()
    for _ in range(20):
        assert lock.take()
        lock.keep()
        lock.release()
    assert since.calm < locks.PATIENCE


def test_a_killed_holders_lock_ends_and_is_never_released_by_its_late_return(
    url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "EXPIRY", 0.05)
    slow, next_one = Lock(url, name), Lock(url, name)
    assert slow.take()
    with redis.Redis.from_url(url) as client:
        deadline = time.monotonic() + 5
        while client.exists(f"drover:lock:{name}") and time.monotonic() < deadline:
            pass
        monkeypatch.setattr(locks, "EXPIRY", 60.0)
        assert next_one.take()
        slow.release()
        assert client.exists(f"drover:lock:{name}"), "it was the other one's lock by then"
    next_one.release()


def test_a_living_holder_keeps_its_lock(url: str, name: str) -> None:
    lock = Lock(url, name)
    assert lock.take()
    with redis.Redis.from_url(url) as client:
        client.pexpire(f"drover:lock:{name}", 1000)
        lock._renew_at = 0.0
        lock.keep()
        left = client.pttl(f"drover:lock:{name}")
    assert isinstance(left, int)
    assert left > 1000
    lock.release()
