"""One Caddy: it is told once what to serve, and retires when another serves in its place.

A Caddy that is told anew closes what clients and pods have upgraded, websockets above all. So what is new is told to
another, which opens the same ports beside the old one. That is asked to end: it closes its ports and idle connections
at once and finishes requests, but waits for no websocket. So one request is held open that it has to wait for, by a
process that does nothing else: the agent may go. When its streams have ended, so does that request.
"""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import msgspec

from node_agent import disk
from node_agent.edge import admin, caddy
from node_agent.edge.detached import LOG, Process, spawn, standing, user
from node_agent.edge.trouble import MISSING, Unserved

START_SECONDS = 20.0
END_SECONDS = 5.0
HELD_SECONDS: Final = 24 * 60 * 60
"""The longest that one goes on after it was retired."""
PROGRAM, HOLDER, CONFIG = "caddy", "sleep", "start.json"


class Serving:
    """``place`` is where it stands: a directory of its own, numbered in the order of their starts."""

    def __init__(self, place: Path, process: Process, holder: Process | None = None) -> None:
        self.place = place
        self._process, self._holder = process, holder
        self.retired_at: float | None = None
        """By the monotonic clock."""
        self._released_at: float | None = None

    @property
    def handle(self) -> int:
        """Readable once it has ended."""
        return self._process.handle

    @property
    def ended(self) -> bool:
        return self._process.ended()

    @property
    def held(self) -> bool:
        return self._holder is not None and not self._holder.ended()

    @property
    def under_way(self) -> int:
        """How many requests and streams it leads to somebody."""
        try:
            return admin.under_way(self.place)
        except admin.Silent:
            return 0 if self.ended else 1  # nobody knows, so nobody is cut off

    def retire(self) -> None:
        """It takes nothing new from now on, and goes on with what it has."""
        if self.retired_at is None:
            self.retired_at = monotonic()
            if not self.held:
                with suppress(OSError, Unserved), admin.unfinished(self.place) as request:
                    arguments = (HOLDER, str(HELD_SECONDS))
                    self._holder = spawn(self.place, *arguments, home=caddy.OWN, stdin=request.fileno())
            self._process.tell(signal.SIGTERM)

    def release(self) -> None:
        """It ends: of itself if it does so in time. Whatever is still open is closed."""
        if self._released_at is None:
            self._released_at = monotonic()
            self._process.tell(signal.SIGTERM)
            if self._holder is not None:
                self._holder.tell(signal.SIGKILL)
        elif monotonic() - self._released_at > END_SECONDS:
            self._process.tell(signal.SIGKILL)

    def end(self) -> None:
        """The same, and returns when it has ended."""
        self.release()
        if not self._process.ended(END_SECONDS):
            self._process.tell(signal.SIGKILL)
            self._process.ended(END_SECONDS)
        self.forget()

    def forget(self) -> None:
        """Clears up behind one that has ended."""
        self._process.forget()
        if self._holder is not None:
            self._holder.tell(signal.SIGKILL)
            self._holder.forget()
        if _number(self.place):
            shutil.rmtree(self.place, ignore_errors=True)


def start(directory: Path) -> Serving:
    """A new one that serves nothing yet. Raises Unserved."""
    if shutil.which(PROGRAM) is None:
        raise Unserved(*MISSING)
    runs_as, places = user(), _places(directory)
    place = directory / str(max(map(_number, places)) + 1)
    for left in places - {directory} - {place for place, _ in standing(places, PROGRAM)}:
        shutil.rmtree(left, ignore_errors=True)
    for each in directory, place:
        each.mkdir(mode=0o755, parents=True, exist_ok=True)
        (each / caddy.OWN).mkdir(mode=0o700, exist_ok=True)
        os.chown(each / caddy.OWN, runs_as.pw_uid, runs_as.pw_gid)
    disk.write(place / CONFIG, msgspec.json.encode(caddy.start()), 0o644)
    made = Serving(place, spawn(place, PROGRAM, "run", "--config", CONFIG, home=caddy.OWN))
    try:
        _wait_for(made)
    except Unserved:
        made.end()
        raise
    return made


def _wait_for(started: Serving) -> None:
    until = monotonic() + START_SECONDS
    while True:
        try:
            admin.current(started.place)
        except admin.Silent as silent:
            if started.ended:
                said = (started.place / LOG).read_text(errors="replace").strip().splitlines()
                raise Unserved("EdgeFailed", f"Caddy ended at once: {(said or ['no words'])[-1][:500]}") from silent
            if monotonic() > until:
                raise Unserved("EdgeFailed", str(silent)) from silent
            sleep(0.02)
        else:
            return


def found(directory: Path) -> list[Serving]:
    """Those that run there, whoever started them, in the order of their starts."""
    places = _places(directory)
    holders, made = dict(standing(places, HOLDER)), []
    for place, pid in sorted(standing(places, PROGRAM), key=lambda each: _number(each[0])):
        with suppress(OSError):
            made.append(Serving(place, Process(pid), Process(holders[place]) if place in holders else None))
    return made


def end(directory: Path) -> None:
    """Ends all that run there."""
    for each in found(directory):
        each.end()


def _places(directory: Path) -> set[Path]:
    """The directory itself is the place of one that an agent of old has started."""
    return {directory, *(each for each in directory.glob("[0-9]*") if each.name.isdigit())}


def _number(place: Path) -> int:
    return int(place.name) if place.name.isdigit() else 0
