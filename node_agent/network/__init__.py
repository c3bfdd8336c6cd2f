"""The pods' network on one machine: addresses, cables, routes and the few packet filter rules they need.

Services are not known here; they belong to ``node_agent.proxy``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class NetworkError(Exception):
    """The network could not be set up; the message is for users."""


@dataclass(frozen=True, order=True)
class Neighbour:
    """Another node: its address, and the network of its pods."""

    address: str
    pods: str


class PodNetwork(Protocol):
    """What the agent asks of a network. Every method may be called again and from any thread."""

    def start(self, pod_cidr: str, service_cidr: str, cluster_cidr: str = "", dns: str = "") -> None:
        """Make the machine ready for pods. ``cluster_cidr`` holds the pods of all nodes; at ``dns`` they are to
        find names on this node."""

    def connect(self, others: Iterable[Neighbour]) -> None:
        """From the next ``verify`` on, lead to the pods of these nodes and of no others."""

    def attach(self, uid: str, pid: int) -> str:
        """Give the network namespace of ``pid`` an address of its own and return it."""

    def adopt(self, uid: str, address: str) -> None:
        """Remember that a running pod already has this address."""

    def detach(self, uid: str) -> None:
        """Take the pod's cable and address back; nothing happens when it has none."""

    def verify(self) -> list[str]:
        """Restore what somebody removed, and name it."""

    def remove(self) -> None:
        """Take away everything this network made, and nothing else."""
