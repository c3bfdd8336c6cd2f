"""Has anything in this machine's network changed? Asked of the kernel in microseconds, where reading all takes many
milliseconds: what looks after links and rules every few seconds costs nothing while nobody touches them."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import weakref
from collections.abc import Iterator
from pathlib import Path

_SOL_IP, _GET_INFO, _INFO_SIZE = 0, 64, 84
_GET_GENERATION = 10 << 8 | 16
_GENERATION_ID = 1
_REQUEST = 1
_NETLINK_NETFILTER = 12
_HEADER = struct.Struct("=IHHII")
_GROUPS = 0x1 | 0x4 | 0x10 | 0x40
"""Links, neighbours, IPv4 addresses and routes."""
_NEW_NEIGHBOUR = 28
_CHUNK = 1 << 16


class LegacyTables:
    """The legacy tables of the network namespace it was made in."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._socket = _kept(self, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))

    def print_of(self, table: str) -> bytes:
        """Positions, number and size of a table's rules; asking loads the table. Raises OSError."""
        buffer = ctypes.create_string_buffer(table.encode(), _INFO_SIZE)
        size = ctypes.c_uint32(_INFO_SIZE)
        if self._libc.getsockopt(self._socket.fileno(), _SOL_IP, _GET_INFO, buffer, ctypes.byref(size)):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return buffer.raw

    def loaded(self) -> list[str]:
        try:
            return Path("/proc/thread-self/net/ip_tables_names").read_text().split()
        except OSError:
            return []


class Generation:
    """The number that the kernel raises with every change to any nftables table of the namespace it was made in."""

    def __init__(self) -> None:
        self._socket = _kept(self, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER))

    def read(self) -> int:
        """Raises OSError where the kernel has no nftables."""
        body = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), _GET_GENERATION, _REQUEST, 1, 0) + body)
        answer = self._socket.recv(4096)
        offset = 20
        while offset + 4 <= len(answer):
            length, kind = struct.unpack_from("=HH", answer, offset)
            if kind == _GENERATION_ID:
                return int(struct.unpack_from(">I", answer, offset + 4)[0])
            offset += max(4, (length + 3) & ~3)
        raise OSError("the kernel told no nftables generation")


class Changes:
    """Whether links, addresses, routes or packet filter rules were changed since one looked last, in the network
    namespace it was made in. Neighbours that are learned do not count; those that are taken away do."""

    def __init__(self) -> None:
        self._legacy, self._generation = LegacyTables(), Generation()
        news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._news = _kept(self, news)
        self._news.bind((0, _GROUPS))
        self._rules: object = None

    def happened(self) -> bool:
        """True at first, and whenever that cannot be told."""
        before, self._rules = self._rules, self._rules_now()
        return bool(sum([self._heard(), self._rules is None or self._rules != before]))

    def _rules_now(self) -> object:
        try:
            return self._generation.read(), [(table, self._legacy.print_of(table)) for table in self._legacy.loaded()]
        except OSError:
            return None

    def _heard(self) -> bool:
        """Reads all there is; a flood of which the kernel dropped some is news as well."""
        heard = False
        while True:
            try:
                chunk = self._news.recv(_CHUNK)
            except BlockingIOError:
                return heard
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                heard = True
            else:
                heard = heard or any(kind != _NEW_NEIGHBOUR for kind in _kinds(chunk))


def _kept(owner: object, held: socket.socket) -> socket.socket:
    """For as long as its owner: an open one would keep its network namespace."""
    weakref.finalize(owner, held.close)
    return held


def _kinds(chunk: bytes) -> Iterator[int]:
    """The type of each message."""
    offset = 0
    while offset + _HEADER.size <= len(chunk):
        length, kind, *_ = _HEADER.unpack_from(chunk, offset)
        yield kind
        offset += max(_HEADER.size, (length + 3) & ~3)
