"""Keeps Caddy running while there is something to serve, and tells it what. It outlives the agent."""

from __future__ import annotations

import logging
import os
import pwd
import re
import selectors
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import inf, isinf
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Final, NamedTuple

import msgspec

from apps.cluster.types import ways
from node_agent import disk
from node_agent.edge import admin, caddy
from node_agent.edge.plan import Plan

log = logging.getLogger(__name__)

START_SECONDS = 20.0
END_SECONDS = 5.0
RETRY_SECONDS = 5.0
"""Until a port that was taken, or a program that was missing, is looked for again."""
USERS: Final = ("caddy", "nobody")
"""As whom it runs: the first of these that the machine has."""
CONFIG, LOG = "start.json", "start.log"
PAIR = re.compile(r"PEM pair (\d+)")
IN_USE = re.compile(r":(\d+): bind: address already in use")


class Trouble(NamedTuple):
    """Why the newest plan is not served."""

    reason: str
    message: str


class Unserved(Exception):
    """Nothing of it is."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.trouble = Trouble(reason, message)


MISSING: Final = Trouble(
    "CaddyMissing",
    "the program caddy is not installed on this node: install it (apt-get install caddy), or make other nodes the edge "
    "(kubectl label node NAME drover.dev/edge=true)",
)


class EdgeProcess:
    """One thread does everything; every method may be called from any other."""

    def __init__(
        self,
        directory: Path,
        on_trouble: Callable[[Trouble | None], None] = lambda trouble: None,
        on_unusable: Callable[[Trouble], None] = lambda trouble: None,
    ) -> None:
        """``on_unusable`` hears of certificates that Caddy does not take: all but their hosts are served."""
        self._directory = directory
        self._on_trouble = on_trouble
        self._on_unusable = on_unusable
        self._unusable: set[Trouble] = set()
        self._wanted: Plan | None = None
        self._told = False
        self._loaded: object = None
        self._pid, self._pidfd = 0, -1
        self._wake = os.pipe()
        os.set_blocking(self._wake[1], False)
        self._trouble: Trouble | None = None
        self._settled: Plan | None = None
        self._thread: Thread | None = None
        self._stopping = False

    @property
    def trouble(self) -> Trouble | None:
        return self._trouble

    def trouble_with(self, pods: Mapping[int, str]) -> Trouble | None:
        """The same, where pods have these ports of the node: theirs come before a program's own."""
        taken = sorted(self._settled.ports & pods.keys()) if self._settled else []
        return self._trouble or (in_use(taken[0], f"pod {pods[taken[0]]}") if taken else None)

    @property
    def settled(self) -> Plan | None:
        """The last plan that was carried out."""
        return self._settled

    def start(self) -> None:
        """Starts nothing in the machine until there is something to serve."""
        self._thread = Thread(target=self._keep, name="edge", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leaves Caddy as it is: who is served goes on being served."""
        self._stopping = True
        self._nudge()
        if self._thread is not None:
            self._thread.join()

    def want(self, plan: Plan | None) -> None:
        """From now on; None for nothing at all."""
        if not self._told or plan != self._wanted:
            self._told, self._wanted = True, plan
            self._nudge()

    def _nudge(self) -> None:
        with suppress(BlockingIOError):  # it is awake already
            os.write(self._wake[1], b".")

    def _keep(self) -> None:
        self._wait(inf)  # for the first word: until then nobody knows what to do with one that runs
        while not self._stopping:
            wanted, trouble = self._wanted, None
            try:
                self._carry_out(wanted)
                self._settled = wanted
            except Unserved as unserved:
                trouble = unserved.trouble
            except Exception as error:
                log.exception("the edge could not be served")
                trouble = Trouble("EdgeFailed", f"{type(error).__name__}: {error}")
            self._tell(trouble)
            if self._wanted is wanted:
                self._wait(RETRY_SECONDS if trouble else inf)

    def _tell(self, trouble: Trouble | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            words = trouble.message if trouble else "well again"
            log.log(logging.WARNING if trouble else logging.INFO, "the edge: %s", words)
            self._on_trouble(trouble)

    def _wait(self, seconds: float) -> None:
        """Until there is something new, or Caddy has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake[0], selectors.EVENT_READ)
            if self._pidfd >= 0:
                selector.register(self._pidfd, selectors.EVENT_READ)
            for key, _ in selector.select(None if isinf(seconds) else seconds):
                if key.fileobj == self._wake[0]:
                    os.read(self._wake[0], 1 << 12)

    def _carry_out(self, wanted: Plan | None) -> None:
        if wanted is None:
            end(self._directory)
            self._forget()
            return
        self._have_it_running()
        if wanted.config == self._loaded:
            return
        for name, text in wanted.files.items():
            disk.write(self._directory / name, text.encode(), 0o644)
        unusable = set(self._load(wanted))
        for trouble in sorted(unusable - self._unusable):
            log.warning("the edge: %s", trouble.message)
            self._on_unusable(trouble)
        self._loaded, self._unusable = wanted.config, unusable

    def _load(self, wanted: Plan) -> Iterator[Trouble]:
        """Whole, or but for certificates that Caddy cannot use. Raises Unserved when nothing of it is served."""
        while True:
            try:
                admin.load(self._directory, wanted.config)
            except admin.Refused as refused:
                words = str(refused)
                if found := IN_USE.search(words):
                    raise Unserved(*in_use(found[1], "another program")) from refused
                secrets = wanted.certificates()
                if not secrets:
                    raise Unserved("EdgeFailed", f"Caddy does not take the configuration: {words}") from refused
                pair = PAIR.search(words)
                place = int(pair[1]) if pair else None
                named = secrets[place] if place is not None else "one of " + ", ".join(secrets)
                why = words.rpartition(": ")[2]
                yield Trouble("CertificateUnusable", f"secret {named} is no certificate with its key: {why}")
                wanted = wanted.without(place)
            except admin.Silent as silent:
                raise Unserved("EdgeFailed", str(silent)) from silent
            else:
                return

    def _have_it_running(self) -> None:
        if self._pidfd >= 0 and not _ended(self._pidfd):
            return
        self._forget()
        self._pid = next(_running(self._directory), 0) or _start(self._directory)
        self._pidfd = os.pidfd_open(self._pid)
        until = monotonic() + START_SECONDS
        while True:
            try:
                self._loaded = admin.current(self._directory)
            except admin.Silent as silent:
                if _ended(self._pidfd):
                    said = (self._directory / LOG).read_text(errors="replace").strip().splitlines()
                    raise Unserved("EdgeFailed", f"Caddy ended at once: {(said or ['no words'])[-1][:500]}") from silent
                if monotonic() > until:
                    raise Unserved("EdgeFailed", str(silent)) from silent
                sleep(0.02)
            else:
                return

    def _forget(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            with suppress(ChildProcessError):  # it was another agent's
                os.waitpid(self._pid, os.WNOHANG)
        self._pid, self._pidfd, self._loaded = 0, -1, None


def end(directory: Path) -> None:
    """Ends the one that runs there, whoever started it."""
    for pid in _running(directory):
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                if not _ended(handle, END_SECONDS):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def in_use(port: int | str, owner: str) -> Trouble:
    return Trouble(
        "PortInUse",
        f"port {port} of this node is taken by {owner}: end that one, or serve at another port "
        f"(kubectl annotate ingressclass edge {ways.HTTP_PORT}=... {ways.HTTPS_PORT}=...)",
    )


def _ended(handle: int, within: float = 0.0) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        return bool(selector.select(within))


def _running(directory: Path) -> Iterator[int]:
    """Nobody else's stands in that very directory."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            program = (process / "cmdline").read_bytes().partition(b"\0")[0]
            if program.endswith(b"/caddy") and (process / "cwd").samefile(directory):
                yield int(process.name)


def _start(directory: Path) -> int:
    """With its directory as the one it stands in: the way there is closed to all but root."""
    program, setpriv = shutil.which("caddy"), shutil.which("setpriv")
    if program is None:
        raise Unserved(*MISSING)
    if setpriv is None:
        raise Unserved("EdgeFailed", "the program setpriv is missing on this node: install util-linux")
    user, own = _user(), directory / caddy.OWN
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    own.mkdir(mode=0o700, exist_ok=True)
    os.chown(own, user.pw_uid, user.pw_gid)
    (directory / caddy.SOCKET).unlink(missing_ok=True)
    disk.write(directory / CONFIG, msgspec.json.encode(caddy.start()), 0o644)
    command = [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs"]
    command += [f"--{each}=-all,+net_bind_service" for each in ("inh-caps", "ambient-caps", "bounding-set")]
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": caddy.OWN, "XDG_DATA_HOME": caddy.OWN}
    with (directory / LOG).open("wb") as output:
        started = subprocess.Popen(
            [*command, program, "run", "--config", CONFIG], cwd=directory, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    started.returncode = 0  # this object's part is done: the process may outlive whoever started it
    return started.pid


def _user() -> pwd.struct_passwd:
    for name in USERS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unserved("EdgeFailed", f"this node has no user to run Caddy as: add one called {USERS[0]}")
