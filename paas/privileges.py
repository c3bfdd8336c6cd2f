"""Giving up root: which account serves, and becoming it in a freshly forked process."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "drover"
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Identity:
    """Who a process is: an account, or root without any of root's powers."""

    uid: int
    gid: int

    def become(self) -> None:
        """For good: no way back, and no setuid program gives anything back either."""
        _powerless()
        if self.uid != os.getuid():
            os.setgroups([])
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
        _drop_capability_sets()
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        os.umask(0o077)


POWERLESS_ROOT = Identity(0, 0)


def serving_identity(state: Path) -> tuple[Identity, str]:
    """The account that serves, and one line that says why when it is not the one made for it."""
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        return POWERLESS_ROOT, f"there is no user {ACCOUNT}: serving as root without capabilities."
    identity = Identity(account.pw_uid, account.pw_gid)
    needed = (Path(__file__), Path(sys.executable).resolve(), Path(os.__file__), state.parent)
    hidden = _unreadable(identity, (*needed, *(Path(entry) for entry in sys.path if Path(entry).is_dir())))
    if hidden:
        return POWERLESS_ROOT, f"user {ACCOUNT} cannot read {hidden}: serving as root without capabilities."
    return identity, ""


def follow_owner(path: Path) -> None:
    """As root, become the account that owns ``path``: root's own files beside it would lock that account out."""
    try:
        owner = path.stat()
    except OSError:
        return
    if os.geteuid() == 0 and owner.st_uid != 0:
        Identity(owner.st_uid, owner.st_gid).become()


def as_owner(path: Path, work: Callable[[], int]) -> int:
    """Run ``work`` in a child that is the account that owns ``path``; returns what it returns, 1 when it breaks."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            follow_owner(path)
            code = work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _unreadable(identity: Identity, paths: Iterable[Path]) -> str:
    """The first of ``paths`` that the account may not read, asked by a child that has become it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            identity.become()
            hidden = next((str(path) for path in paths if not os.access(path, os.R_OK)), "")
            os.write(writer, hidden.encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return answer.read()


def die_with_parent(signum: signal.Signals, parent: int) -> None:
    """End with ``parent``, however it ends. Comes after become(): a change of identity clears it."""
    _prctl(PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:
        os._exit(1)


def hold_less_memory() -> None:
    """Threads of one process take turns in Python anyway: an arena for each would only hold what is free."""
    for option, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, 128 * 1024)):
        _libc.mallopt(option, value)


def _powerless() -> None:
    for capability in range(int(LAST_CAPABILITY.read_text()) + 1):
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def _drop_capability_sets() -> None:
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    if _libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "cannot drop capabilities")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")
