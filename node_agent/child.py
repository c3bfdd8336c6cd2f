"""A process of the agent's that is kept running and told the newest state, one line of JSON at a time."""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf, isinf
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import ClassVar

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]
FIRST_PAUSE = 0.1
HEALTHY_SECONDS = 30.0
"""A process that lived so long is started again without a growing pause."""
START_SECONDS = 30.0
"""The first answer may take so long: a machine under load starts slowly, and starting again does not help it."""
STOP_SECONDS = 5.0
CHUNK = 1 << 16


@dataclass(frozen=True)
class Launch:
    """How the process is started."""

    argv: list[str]
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    descriptors: tuple[int, ...] = ()
    """Open files it inherits under their numbers."""
    apart: bool = False
    """In a session of its own: whoever ends the agent's processes at once leaves it be."""


class Child(ABC):
    """Keeps one process running in a thread of its own. Every method may be called from any thread.

    What it is told carries a number; of several that wait only the newest is ever sent.
    """

    name: ClassVar[str]
    longest_pause: ClassVar[float] = 10.0
    """Between two starts of a process that keeps ending."""
    look_seconds: ClassVar[float] = inf
    """How long a process may be quiet before it is asked whether it lives."""
    patience: ClassVar[float] = inf
    """A process that takes longer to answer is ended and started again."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._applied = 0
        self._error = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: Thread | None = None
        self._stopping = False
        self._wake: tuple[int, int] | None = None

    @abstractmethod
    def _launch(self) -> Launch:
        """How to start it now. Raises OSError when that cannot be."""

    @abstractmethod
    def _begin(self) -> None:
        """A fresh process listens: it knows nothing yet."""

    @abstractmethod
    def _next(self) -> bytes | None:
        """What to tell it now as one line, None when it knows everything."""

    @abstractmethod
    def _heard(self, line: bytes) -> bool:
        """Note what it said; True when that answers what it was told last."""

    def _look(self) -> bytes:
        """What a quiet process is asked from time to time."""
        raise NotImplementedError

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Its input ends, so it ends."""
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

    @property
    def applied(self) -> int:
        """The number of the last state that it carried out."""
        return self._applied

    @property
    def error(self) -> str:
        """Why the newest state is not carried out yet."""
        return self._error

    @property
    def pid(self) -> int:
        """The process that runs now, 0 for none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    def start(self) -> None:
        """Starts the process in the calling thread's network namespace."""
        if self._thread is None:
            self._stopping = False
            self._wake = os.pipe()
            os.set_blocking(self._wake[1], False)
            self._thread = Thread(target=self._keep, name=self.name, daemon=True)
            self._thread.start()

    def wait(self, number: int, seconds: float) -> bool:
        """True as soon as that state is carried out, False when it is not within ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: self._applied >= number, seconds)

    def stop(self) -> None:
        """Ends the process."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._nudge()
        thread.join()
        for end in self._wake or ():
            os.close(end)
        self._wake = None

    def _note(self, *, applied: int = 0, error: str | None = None) -> None:
        with self._changed:
            self._applied = max(self._applied, applied)
            self._error = self._error if error is None else error
            self._changed.notify_all()

    def _nudge(self) -> None:
        """There is something new to tell."""
        if self._wake is not None:
            with suppress(BlockingIOError):  # it is awake already
                os.write(self._wake[1], b".")

    def _keep(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            started = monotonic()
            process = self._spawn()
            if process is not None:
                with process:
                    self._serve(process)
                    self._end(process)
            if monotonic() - started > HEALTHY_SECONDS:
                pause = FIRST_PAUSE
            with self._changed:
                if not self._stopping:
                    code = process.returncode if process else self._error
                    log.warning("the %s's process ended (%s), again in %.1f s", self.name, code, pause)
                self._changed.wait_for(lambda: self._stopping, pause)
            pause = min(pause * 2, self.longest_pause)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        try:
            launch = self._launch()
            self._process = subprocess.Popen(
                launch.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                env=launch.environment,
                pass_fds=launch.descriptors,
                start_new_session=launch.apart,
            )
        except OSError as error:
            self._note(error=f"the {self.name}'s process cannot start: {error}")
            return None
        self._begin()
        return self._process

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Tells it what is new, one thing at a time, and takes answers until it ends or is to end."""
        assert process.stdout is not None and self._wake is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(self._wake[0], selectors.EVENT_READ)
            patience = max(self.patience, START_SECONDS)
            answered, due, rest = True, monotonic() + self.look_seconds, b""
            while not self._stopping:
                if answered and (line := self._what_now(due)) is not None:
                    answered, due = False, monotonic() + patience
                    if not _write(process, line):
                        return
                ready = [key.fileobj for key, _ in selector.select(_until(due))]
                if self._wake[0] in ready:
                    os.read(self._wake[0], CHUNK)
                if process.stdout in ready:
                    chunk = os.read(process.stdout.fileno(), CHUNK)
                    if not chunk:
                        return
                    *lines, rest = (rest + chunk).split(b"\n")
                    if any([self._heard(line) for line in lines]):
                        patience = self.patience
                        answered, due = True, monotonic() + self.look_seconds
                elif not answered and monotonic() >= due:
                    log.warning("the %s's process did not answer for %g s", self.name, patience)
                    process.kill()
                    return

    def _what_now(self, due: float) -> bytes | None:
        line = self._next()
        return self._look() if line is None and monotonic() >= due else line


def _until(due: float) -> float | None:
    """Seconds for ``select``."""
    return None if isinf(due) else max(0.0, due - monotonic())


def _write(process: subprocess.Popen[bytes], line: bytes) -> bool:
    assert process.stdin is not None
    try:
        process.stdin.write(line + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        return False
    return True
