"""What the operating system must have under a node: named, installed where a package manager can, and started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from apps.service import SYSTEMD
from node_agent.joining.refusal import Refused
from node_agent.names import Names
from node_agent.runtime.base import RuntimeTrouble
from node_agent.runtime.docker import DockerRuntime

SEARCHED = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))
PACKAGES = {"dockerd": "docker.io", "iptables": "iptables", "nft": "nftables", "ip": "iproute2"}
"""By the program that shows that it is there."""
EDGE = "caddy"
"""The program, and its package, that only an edge node needs."""
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
ENGINE_SECONDS = 40.0
IMPORTS = "import iptc, pyroute2, docker, uvicorn, websockets, wsproto, msgspec, node_agent.proxy.iptables"

Say = Callable[[str], None]


def ensure(docker: str, log: Path, say: Say) -> None:
    """Have everything an agent needs; says what it installs and starts. Raises Refused with what is missing."""
    os.environ["PATH"] = os.pathsep.join((os.environ.get("PATH", ""), SEARCHED))
    if missing := [*_missing(docker)]:
        _install(missing, say)
    if shutil.which(EDGE) is None:
        _install([EDGE], say)
        _leave_to_the_agent(say)
    if still := [*_missing(docker)]:
        raise Refused(f"these packages are missing: {' '.join(still)}. Install them and paste the line again")
    _check_imports()
    _ensure_engine(docker, log, say)


def _missing(docker: str) -> Iterator[str]:
    for program, package in PACKAGES.items():
        if shutil.which(program) is None and not (program == "dockerd" and _answers(docker)):
            yield package
    if _line(APPARMOR) == "Y" and shutil.which("apparmor_parser") is None:
        yield "apparmor"


def _install(packages: list[str], say: Say) -> None:
    if shutil.which("apt-get") is None:
        return
    say(f"installing with apt-get: {' '.join(packages)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
    install = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", *packages]
    done = subprocess.run(install, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        subprocess.run(["apt-get", "-qq", "update"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        done = subprocess.run(install, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        say(f"apt-get could not install them: {' '.join(done.stderr.split())[-400:]}")


def _leave_to_the_agent(say: Say) -> None:
    """The package would serve a page of its own; and where it is not to be had, the node does all else."""
    if shutil.which(EDGE) is None:
        say(f"{EDGE} is not installed: this node cannot serve Ingresses until it is")
    elif SYSTEMD.is_dir():
        subprocess.run(["systemctl", "disable", "--now", f"{EDGE}.service"], check=False, capture_output=True)


def _check_imports() -> None:
    """In a process of its own, before the line's token is spent."""
    tried = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    if tried.returncode:
        last = (tried.stderr.strip().splitlines() or ["no words"])[-1]
        raise Refused(
            f"the agent's packages were compiled on the server's system and do not run on this one ({last}): "
            "use the same release of the same distribution as the server's"
        )


def _ensure_engine(docker: str, log: Path, say: Say) -> None:
    if _answers(docker):
        return
    if SYSTEMD.is_dir():
        say("starting Docker's service")
        subprocess.run(["systemctl", "enable", "--now", "docker.service"], check=False, capture_output=True)
        hint = "systemctl status docker says why"
    else:
        say("starting the Docker engine (no service manager does it here)")
        with log.open("ab") as output:
            subprocess.Popen(
                ["dockerd"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
            )
        hint = f"its words are in {log}"
    deadline = time.monotonic() + ENGINE_SECONDS
    while not _answers(docker):
        if time.monotonic() > deadline:
            raise Refused(f"the Docker engine does not answer on {docker}: {hint}")
        time.sleep(0.1)


def _answers(docker: str) -> bool:
    try:
        DockerRuntime(Names(instance=""), docker).version()
    except RuntimeTrouble:
        return False
    return True


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
