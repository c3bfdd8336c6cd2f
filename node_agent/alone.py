"""One agent for one state: two would end each other's streams, and undo each other's rules."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

LOCK = "lock"
LOOK_SECONDS = 0.5


class Taken(Exception):
    """Another process has the state; the words say which."""


def take(state: Path) -> IO[str]:
    """The state is this process's for as long as the answer is open; what it starts does not get it. Raises Taken."""
    file = (state / LOCK).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise Taken(f"an agent (process {holder or 'unknown'}) runs with {state}") from None
    with suppress(OSError):  # a full disk has no room for who it is
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    return file


def take_once_free(state: Path) -> IO[str]:
    """Waits for as long as another agent runs, and says so: one that is to end takes a moment."""
    said = False
    while True:
        try:
            return take(state)
        except Taken as words:
            if not said:
                log.error("%s: this one waits until it ends", words)
            said = True
            time.sleep(LOOK_SECONDS)
