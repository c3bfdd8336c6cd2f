"""The Docker Engine that nodes of this machine share: used where it runs, started where nobody else would."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from paas.state import ProcessMark, Refused, StateDirectory, read_mark, wait_gone

SOCKET = "/var/run/docker.sock"
START_SECONDS = 40.0
STOP_SECONDS = 20.0
BRIDGE = "docker0"
PID_FILES = (Path("/var/run/docker.pid"), Path("/var/run/docker/containerd/containerd.pid"))


def socket_path() -> str:
    """Docker's own variable may name another engine on this machine; one elsewhere cannot carry a node."""
    host = os.environ.get("DOCKER_HOST", "")
    if host and not host.startswith("unix://"):
        raise Refused(f"DOCKER_HOST is {host}, but a node needs an engine of its own machine: unset it.")
    return host.removeprefix("unix://") or SOCKET


def answers(path: str = "") -> bool:
    """Whether an engine answers on the socket."""
    return ask("GET /_ping", path).startswith(b"HTTP/1.1 200")


def listening() -> bool:
    """Whether somebody holds the socket, even if too busy to answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(socket_path())
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True


def ask(request: str, path: str = "") -> bytes:
    """One small request on Docker's socket; empty when nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(path or socket_path())
            connection.sendall(f"{request} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError:
            return b""


def ensure(state: StateDirectory) -> str:
    """Have an engine that answers; returns what was done, in words, or "" when it was running already."""
    if answers():
        return ""
    if listening():
        _await_answer(None, "an engine listens there, but is too busy or stuck")
        return ""
    if _systemd():
        subprocess.run(["systemctl", "start", "docker.service"], check=False, capture_output=True)
        _await_answer(None, "systemctl status docker says why")
        return "Docker's service was started"
    if shutil.which("dockerd") is None:
        raise Refused("Docker is missing: run `make up`, which installs it, or install docker.io first.")
    if socket_path() != SOCKET:
        raise Refused(f"no engine answers on DOCKER_HOST ({socket_path()}): start it, or unset DOCKER_HOST.")
    _await_answer(_start(state), f"its words are in {_log(state)}")
    return "the Docker engine was started (no service manager does it here); `make down` ends it"


def revive(state: StateDirectory) -> str:
    """Start the engine again that we had started and that ended; does not wait for it."""
    if read_mark(_record(state)) is None or started_by_us(state) is not None or listening():
        return ""
    _start(state)
    return f"the Docker engine had ended and was started again; its words are in {_log(state)}"


def _start(state: StateDirectory) -> subprocess.Popen[bytes]:
    found = _rules()
    _bury()
    with _log(state).open("ab") as output:
        engine = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    mark = ProcessMark.of(engine.pid)
    record = _kept(state) or {
        "rules": [rule for rule in found if _of_engine(rule)],
        "policy": next((rule for rule in found if rule.startswith("-P FORWARD")), ""),
        "bridge": Path(f"/sys/class/net/{BRIDGE}").exists(),
    }
    _record(state).write_text(json.dumps({**record, "pid": mark.pid, "started": mark.started}))
    return engine


def _bury() -> None:
    """Take away the notes of a killed engine: one that its parent does not reap counts as living to the next."""
    for note in PID_FILES:
        with contextlib.suppress(OSError, ValueError):
            if not ProcessMark.of(int(note.read_text())).started:
                note.unlink()


def _await_answer(engine: subprocess.Popen[bytes] | None, hint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if engine is not None and engine.poll() is not None:
            raise Refused(f"The Docker engine ended with code {engine.returncode} while starting: {hint}.")
        if time.monotonic() > deadline:
            raise Refused(f"The Docker engine does not answer on {socket_path()}: {hint}.")
        time.sleep(0.05)


def started_by_us(state: StateDirectory) -> ProcessMark | None:
    """The living engine that an ``up`` of this STATE started."""
    mark = read_mark(_record(state))
    return mark if mark is not None and mark.alive() else None


def busy() -> int:
    """How many containers the engine still runs, whoever started them."""
    _, _, body = ask("GET /containers/json").partition(b"\r\n\r\n")
    return body.count(b'"Id":')


def stop(state: StateDirectory) -> str:
    """Stop the engine if we started it and nothing runs in it any more; returns what was done, in words."""
    kept = _kept(state)
    if not kept:
        return ""
    mark = started_by_us(state)
    if mark is None and listening():
        return ""
    if mark is not None:
        if left := busy():
            return f"the engine keeps running: it still carries {left} container(s) that are not Drover's"
        os.kill(mark.pid, 15)
        if not wait_gone(mark, STOP_SECONDS):
            os.kill(mark.pid, 9)
            wait_gone(mark, 5)
    _remove_traces(kept)
    _record(state).unlink(missing_ok=True)
    return "the Docker engine that `up` had started was stopped"


def halt_service() -> str:
    """Put Docker's service back to rest after it was started only to remove what had been left in it."""
    if not _systemd() or busy():
        return ""
    subprocess.run(["systemctl", "stop", "docker.service", "docker.socket"], check=False, capture_output=True)
    return "Docker's service was stopped again"


def _remove_traces(before: dict[str, Any]) -> None:
    """Take away the bridge and the rules that dockerd leaves behind and that were not there ``before``."""
    rules = [rule for rule in _rules() if _of_engine(rule) and rule not in before.get("rules", ())]
    for table in ("filter", "nat"):
        own = [rule.partition(" ")[2] for rule in rules if rule.startswith(f"{table} ")]
        for rule in own:
            if rule.startswith("-A"):
                _iptables(table, "-D", *shlex.split(rule)[1:])
        for rule in own:
            if rule.startswith("-N"):
                _iptables(table, "-X", rule.split()[1])
    if before.get("policy"):
        _iptables("filter", *shlex.split(before["policy"]))
    if not before.get("bridge"):
        subprocess.run(["ip", "link", "delete", BRIDGE], check=False, capture_output=True)


def _rules() -> list[str]:
    """Rules as commands, each after its table's name; the forward policy bare."""
    found = []
    for table in ("filter", "nat"):
        for rule in _iptables(table, "-S").splitlines():
            found.append(rule if rule.startswith("-P FORWARD") else f"{table} {rule}")
    return found


def _of_engine(rule: str) -> bool:
    return "DOCKER" in rule or BRIDGE in rule


def _iptables(table: str, *arguments: str) -> str:
    command = ["iptables", "-w", "-t", table, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def _log(state: StateDirectory) -> Path:
    return state.log / "dockerd.log"


def _kept(state: StateDirectory) -> dict[str, Any]:
    """What was noted when we first started the engine; empty when we did not."""
    try:
        kept = json.loads(_record(state).read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _record(state: StateDirectory) -> Path:
    return state.path / "engine.json"


def _systemd() -> bool:
    return Path("/run/systemd/system").is_dir()
