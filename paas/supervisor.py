"""Keeps a set of processes running: readiness order, prefixed logs, restart with back-off, clean stop.

A program is a command line or a function. A function runs in a fork of this process, so that what was
imported before is in memory once; this process therefore has no second thread and no open database.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from setproctitle import setproctitle

from paas.logs import Log
from paas.privileges import Identity, die_with_parent

LONG_ENOUGH = 10.0  # a run of this many seconds makes the next failure a first one again
BACK_OFF = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
STOP_SECONDS = 2.4
POLL_SECONDS = 0.03


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process to keep. ``identity`` None keeps root; ``death`` is its signal when the supervisor dies."""

    name: str
    start: tuple[str, ...] | Callable[[], object]
    identity: Identity | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], Awaitable[bool]] | None = None
    death: signal.Signals = signal.SIGKILL
    hidden: re.Pattern[str] | None = None  # lines that are news to nobody: only in the file
    final: Mapping[int, str] = field(default_factory=dict)  # codes after which it stays ended, and what to say


class Running:
    """One living process of a program, with its output and its end."""

    def __init__(self, program: Program, log: Log, keep: tuple[int, ...] = ()) -> None:
        self.started = time.monotonic()
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self.loop.create_future()
        self.log = log
        self.output, output = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become(program, parent, output, keep)
        os.close(output)
        os.set_blocking(self.output, False)
        self.handle = os.pidfd_open(self.pid)
        self.loop.add_reader(self.output, self._read)
        self.loop.add_reader(self.handle, self._reap)

    def _read(self) -> bool:
        try:
            chunk = os.read(self.output, 65536)
        except BlockingIOError:
            return False
        if chunk:
            self.log.feed(chunk)
            return True
        self.loop.remove_reader(self.output)
        return False

    def _reap(self) -> None:
        """The leader ended; what it left in its group ends too, before its number can be given to another."""
        self.loop.remove_reader(self.handle)
        self.kill(signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        while self._read():
            pass
        self.log.flush()
        self.loop.remove_reader(self.output)
        os.close(self.output)
        os.close(self.handle)
        self.ended.set_result(os.waitstatus_to_exitcode(status))

    def kill(self, signum: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signum)


def _become(program: Program, parent: int, output: int, keep: tuple[int, ...]) -> None:
    """What a fresh fork does until it is the program; never returns."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for number in [int(entry) for entry in os.listdir("/proc/self/fd")]:
            if number > 2 and number not in keep:
                with suppress(OSError):
                    os.close(number)
        sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115  the program's, for as long as it lives
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        os.environ.update(program.environment, PYTHONUNBUFFERED="1")
        if program.identity is not None:
            program.identity.become()
        die_with_parent(program.death, parent)
        if not callable(program.start):
            os.execvp(program.start[0], program.start)
        setproctitle(f"drover: {program.name}")
        program.start()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class Supervisor:
    """Starts programs one after the other and keeps each running until stop()."""

    def __init__(self, log_directory: Path, pid_directory: Path, say: Callable[[str], None]) -> None:
        self.log_directory = log_directory
        self.pid_directory = pid_directory
        self.say = say
        self.stopping = asyncio.Event()
        self.running: dict[str, Running] = {}
        self.keepers: dict[str, asyncio.Task[None]] = {}

    def keep(self, program: Program) -> None:
        """Start a program and restart it whenever it ends."""
        self.keepers[program.name] = asyncio.create_task(self._keep(program))

    async def ready(self, program: Program, seconds: float = 60) -> bool:
        """Wait until a kept program answers; False when it does not in time or the supervisor is to stop."""
        deadline = time.monotonic() + seconds
        while program.ready is not None and not self.stopping.is_set():
            if await program.ready():
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return not self.stopping.is_set()

    async def once(self, name: str, work: Callable[[], str], identity: Identity | None) -> str:
        """Run a function in its own process and return what it returns; raises RuntimeError when it fails."""
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)

        def start() -> None:
            os.write(writer, work().encode())

        with Log(name, self.log_directory) as log:
            run = Running(Program(name=name, start=start, identity=identity), log, keep=(writer,))
            self.running[name] = run
            os.close(writer)
            code = await run.ended
            del self.running[name]
        with os.fdopen(reader) as answer:
            text = answer.read()
        if code != 0:
            raise RuntimeError(f"{name} ended with code {code}; its words are above and in {log.path}.")
        return text

    async def _keep(self, program: Program) -> None:
        failures = 0
        with Log(program.name, self.log_directory, program.hidden) as log:
            while not self.stopping.is_set():
                run = self.running[program.name] = Running(program, log)
                self._record(program.name, run.pid)
                code = await run.ended
                if self.stopping.is_set():
                    return
                if code in program.final:
                    self.say(f"{program.name} {_ending(code)}: {program.final[code]}")
                    return
                failures = 0 if time.monotonic() - run.started > LONG_ENOUGH else failures
                pause = BACK_OFF[min(failures, len(BACK_OFF) - 1)]
                failures += 1
                when = f"in {pause:g} s" if pause else "now"
                self.say(f"{program.name} {_ending(code)}; starting it again {when}")
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause or 0.001):
                        await self.stopping.wait()

    def _record(self, name: str, pid: int) -> None:
        with suppress(OSError):
            fresh = self.pid_directory / f".{name}.new"
            fresh.write_text(f"{pid}\n")
            fresh.replace(self.pid_directory / f"{name}.pid")  # who reads it finds a number, old or new

    async def stop(self, *, last: str = "") -> None:
        """End every process within three seconds: all at once, ``last`` after the others."""
        self.stopping.set()
        others = [run for name, run in self.running.items() if name != last]
        await _end(others, STOP_SECONDS)
        await _end([run for name, run in self.running.items() if name == last], 0.3)
        await asyncio.gather(*self.keepers.values(), return_exceptions=True)
        for name in self.keepers:
            (self.pid_directory / f"{name}.pid").unlink(missing_ok=True)


async def _end(runs: list[Running], seconds: float) -> None:
    living = [run for run in runs if not run.ended.done()]
    for run in living:
        run.kill(signal.SIGTERM)
    if living:
        await asyncio.wait([run.ended for run in living], timeout=seconds)
    for run in living:
        if not run.ended.done():
            run.kill(signal.SIGKILL)
            await run.ended


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was ended by {signal.Signals(-code).name}"
