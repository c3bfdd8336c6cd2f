"""The agent's side of the process that answers names: owns its sockets and tells it what changes."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

import msgspec

from apps.cluster import types
from node_agent.child import Child, Launch
from node_agent.dns import PORT, RESOLV_CONF
from node_agent.dns.messages import Answer, Order
from node_agent.dns.records import Key, Listed, Lister, difference
from node_agent.names import Names

IP_FREEBIND: Final = 15
"""From linux/in.h: an address may be bound before the network has it, and stays bound while it is away."""
SYS_PIDFD_GETFD: Final = 438
WAITING_BYTES: Final = 1 << 20
"""Questions that wait while the process is started again."""
BACKLOG: Final = 128


_libc = ctypes.CDLL(None, use_errno=True)


class DnsProcess(Child):
    """Keeps names answered at one address. The sockets are the agent's: questions wait in them for the next process."""

    name: ClassVar[str] = "dns"
    longest_pause: ClassVar[float] = 1.0
    look_seconds: ClassVar[float] = 5.0
    patience: ClassVar[float] = 3.0

    def __init__(
        self, names: Names, address: str, networks: Sequence[str] = (), resolv_conf: Path = RESOLV_CONF
    ) -> None:
        super().__init__()
        self._names = names
        self._address = address
        self._networks = networks
        self._resolv_conf = resolv_conf
        self._lister = Lister()
        self._number = 0
        self._newest: Mapping[Key, Listed] = {}
        self._told: Mapping[Key, Listed] = {}
        self._told_number = 0
        self._sockets: tuple[socket.socket, ...] = ()
        self._alone = False

    def update(self, services: Iterable[types.Service], slices: Iterable[types.EndpointSlice]) -> int:
        """Sets all services and what is behind them; returns the number of this state.

        Nothing is answered before the first: what is not known yet must not be denied.
        """
        newest = self._lister.listed(services, slices)
        with self._changed:
            if self._number == 0 or newest != self._newest:
                self._number, self._newest = self._number + 1, newest
            number = self._number
        self._nudge()
        return number

    def stop(self) -> None:
        """Ends the process: from here on nobody answers."""
        super().stop()
        for each in self._sockets:
            each.close()
        self._sockets = ()

    def _launch(self) -> Launch:
        if not self._sockets:
            self._sockets = _left_behind(self._names, self._address) or _listening(self._address)
        udp, tcp = (each.fileno() for each in self._sockets)
        argv = [*_command(self._names.instance), "--address", self._address]
        argv += ["--resolv-conf", str(self._resolv_conf)]
        argv += ["--udp", str(udp), "--tcp", str(tcp), *self._networks]
        return Launch(argv, descriptors=(udp, tcp), apart=True)

    def _begin(self) -> None:
        self._told, self._told_number, self._alone = {}, 0, False

    def _next(self) -> bytes | None:
        with self._changed:
            number, newest = self._number, self._newest
        if number <= self._told_number:
            return None
        put, gone = difference(self._told, newest)
        self._told, self._told_number = newest, number
        return msgspec.json.encode(Order(number, put, gone))

    def _look(self) -> bytes:
        return msgspec.json.encode(Order(self._told_number))

    def _heard(self, line: bytes) -> bool:
        self._note(applied=msgspec.json.decode(line, type=Answer).applied, error="")
        if not self._alone:
            self._alone = True
            end_others(self._names, keep=self.pid)
        return True

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()  # without it, it would go on for a while: that is meant for an agent that was killed
        super()._end(process)


def end_others(names: Names, keep: int = 0) -> None:
    """Ends the processes that an agent which was killed has left behind. They stay until others are in place."""
    for pid in _running(names.instance):
        if pid != keep:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def _command(instance: str) -> list[str]:
    return [sys.executable, "-m", "node_agent.dns", "--instance", instance]


def _running(instance: str) -> Iterator[int]:
    wanted = [os.fsencode(word) for word in _command(instance)[1:]]
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (directory / "cmdline").read_bytes().split(b"\0")[1 : len(wanted) + 1] == wanted:
                yield int(directory.name)


def _left_behind(names: Names, address: str) -> tuple[socket.socket, ...]:
    """The sockets of a process that an agent which was killed has left behind, () for none.

    With others beside them, the kernel would give some questions to these while nobody answers there yet.
    """
    for pid in _running(names.instance):
        with suppress(OSError, ValueError, IndexError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            numbers = [int(words[words.index(option) + 1]) for option in (b"--udp", b"--tcp")]
            made = tuple(socket.socket(fileno=_shared(pid, number)) for number in numbers)
            if all(each.getsockname() == (address, PORT) for each in made):
                return made
    return ()


def _shared(pid: int, number: int) -> int:
    """An open file of another process as one of our own. Raises OSError, on kernels before 5.6 always."""
    process = os.pidfd_open(pid)
    try:
        found: int = _libc.syscall(SYS_PIDFD_GETFD, process, number, 0)
    finally:
        os.close(process)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


def _listening(address: str) -> tuple[socket.socket, socket.socket]:
    """Sockets for datagrams and connections. Raises OSError, which names the address."""
    made: list[socket.socket] = []
    try:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            one = socket.socket(socket.AF_INET, kind)
            made.append(one)
            one.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEPORT, 1
            )  # beside one of an agent that was killed
            one.bind((address, PORT))
        made[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WAITING_BYTES)
        made[1].listen(BACKLOG)
    except OSError as error:
        for one in made:
            one.close()
        raise OSError(error.errno, f"cannot listen on {address}:{PORT}: {error.strerror}") from None
    return made[0], made[1]
