"""One agent for one state: two would end each other's streams, and undo each other's rules."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.locks import taken

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2


class Taken(Exception):
    """Another process has the state; the words say which."""


@contextmanager
def alone(state: Path, patience: float) -> Iterator[None]:
    """The state is this process's, and not that of those it starts. One that has it already is given so many seconds
    to end, and is named. Raises Taken."""
    held = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    until, said = time.monotonic() + patience, False
    try:
        while not taken(held):
            words = f"another process ({_holder(held)}) runs with {state}"
            if time.monotonic() >= until:
                raise Taken(words)
            if not said:
                log.warning("%s: waiting until it ends", words)
            said = True
            time.sleep(LOOK_SECONDS)
        yield
    finally:
        os.close(held)


def _holder(held: int) -> str:
    """Its process id, as far as the kernel tells."""
    inode = f":{os.fstat(held).st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if "->" not in words and words[1] == "FLOCK" and words[5].endswith(inode):
            return words[4]
    return "unknown"
