"""What runs first in a machine within this machine: makes it a place of its own, then becomes its engine.

It is process 1 there: when it ends, however it ends, everything in the machine ends with it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
RESOLVED_UPSTREAMS = Path("/run/systemd/resolve/resolv.conf")


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
    os.execvp("dockerd", ["dockerd", "--config-file", configuration])


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
