"""Servers that tests need for real, started privately and ended with the test run."""

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path


def private_postgres() -> str:
    """Start a PostgreSQL on a unix socket in a directory of its own; returns its DATABASE_URL."""
    directory = Path(tempfile.mkdtemp(prefix="drover-pg-"))
    binaries = _postgres_binaries()
    # PostgreSQL refuses to run as root.
    account = _unprivileged() if os.geteuid() == 0 else None
    if account is not None:
        os.chown(directory, account.pw_uid, account.pw_gid)

    def run(*command: str) -> None:
        done = subprocess.run(
            [str(binaries / command[0]), *command[1:]], user=account.pw_uid if account else None,
            group=account.pw_gid if account else None, cwd=directory, capture_output=True, text=True,
            check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")

    data = str(directory / "data")
    run("initdb", "-D", data, "-U", "drover", "-A", "trust", "--no-sync", "-E", "UTF8")
    options = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off -c max_connections=60"
    run("pg_ctl", "-D", data, "-w", "-l", str(directory / "log"), "-o", options, "start")

    def end() -> None:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(end)
    return f"postgres://drover@%2F{str(directory).strip('/').replace('/', '%2F')}/postgres"


def _postgres_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    on_path = shutil.which("pg_ctl")
    if not found and not on_path:
        raise RuntimeError("PostgreSQL is not installed: `make test` installs Debian's package postgresql")
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
