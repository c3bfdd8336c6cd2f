"""One follower at a time: within the process, and across processes as long as Redis answers.

The lock only saves work. Two followers at once do no harm, so a dead Redis stops nobody, and a lock whose
holder was killed ends by itself.
"""

import secrets
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

EXPIRY = 4.0
"""Seconds after which a killed holder's lock is free; a living holder renews it."""
PATIENCE = 0.5
TRY_AGAIN = 5.0
"""Seconds for which a Redis that did not answer is not asked."""

# Only the holder's own lock may go; between a look and a removal it could have become another's.
RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"


class Lock:
    """Not waited for: whoever finds it busy goes away, its holder looks again."""

    def __init__(self, url: str, name: str) -> None:
        self._name = f"drover:lock:{name}"
        self._redis = redis.Redis.from_url(
            url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
        )
        self._here = threading.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._silent_until = 0.0

    def take(self) -> bool:
        if not self._here.acquire(blocking=False):
            return False
        self._token = secrets.token_hex(8)
        if self._taken_elsewhere():
            self._here.release()
            return False
        self._renew_at = time.monotonic() + EXPIRY / 4
        return True

    def keep(self) -> None:
        """Called often while the lock is held."""
        if time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + EXPIRY / 4
            self._ask(RENEW, str(int(EXPIRY * 1000)))

    def release(self) -> None:
        self._ask(RELEASE)
        self._here.release()

    def _taken_elsewhere(self) -> bool:
        if time.monotonic() < self._silent_until:
            return False
        try:
            return not self._redis.set(self._name, self._token, nx=True, px=int(EXPIRY * 1000))
        except redis.RedisError:
            self._silent_until = time.monotonic() + TRY_AGAIN
            return False

    def _ask(self, script: str, *arguments: str) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._redis.eval(script, 1, self._name, self._token, *arguments)
        except redis.RedisError:
            self._silent_until = time.monotonic() + TRY_AGAIN
