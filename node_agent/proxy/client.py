"""The agent's side of the proxy's process: hands it the newest state and starts it again when it ends."""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from time import monotonic

import msgspec

from apps.cluster import types
from node_agent.names import Names
from node_agent.proxy.messages import Answer, Order
from node_agent.proxy.rules import HostPort, Wanted, plan

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
HEALTHY_SECONDS = 30.0
"""A process that lived so long is started again without a growing pause."""
STOP_SECONDS = 5.0
CHUNK = 1 << 16


class ProxyProcess:
    """Keeps the proxy's process running. Every method may be called from any thread."""

    def __init__(
        self,
        names: Names,
        *,
        backend: str = "",
        verify_seconds: float = 5.0,
        on_restored: Callable[[tuple[str, ...]], None] = lambda restored: None,
    ) -> None:
        self._names = names
        self._on_restored = on_restored
        self._verify_seconds = verify_seconds
        self._forced = backend
        self._changed = Condition()
        self._newest = Order(0, Wanted())
        self._applied = 0
        self._error = ""
        self._backend = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: Thread | None = None
        self._stopping = False
        self._wake: tuple[int, int] | None = None

    @property
    def applied(self) -> int:
        """The number of the last order that is in the kernel."""
        return self._applied

    @property
    def error(self) -> str:
        """Why the newest order is not applied yet."""
        return self._error

    @property
    def backend(self) -> str:
        """What writes the rules here; "" until the process has said so."""
        return self._backend

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
            self._thread = Thread(target=self._keep, name="proxy", daemon=True)
            self._thread.start()

    def update(
        self,
        services: Iterable[types.Service],
        slices: Iterable[types.EndpointSlice],
        host_ports: Iterable[HostPort] = (),
        node: str = "",
    ) -> int:
        """Sets the whole state that ``node`` wants and returns its number. Only the newest is ever carried out."""
        wanted = plan(services, slices, host_ports, node)
        with self._changed:
            if self._newest.number == 0 or wanted != self._newest.wanted:
                self._newest = Order(self._newest.number + 1, wanted)
            number = self._newest.number
        self._nudge()
        return number

    def wait(self, number: int, seconds: float) -> bool:
        """True as soon as that order is in the kernel, False when it is not within ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: self._applied >= number, seconds)

    def stop(self) -> None:
        """Ends the process; the rules stay."""
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

    def _nudge(self) -> None:
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
                    code = process.returncode if process else "never started"
                    log.warning("the proxy's process ended (%s), again in %.1f s", code, pause)
                self._changed.wait_for(lambda: self._stopping, pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        argv = [sys.executable, "-m", "node_agent.proxy", "--instance", self._names.instance]
        argv += ["--verify-seconds", str(self._verify_seconds)]
        environment = dict(os.environ)
        if self._forced:
            environment["DROVER_PROXY_BACKEND"] = self._forced
        try:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment
            )
        except OSError as error:
            self._error = f"the proxy's process cannot start: {error}"
            return None
        return self._process

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Hands over orders, one at a time, and takes answers until the process ends or is to end."""
        assert process.stdout is not None and self._wake is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(self._wake[0], selectors.EVENT_READ)
            sent, answered, rest = 0, True, b""
            while not self._stopping:
                order = self._newest
                if answered and order.number > sent:
                    if not _write(process, msgspec.json.encode(order) + b"\n"):
                        return
                    sent, answered = order.number, False
                for key, _ in selector.select():
                    if key.fileobj is not process.stdout:
                        os.read(self._wake[0], CHUNK)
                        continue
                    chunk = os.read(process.stdout.fileno(), CHUNK)
                    if not chunk:
                        return
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        answered = self._take(msgspec.json.decode(line, type=Answer)) or answered

    def _take(self, answer: Answer) -> bool:
        """Notes an answer; True when it answers an order."""
        with self._changed:
            self._applied = max(self._applied, answer.applied)
            self._backend = answer.backend or self._backend
            if answer.applied or answer.error:
                self._error = answer.error
            self._changed.notify_all()
        if answer.restored:
            log.warning("somebody removed service rules, restored: %s", ", ".join(answer.restored[:5]))
            self._on_restored(answer.restored)
        if answer.error:
            log.warning("%s", answer.error)
        return bool(answer.applied or answer.error)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _write(process: subprocess.Popen[bytes], line: bytes) -> bool:
    assert process.stdin is not None
    try:
        process.stdin.write(line)
        process.stdin.flush()
    except BrokenPipeError:
        return False
    return True
