"""Runs database work for coroutines: a few threads that keep their connections, so that a query costs no
new one."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

P = ParamSpec("P")
T = TypeVar("T")

THREADS = int(os.environ.get("DROVER_DB_THREADS") or 4)

_held: list[BaseDatabaseWrapper] = []


def _new_pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="db", initializer=_hold_connections)


def _hold_connections() -> None:
    """A thread's connections outlive no pool: whoever ends it must be able to close them."""
    for connection in connections.all():
        connection.inc_thread_sharing()
        _held.append(connection)


_pool = _new_pool()


async def in_db(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``work`` in a thread that may use the database. Cancelling does not stop work that has begun."""
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    return await loop.run_in_executor(_pool, context.run, partial(_with_good_connections, work, args, kwargs))


def close_connections() -> None:
    """Close what the threads hold, for tests and a clean end. Waits for work that has begun."""
    global _pool
    old, _pool = _pool, ThreadPoolExecutor(THREADS, thread_name_prefix="db")
    together = threading.Barrier(THREADS)  # holds each thread at its job until all have one

    def close() -> None:
        together.wait(timeout=30)
        connections.close_all()

    for _ in range(THREADS):
        old.submit(close)
    old.shutdown(wait=True)


def _with_good_connections(work: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    # A connection that broke (the database was restarted) is replaced before the next piece of work.
    for connection in connections.all(initialized_only=True):
        connection.close_at = None  # these threads serve for long: no age makes a connection old
        connection.close_if_unusable_or_obsolete()
    return work(*args, **kwargs)
