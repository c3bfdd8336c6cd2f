"""A real platform for tests and benchmarks: `manage.py up` in a STATE of its own, driven from outside.

With several nodes (``running(nodes=3)``) each node is a machine within this one: ``tests/machines.py`` says how to cut
its power or its cable, and how to run something in it or in one of its pods.
"""

import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml

from paas.machines import fleet
from paas.state import ProcessMark, StateDirectory, read_mark, runtime_directory
from tests.calm import Stopwatch
from tests.machines import Node

T = TypeVar("T")

BASE = Path(__file__).resolve().parent.parent
EXAMPLES = BASE / "examples"
PREFIX = "drover-up-"
NOTHING: Mapping[str, str] = {}


def free_port() -> int:
    """A port with a free neighbour 443 above it, as PORT needs."""
    while True:
        with socket.socket() as plain, socket.socket() as tls:
            plain.bind(("127.0.0.1", 0))
            port: int = plain.getsockname()[1]
            try:
                tls.bind(("0.0.0.0", port + 443))
            except (OSError, OverflowError):
                continue
            return port


def eventually(check: Callable[[], T | None], *, within: float = 30, what: str = "") -> T:
    """The first truthy answer of ``check``; fails with its last answer or error after ``within`` calm seconds."""
    patience = Stopwatch()
    while True:
        try:
            last: Any = check()
        except (AssertionError, KeyError, IndexError, OSError, subprocess.CalledProcessError) as error:
            last = error
        else:
            if last:
                return last  # type: ignore[no-any-return]
        if patience.over(within):
            raise AssertionError(f"not within {within} s: {what or check.__name__}; last: {last!r}")
        time.sleep(0.05)


