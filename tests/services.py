"""Private servers for a test session: a PostgreSQL and a Redis on unix sockets in a folder that goes with them."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from urllib.parse import quote

from paas.privileges import die_with_parent

START_SECONDS = 30.0
OWNER = "nobody"  # PostgreSQL refuses to run as root
# Nothing of a test's database must survive a power cut.
POSTGRES = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=", "max_connections=80")


@cache
def private_postgres() -> str:
    """Start a PostgreSQL of this session; returns its DATABASE_URL. It ends with the session, however that ends."""
    programs = _postgres_programs()
    folder = _folder("pg", OWNER)
    data = folder / "data"
    initdb: list[str | Path] = [programs / "initdb", "-D", data, "-U", "drover", "-A", "trust", "--no-sync"]
    initdb += ["-E", "UTF8", "--locale=C"]
    user, group = _account(OWNER)
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=user, group=group)
    options = [word for setting in (*POSTGRES, f"unix_socket_directories={folder}") for word in ("-c", setting)]
    _start([programs / "postgres", "-D", data, *options], folder, OWNER)
    ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", folder]
    _await("PostgreSQL", folder, lambda: subprocess.run(ready, check=False, cwd=folder).returncode == 0)
    subprocess.run([programs / "createdb", "-h", folder, "-U", "drover", "drover"], check=True, cwd=folder)
    return f"postgres://drover@{quote(str(folder), safe='')}/drover"


@cache
def private_redis() -> str:
    """Start a Redis of this session; returns its REDIS_URL."""
    folder = _folder("redis")
    path = folder / "redis.sock"
    _start(["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder], folder)
    _await("Redis", folder, path.exists)
    return f"unix://{path}"


def _postgres_programs() -> Path:
    """Debian keeps them off PATH, in a folder per version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise RuntimeError("PostgreSQL is missing: run `make test`, which installs it, or install postgresql.")
    return Path(on_path).resolve().parent


def _folder(name: str, owner: str = "") -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"drover-{name}-"))
    if owner and os.geteuid() == 0:
        shutil.chown(folder, owner)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _start(command: list[str | Path], folder: Path, owner: str = "") -> None:
    user, group = _account(owner)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=partial(_end_with, os.getpid()),  # noqa: PLW1509  called before the session has threads
            user=user,
            group=group,
        )
    atexit.register(_end, server)


def _end_with(parent: int) -> None:
    die_with_parent(signal.SIGKILL, parent)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _account(owner: str) -> tuple[int | None, int | None]:
    """User and group that a child runs as; None keeps this process' own."""
    if not owner or os.geteuid() != 0:
        return None, None
    account = pwd.getpwnam(owner)
    return account.pw_uid, account.pw_gid


def _await(name: str, folder: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} does not answer: {(folder / 'log').read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)
