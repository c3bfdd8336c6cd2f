"""What runs first in a machine within this machine: makes it a place of its own, then keeps its engine running.

It is process 1 there: when it ends, however it ends, everything in the machine ends with it. An engine that ends by
itself is started again, as a service manager would.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

RESOLV_CONF = Path("/etc/resolv.conf")
RESOLVED_UPSTREAMS = Path("/run/systemd/resolve/resolv.conf")
FAILED_SECONDS = 2.0
"""An engine that ends so soon cannot run here; whoever switched the machine on finds its words in the log."""
STOP, ENDED = {signal.SIGTERM, signal.SIGINT}, signal.SIGCHLD


def main(name: str, configuration: str) -> None:
    socket.sethostname(name)
    # As on a machine that was just installed: the engine turns this on itself, and then forbids what is not its own.
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    servers = _servers()
    real = RESOLV_CONF.resolve()
    _mount("-t", "tmpfs", "-o", "mode=755", "drover", "/run")
    if Path("/var/run").is_dir() and not Path("/var/run").is_symlink():
        _mount("--bind", "/run", "/var/run")
    for folder in ("/run/lock", "/run/netns"):
        Path(folder).mkdir()
    _resolve_with(servers, real)
    keep(["dockerd", "--config-file", configuration])


def keep(command: list[str]) -> None:
    """Run it again whenever it ends, until this process is asked to end; then it ends first."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*STOP, ENDED})
    stopping = False
    while not stopping:
        started = monotonic()
        engine = os.posix_spawnp(command[0], command, os.environ, setsigmask=())
        while engine not in _reaped():
            if signal.sigwait({*STOP, ENDED}) != ENDED:
                stopping = True
                os.kill(engine, signal.SIGTERM)
        stopping = stopping or monotonic() - started < FAILED_SECONDS


def _reaped() -> Iterator[int]:
    """Whoever has ended here: process 1 takes note of orphans too."""
    with suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]):
            yield pid


def _servers() -> str:
    """Who is asked for names: those behind a resolver that listens on this machine's loopback only."""
    kept = ""
    for source in (RESOLV_CONF, RESOLVED_UPSTREAMS):
        try:
            lines = source.read_text().splitlines()
        except OSError:
            continue
        kept = "".join(
            f"{line}\n" for line in lines if not line.startswith(("nameserver 127.", "nameserver ::1"))
        )
        if "nameserver " in kept:
            break
    return kept


def _resolve_with(servers: str, real: Path) -> None:
    own = Path("/run/resolv.conf")
    own.write_text(servers)
    if real.is_relative_to("/run"):
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_text(servers)
    elif real.exists():
        _mount("--bind", str(own), str(real))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
