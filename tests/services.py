"""Private servers for a test session: a PostgreSQL and a Redis on unix sockets in a folder that goes with them."""

from __future__ import annotations

import atexit
import os
import pwd
import secrets
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
POSTGRES = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=80")


class Postgres:
    """A PostgreSQL with an empty database, which may be stopped and started. It ends with the session."""

    def __init__(self, *settings: str, address: str = "") -> None:
        """With an ``address`` it is reached there by TCP too, from networks that this machine is in."""
        self._programs, self._folder, self._address = _postgres_programs(), _folder("pg", OWNER), address
        own = (f"unix_socket_directories={self._folder}", f"listen_addresses={address}")
        self._settings = (*POSTGRES, *settings, *own)
        initdb: list[str | Path] = [self._programs / "initdb", "-D", self._folder / "data", "-U", "drover", "-A"]
        initdb += ["trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        user, group = _account(OWNER)
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=self._folder, user=user, group=group)
        with (self._folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")
        self.start()
        create: list[str | Path] = [self._programs / "createdb", "-h", self._folder, "-U", "drover", "drover"]
        subprocess.run(create, check=True, cwd=self._folder)

    @property
    def tcp_url(self) -> str:
        """By its address; the password is one that nobody asks for."""
        return f"postgres://drover:{secrets.token_hex(8)}@{self._address}/drover"

    @property
    def url(self) -> str:
        return f"postgres://drover@{quote(str(self._folder), safe='')}/drover"

    def start(self) -> None:
        """Returns once it answers."""
        options = [word for setting in self._settings for word in ("-c", setting)]
        command: list[str | Path] = [self._programs / "postgres", "-D", self._folder / "data", *options]
        self._server = _start(command, self._folder, OWNER)
        ready: list[str | Path] = [self._programs / "pg_isready", "-q", "-h", self._folder]
        _await("PostgreSQL", self._folder, lambda: subprocess.run(ready, check=False).returncode == 0)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends its sessions; SIGQUIT ends everything at once, and the next start recovers."""
        self._server.send_signal(how)
        self._server.wait(timeout=20)


@cache
def private_postgres() -> str:
    """Start a PostgreSQL of this session; returns its DATABASE_URL. It ends with the session, however that ends."""
    return Postgres().url


@cache
def private_redis() -> str:
    """Start a Redis of this session; returns its REDIS_URL."""
    folder = _folder("redis")
    path = folder / "redis.sock"
    reached: list[str | Path] = ["--port", "0", "--unixsocket", path, "--unixsocketperm", "777"]
    _start(["redis-server", *reached, "--save", "", "--dir", folder], folder)
    _await("Redis", folder, path.exists)
    return f"unix://{path}"


def redis_at(address: str, port: int) -> str:
    """Start a Redis of this session that other machines reach; returns its REDIS_URL."""
    folder, password = _folder("redis"), secrets.token_hex(8)
    reached: list[str | Path] = ["--bind", address, "--port", str(port), "--requirepass", password]
    _start(["redis-server", *reached, "--save", "", "--dir", folder], folder)
    ask = ["redis-cli", "-h", address, "-p", str(port), "--no-auth-warning", "-a", password, "ping"]
    _await("Redis", folder, lambda: b"PONG" in subprocess.run(ask, capture_output=True, check=False).stdout)
    return f"redis://:{password}@{address}:{port}/0"


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
    folder.chmod(0o755)  # its socket is for the platform's user too
    if owner and os.geteuid() == 0:
        shutil.chown(folder, owner)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _start(command: list[str | Path], folder: Path, owner: str = "") -> subprocess.Popen[bytes]:
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
    return server


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
