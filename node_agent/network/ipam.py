"""Which pod has which address. Pure: a pool is a value, every change makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from node_agent.network import NetworkError

FIRST = 2
"""Offset of the first address for pods: 0 names the network, 1 is the bridge."""


class PoolExhausted(NetworkError):
    """Every address of the node is in use."""


class AddressInUse(NetworkError):
    """Another pod has this address."""


@dataclass(frozen=True)
class Pool:
    """The addresses of one node, given out in turn, so that a freed one rests as long as possible."""

    network: IPv4Network
    taken: Mapping[str, str] = field(default_factory=dict)
    last: int = FIRST - 1

    @property
    def gateway(self) -> str:
        return str(self.network[1])

    @property
    def size(self) -> int:
        """How many pods can have an address at once."""
        return max(0, self.network.num_addresses - FIRST - 1)

    def take(self, uid: str) -> tuple[Pool, str]:
        """The pod's address: the one it has, else the next free one."""
        if uid in self.taken:
            return self, self.taken[uid]
        used = set(self.taken.values())
        for step in range(self.size):
            offset = FIRST + (self.last - FIRST + 1 + step) % self.size
            address = str(self.network[offset])
            if address not in used:
                return replace(self, taken={**self.taken, uid: address}, last=offset), address
        raise PoolExhausted(f"all {self.size} addresses of {self.network} are in use")

    def hold(self, uid: str, address: str) -> Pool:
        """The pod keeps an address it was given earlier."""
        offset = int(IPv4Address(address)) - int(self.network.network_address)
        if not FIRST <= offset < FIRST + self.size:
            raise NetworkError(f"{address} is no pod address of {self.network}")
        holder = next((other for other, one in self.taken.items() if one == address), uid)
        if holder != uid:
            raise AddressInUse(f"{address} belongs to pod {holder}")
        return replace(self, taken={**self.taken, uid: address})

    def give(self, uid: str) -> Pool:
        """The pod's address is free again."""
        return replace(self, taken={other: address for other, address in self.taken.items() if other != uid})