class Platform:
    """One installation. ``start`` returns once it says that it is ready. ``settings`` hold for all its commands."""

    def __init__(
        self, state: Path | None = None, port: int | None = None, settings: Mapping[str, str] = NOTHING
    ) -> None:
        self.settings = dict(settings)
        self.state = state or Path(tempfile.mkdtemp(prefix=PREFIX))
        self.state.chmod(0o755)
        self._owner = self.state.with_suffix(".owner")
        mark = ProcessMark.of(os.getpid())
        self._owner.write_text(json.dumps({"pid": mark.pid, "started": mark.started}))
        self.port = port or free_port()
        self.output = self.state.with_suffix(".out")
        self._up: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._last_word = ""

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "DROVER_KEY"}
        }
        settings = {
            "STATE": str(self.state),
            "PORT": str(self.port),
            "KUBECONFIG": str(self.state / "kubeconfig"),
        }
        settings |= {"HOME": str(self.state), "DJANGO_SETTINGS_MODULE": "paas.settings"}
        return {**kept, **settings, **self.settings}

    def start(self, *, within: float = 60, nodes: int = 1, **environment: str) -> float:
        """Seconds until the platform said that it is ready, if it does not run yet; with ``nodes=0`` it is a control
        plane alone."""
        if self._up is not None and self._up.poll() is None:
            return 0.0
        began = time.monotonic()
        with self.output.open("wb") as output:
            self._up = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--nodes", str(nodes)],
                cwd=BASE, env={**self.environment, **environment}, stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self._starts += 1
        self._last_word = f"Found {nodes} nodes" if nodes > 1 else "kubeconfig"
        eventually(self._is_ready, within=within, what=f"`up` is ready (see {self.output})")
        return time.monotonic() - began

    def _is_ready(self) -> bool:
        assert self._up is not None
        text = self.output.read_text(errors="replace")
        if self._up.poll() is not None:
            raise RuntimeError(f"`up` ended with {self._up.returncode}: {text[-2000:]}")
        return self._last_word in text

    def stop(self) -> float:
        """Ctrl-C; returns seconds until it was gone. Workloads keep running."""
        if self._up is None or self._up.poll() is not None:
            return 0.0
        began = time.monotonic()
        self._up.send_signal(signal.SIGINT)
        self._up.wait(timeout=30)
        return time.monotonic() - began

    def down(self) -> None:
        """Remove everything; safe to call at any time."""
        subprocess.run(
            [sys.executable, "manage.py", "down"], cwd=BASE, env=self.environment, check=True, timeout=120
        )
        if self._up is not None:
            self._up.wait(timeout=30)
        self.forget()

    def forget(self) -> None:
        """Remove the files."""
        for beside in (self.output, self._owner):
            beside.unlink(missing_ok=True)
        shutil.rmtree(self.state, ignore_errors=True)

    # Driving it

    def kubectl(
        self, *arguments: str, check: bool = True, input: str | None = None, within: float = 60
    ) -> str:
        """Standard output of a kubectl command; raises CalledProcessError with what it said when it fails."""
        done = subprocess.run(
            ["kubectl", *arguments], env=self.environment, input=input, capture_output=True, text=True, timeout=within,
            check=False, cwd=BASE,
        )  # fmt: skip
        if check and done.returncode:
            told = done.stderr or done.stdout
            raise AssertionError(f"kubectl {' '.join(arguments)}: exit {done.returncode}: {told}")
        return done.stdout + ("" if check else done.stderr)

    def manage(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """One of manage.py's commands on this installation, with what it said."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=BASE, env={**self.environment, **changed},
            capture_output=True, text=True, timeout=180, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def app(self, *words: str, check: bool = True) -> str:
        """What ``manage.py app`` says; fails when it fails."""
        done = self.manage("app", *words)
        told = done.stdout + done.stderr
        assert not (check and done.returncode), f"manage.py app {' '.join(words)}: exit {done.returncode}: {told}"
        return told

    def node(self, name: str) -> Node:
        """One of several nodes, as the machine it is."""
        return Node(fleet.named(StateDirectory(self.state), name))

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """``kubectl get`` as JSON: the items of a list."""
        answer = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        items: list[dict[str, Any]] = answer["items"] if answer["kind"].endswith("List") else [answer]
        return items

    def pods(self, selector: str = "", *, ready: int | None = None) -> list[dict[str, Any]]:
        """Pods that are not being deleted; ``ready`` demands exactly so many, and all of them Ready."""
        found = self.objects("pods", *(["-l", selector] if selector else []))
        found = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        if ready is not None:
            assert len(found) == ready, [pod["metadata"]["name"] for pod in found]
            assert all(is_ready(pod) for pod in found), [pod["status"] for pod in found]
        return found

    def ready_pods(self, selector: str, count: int, *, within: float = 60) -> list[dict[str, Any]]:
        """The ``count`` pods of a selector once all of them are Ready."""
        what = f"{count} ready pods of {selector}"
        return eventually(lambda: [self.pods(selector, ready=count)], within=within, what=what)[0]

    def processes(self) -> dict[str, int]:
        """Pids by name (web, worker, beat, redis, agent) of the running platform."""
        return {path.stem: int(path.read_text()) for path in (self.runtime / "pids").glob("*.pid")}

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._up is not None
        return self._up.pid

    @property
    def runtime(self) -> Path:
        return runtime_directory(self.state)

    def connection(self, *, timeout: float = 30) -> HTTPSConnection:
        """A connection to the REST API that trusts the cluster's authority; send ``headers`` with it."""
        cluster, _ = self._access()
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        server = urlsplit(cluster["server"])
        return HTTPSConnection(
            server.hostname or "127.0.0.1", server.port, timeout=timeout,
            context=ssl.create_default_context(cadata=authority),
        )  # fmt: skip

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access()[1]}", "Content-Type": "application/json"}

    def _access(self) -> tuple[dict[str, str], str]:
        config = yaml.safe_load((self.state / "kubeconfig").read_text())
        return config["clusters"][0]["cluster"], config["users"][0]["user"]["token"]


@contextmanager
def running(state: Path | None = None, *, nodes: int = 1, **environment: str) -> Iterator[Platform]:
    """A platform from its start to its last trace; one at a time, unless address ranges differ."""
    sweep()
    platform = Platform(state)
    try:
        platform.start(within=120, nodes=nodes, **environment)
        yield platform
    finally:
        platform.stop()
        platform.down()


def sweep() -> None:
    """Remove what test runs left that were killed before they could."""
    for owner in Path(tempfile.gettempdir()).glob(f"{PREFIX}*.owner"):
        mark = read_mark(owner)
        if mark is not None and not mark.alive():
            Platform(owner.with_suffix("")).down()


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def restarts(pod: dict[str, Any]) -> list[int]:
    return [status["restartCount"] for status in pod["status"]["containerStatuses"]]


def containers(pods: list[dict[str, Any]]) -> set[str]:
    """The engine's ids of all app containers: what a needless restart would change."""
    return {status["containerID"] for pod in pods for status in pod["status"]["containerStatuses"]}
