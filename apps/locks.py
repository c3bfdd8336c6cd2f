"""Locks on files: they end with the process that has them, however it ends. No Django."""

from __future__ import annotations

import fcntl
from typing import IO


def taken(file: IO[str] | int) -> bool:
    """Whether the lock is ours now; never waits."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
