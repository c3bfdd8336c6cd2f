"""Addresses of load balancers that this node answers for: on a link of their own, told to the neighbours by ARP.

The kernel answers ARP for any address it has, on whichever link it is asked; a link of our own tells ours from all
others, also for whoever takes them away.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from contextlib import closing
from threading import Lock, Timer

from node_agent.names import Names
from node_agent.network import links

AGAIN = (0.3, 1.0, 3.0)
"""Seconds after which a new address is told once more: a neighbour that misses it keeps sending to the old node."""
_ARP = 0x0806
_EVERYBODY = b"\xff" * 6
_REQUEST, _REPLY = 1, 2


class Announcer:
    """Safe to use from several threads. Works in the calling thread's network namespace."""

    def __init__(self, names: Names, address: str) -> None:
        """``address`` is the machine's own: on its link the others are told."""
        self._link, self._address = names.balancers, address
        self._lock = Lock()
        self._wanted: frozenset[str] = frozenset()
        self._linked = True
        """For all one knows: an earlier agent may have left its link."""

    def hold(self, wanted: Iterable[str]) -> None:
        """Answer for these addresses from now on, and for no others."""
        with self._lock:
            before, self._wanted = self._wanted, frozenset(wanted)
            self._ensure()
            new = self._wanted - before
        if new:
            self._tell(new)
            for pause in AGAIN:
                # In this namespace: a thread begins where the one is that starts it.
                later = Timer(pause, self._tell_again, (new,))
                later.daemon = True
                later.start()

    def verify(self) -> list[str]:
        """Restore what somebody removed, and name it; and tell everybody, should somebody have forgotten."""
        with self._lock:
            mended = self._ensure()
            self._tell(self._wanted)
        return mended

    def remove(self) -> None:
        links.cut(self._link)

    def _tell_again(self, addresses: frozenset[str]) -> None:
        with self._lock:
            still = addresses & self._wanted
        self._tell(still)

    def _ensure(self) -> list[str]:
        if not self._wanted:
            if self._linked:
                links.cut(self._link)
            self._linked = False
            return []
        self._linked = True
        return links.ensure_addresses(self._link, self._wanted)

    def _tell(self, addresses: frozenset[str]) -> None:
        uplink = links.link_of(self._address) if addresses else None
        if uplink is None:
            return
        name, hardware = uplink
        try:
            with closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as wire:
                wire.bind((name, 0))
                for address in addresses:
                    for kind in (_REQUEST, _REPLY):
                        wire.send(frame(kind, hardware, address))
        except OSError:  # the link is down just now: the next look tells
            return


def frame(kind: int, hardware: str, address: str) -> bytes:
    """An ARP frame that says where an address is, to everybody. Pure."""
    own, ip = bytes.fromhex(hardware.replace(":", "")), socket.inet_aton(address)
    return struct.pack(
        "!6s6sHHHBBH6s4s6s4s", _EVERYBODY, own, _ARP, 1, 0x0800, 6, 4, kind, own, ip, _EVERYBODY, ip
    )
