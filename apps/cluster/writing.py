"""One writer at a time: the transaction every write runs in, and when it is worth trying again."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, transaction

T = TypeVar("T")

ATTEMPTS = 5


@contextmanager
def exclusive() -> Iterator[None]:
    """A transaction. On SQLite behind a file lock: its own waiting is unfair and takes seconds under load."""
    if connection.in_atomic_block or connection.vendor != "sqlite":
        with transaction.atomic():
            yield
        return
    lock = os.open(Path(settings.STATE) / "write.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with transaction.atomic():
            yield
    finally:
        os.close(lock)


def persistently(work: Callable[[], T]) -> T:
    """``work`` again when the database was busy or its connection had gone; other errors at once."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except OperationalError:
            if attempt == ATTEMPTS or connection.in_atomic_block:
                raise
            transaction.get_connection(DEFAULT_DB_ALIAS).close()
    raise AssertionError("unreachable")
