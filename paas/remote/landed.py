"""A control plane that `up-nodes` sent to this machine: checked, made a service of it, exchanged, taken away again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from apps.service import SYSTEMD, Service
from paas import platform, roll_call, upgrading
from paas.backup import rows
from paas.privileges import ACCOUNT, as_owner
from paas.state import Refused, StateDirectory, wait_gone

FOLDER = Path("/var/lib/drover/server")
"""Where it is put: settings, launcher, programs, STATE."""
SETTINGS, LAUNCHER = "settings", "manage"
SENT = ".sent"
"""Behind their names as long as they only wait to take the place of those that are there."""
BEFORE = ".before"
"""Behind the names of those whose place was taken."""
ANSWER_SECONDS = 120.0
PORT_SECONDS = 10.0
SILENT_SECONDS = 16.0
COUNTED = 2
"""Added to what a process counts, whose end otherwise tells that it broke."""

Say = Callable[[str], None]


def state_of(folder: Path) -> Path:
    return folder / "state"


def install(say: Say, *, sent: bool = False) -> None:
    """Run it from now on; returns once its server answers. Raises Refused with what to do, before anything runs.

    With ``sent`` it takes the place of the one that is there, by the launcher, and perhaps settings, that came with it.
    If it does not answer then, and the database is as it was, the one before runs again.
    """
    service = _here()
    _ensure_account(say)
    settings.STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    _ready_redis(say)
    _of_database(_check_database)
    ahead = _of_database(_count_ahead)
    _end(service)
    if sent:
        _take_place(service.folder)
    try:
        platform.await_ports(door=False, seconds=PORT_SECONDS)
        service.install(say)
        _await_answer(service)
    except Refused as refusal:
        if not sent or not (service.folder / (LAUNCHER + BEFORE)).exists() or _of_database(_count_ahead) != ahead:
            raise
        _go_back(service.folder)
        service.install(say)
        raise Refused(f"{refusal}; the version before was started again") from None
    for name in (SETTINGS, LAUNCHER):
        (service.folder / (name + BEFORE)).unlink(missing_ok=True)
    for other in Path(settings.BASE).parent.glob("*"):
        if other != Path(settings.BASE):
            shutil.rmtree(other, ignore_errors=True)
    say(f"the control plane serves at port {settings.TLS_PORT}")


def check(say: Say) -> None:
    """Whether this version could take the place of the one that is there; says, as JSON, which migrations it brings."""
    _here()
    _ready_redis(say)
    _of_database(_tell_ahead)


def stop(say: Say) -> None:
    """It ends, and what takes its place may begin."""
    _end(_here())
    say("the control plane has ended")


def start(say: Say) -> None:
    """The one that was stopped runs again."""
    service = _here()
    service.start()
    _await_answer(service)
    say("the control plane was started again, as it was")


def remove(say: Say) -> None:
    """It ends, and does not come back; what it had of its own stays in its folder."""
    service = _here()
    _end(service)
    service.remove()
    say(f"the control plane has ended here; {service.folder} can be removed")


def _here() -> Service:
    folder = Path(settings.BASE).parent.parent
    if not any((folder / name).is_file() for name in (LAUNCHER, LAUNCHER + SENT)):
        raise Refused(f"{settings.BASE} was not sent here by `up-nodes`: this is for control planes that were.")
    return service_in(folder)


def service_in(folder: Path) -> Service:
    """What keeps it running."""
    return Service(
        what="control plane",
        unit="drover.service",
        folder=folder,
        log=folder / "up.log",
        command=(str(folder / LAUNCHER), "up", "--nodes", "0"),
        needs=folder / LAUNCHER,
        final=0,  # it was asked to end
    )


def _end(service: Service) -> None:
    holder = StateDirectory(settings.STATE).holder()
    service.stop()
    if holder is not None:
        wait_gone(holder, PORT_SECONDS)


def _take_place(folder: Path) -> None:
    for name in (SETTINGS, LAUNCHER):
        path, came, kept = folder / name, folder / (name + SENT), folder / (name + BEFORE)
        kept.unlink(missing_ok=True)
        if path.exists():
            kept.hardlink_to(path)
        if came.exists():
            came.replace(path)


def _go_back(folder: Path) -> None:
    for name in (SETTINGS, LAUNCHER):
        if (kept := folder / (name + BEFORE)).exists():
            kept.replace(folder / name)


def _ensure_account(say: Say) -> None:
    """As which all of it runs. Without ``useradd`` it serves as root without root's powers."""
    add = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    if add is None or subprocess.run(["id", ACCOUNT], check=False, capture_output=True).returncode == 0:
        return
    say(f"adding the system user {ACCOUNT}")
    words = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    subprocess.run([add, *words, "--shell", "/usr/sbin/nologin", ACCOUNT], check=False)


def _ready_redis(say: Say) -> None:
    if platform.has_own_redis(StateDirectory(settings.STATE)):
        _ensure_redis(say)
        return
    try:
        Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5, socket_timeout=5).ping()
    except (RedisError, OSError) as error:
        raise Refused(
            f"Redis cannot be used from this machine ({error}): let it be reached from here, or set another REDIS_URL"
        ) from None


def _ensure_redis(say: Say) -> None:
    """For a control plane alone, which keeps a Redis of its own beside it."""
    if shutil.which("redis-server") is None and shutil.which("apt-get"):
        say("installing with apt-get: redis-server")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", "redis-server"]
        subprocess.run(install, env=quiet, stdin=subprocess.DEVNULL, check=False, capture_output=True)
        if SYSTEMD.is_dir():  # the package would serve by itself
            subprocess.run(["systemctl", "disable", "--now", "redis-server"], check=False, capture_output=True)
    if shutil.which("redis-server") is None:
        raise Refused("Redis is missing: install redis-server on this machine, or set REDIS_URL")


def _of_database(work: Callable[[], int]) -> int:
    """What ``work`` answers in a process of its own, as the database's owner; ends this one when it was refused."""

    def answered() -> int:
        try:
            return COUNTED + work()
        except Refused as refusal:
            print(" ".join(str(refusal).split()), flush=True)
            return 1

    code = as_owner(settings.STATE / "db.sqlite3", answered)
    if code < COUNTED:
        raise SystemExit(1)  # its reason was said
    return code - COUNTED


def _check_database() -> int:
    """`up` brings it to this version, but never under servers that live; one that was killed seems to for a while."""
    deadline = time.monotonic() + SILENT_SECONDS
    while (ahead := upgrading.pending()) and rows.leaves() and roll_call.living():
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    else:
        if ahead:
            return 0
    upgrading.check()
    return 0


def _count_ahead() -> int:
    return len(upgrading.pending())


def _tell_ahead() -> int:
    """With the key, where nothing is in the way of asking."""
    ahead = upgrading.pending()
    if not ahead:
        upgrading.check()
    print(json.dumps(ahead), flush=True)
    return 0


def _await_answer(service: Service) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while not asyncio.run(platform.web_answers(settings.PORT)):
        if time.monotonic() > deadline:
            words = f"journalctl -u {service.unit}" if SYSTEMD.is_dir() else service.log
            raise Refused(
                f"the control plane was started and does not answer: its words are in {words} and {settings.STATE}/log"
            )
        time.sleep(0.1)
