"""A pod network without cables: addresses of the node's own range, handed out in turn."""

from __future__ import annotations

from ipaddress import IPv4Network

FIRST = 2  # as on a real node, the first address belongs to the bridge


class HollowNetwork:
    """Up once the node knows its range."""

    def __init__(self) -> None:
        self._network: IPv4Network | None = None
        self._next = FIRST
        self._held: dict[str, str] = {}

    @property
    def is_up(self) -> bool:
        return self._network is not None

    def start(self, pod_cidr: str) -> None:
        if pod_cidr and self._network is None:
            self._network = IPv4Network(pod_cidr)

    def attach(self, uid: str) -> str:
        """The pod's address: the next free one, so that none is used again soon."""
        if uid not in self._held:
            assert self._network is not None
            taken, room = set(self._held.values()), self._network.num_addresses - 1 - FIRST
            for _ in range(room):
                address = str(self._network[self._next])
                self._next = FIRST + (self._next - FIRST + 1) % room
                if address not in taken:
                    break
            self._held[uid] = address
        return self._held[uid]

    def adopt(self, uid: str, address: str) -> None:
        self._held[uid] = address

    def detach(self, uid: str) -> None:
        self._held.pop(uid, None)
