"""Which addresses and ports the cluster hands out: environment variables, else the articles' values.

What is taken is not kept here: an allocation is an object in the store that has the address, and it is free
again when that object is gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from typing import Final

from django.core.exceptions import ImproperlyConfigured

NODE_POD_PREFIX: Final = 24
"""Each node has a network of this length, cut from POD_CIDR."""
SMALLEST_SERVICE_PREFIX: Final = 28


def network(setting: str, usual: str, longest: int) -> IPv4Network:
    """What a setting names; raises ImproperlyConfigured with words that name it."""
    text = os.environ.get(setting) or usual
    try:
        found = IPv4Network(text)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{setting}={text} is no network ({error}): give one such as {usual}."
        ) from None
    if found.prefixlen > longest:
        raise ImproperlyConfigured(
            f"{setting}={text} is too small: give a /{longest} at least, such as {usual}."
        )
    return found


def _ports(text: str) -> range:
    first, _, last = text.partition("-")
    try:
        found = range(int(first), int(last or first) + 1)
    except ValueError:
        found = range(0)
    if not found or not 0 < found[0] <= found[-1] < 65536:
        raise ImproperlyConfigured(f"NODE_PORTS={text} is no range of ports: give one such as 30000-32767.")
    return found


SERVICE_CIDR: Final = network("SERVICE_CIDR", "10.254.0.0/16", SMALLEST_SERVICE_PREFIX)
POD_CIDR: Final = network("POD_CIDR", "10.64.0.0/10", NODE_POD_PREFIX)
if POD_CIDR.overlaps(SERVICE_CIDR):
    raise ImproperlyConfigured(
        f"POD_CIDR={POD_CIDR} and SERVICE_CIDR={SERVICE_CIDR} overlap: choose another range for one of them."
    )
NODE_PORTS: Final = _ports(os.environ.get("NODE_PORTS") or "30000-32767")


class Pool:
    """Addresses for load balancers: networks and spans of addresses, separated by commas. Without overlaps."""

    def __init__(self, text: str) -> None:
        """Raises ValueError in words that name what is wrong."""
        parts = [part.strip() for part in text.split(",")]
        spans = sorted(_span(part) for part in parts if part)
        for (_, last), (first, _) in pairwise(spans):
            if first <= last:
                raise ValueError(f"{IPv4Address(first)} is in it twice")
        for name, network in (("SERVICE_CIDR", SERVICE_CIDR), ("POD_CIDR", POD_CIDR)):
            low, high = int(network.network_address), int(network.broadcast_address)
            if any(first <= high and last >= low for first, last in spans):
                raise ValueError(f"it overlaps {name}, {network}")
        self.text = ", ".join(part for part in parts if part)
        self._spans = [range(first, last + 1) for first, last in spans]

    def __len__(self) -> int:
        return sum(map(len, self._spans))

    def __contains__(self, address: str) -> bool:
        number = int(IPv4Address(address))
        return any(number in span for span in self._spans)

    def __iter__(self) -> Iterator[str]:
        return (str(IPv4Address(number)) for span in self._spans for number in span)


def _span(part: str) -> tuple[int, int]:
    """First and last address. Of a network without the two that name it and everybody in it."""
    if "/" in part:
        network = IPv4Network(part)
        names = 1 if network.prefixlen < 31 else 0
        return int(network.network_address) + names, int(network.broadcast_address) - names
    first, _, last = part.partition("-")
    found = int(IPv4Address(first.strip())), int(IPv4Address((last or first).strip()))
    if found[0] > found[1]:
        raise ValueError(f"{part} ends before it begins")
    return found


def _pool() -> Pool:
    try:
        return Pool(os.environ.get("LOAD_BALANCER_POOL") or "")
    except ValueError as error:
        raise ValueError(
            f"LOAD_BALANCER_POOL: {error}: give addresses such as 192.0.2.10-192.0.2.20, 198.51.100.0/28"
        ) from None


LOAD_BALANCER_POOL: Final = _pool()
"""Addresses that services of type LoadBalancer get; empty: the edge nodes' own."""

RESERVED_PORTS: Final = frozenset(map(int, (os.environ.get("RESERVED_PORTS") or "22").split(",")))
"""TCP ports of the nodes' own addresses that no load balancer takes."""

KUBERNETES_IP: Final = SERVICE_CIDR.network_address + 1
"""The API server's own service, ``default/kubernetes``."""

DNS_IP: Final = SERVICE_CIDR.network_address + 10
"""Where every node answers names: the service ``kube-system/kube-dns``. Agents find it the same way."""

RESERVED: Final[dict[IPv4Address, tuple[str, str]]] = {
    KUBERNETES_IP: ("default", "kubernetes"),
    DNS_IP: ("kube-system", "kube-dns"),
}
"""Addresses nobody gets unasked, and the cluster's own service (namespace, name) that has each."""
