"""Which addresses and ports the cluster hands out: environment variables, else the articles' values.

What is taken is not kept here: an allocation is an object in the store that has the address, and it is free
again when that object is gone.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv4Network
from typing import Final

SERVICE_CIDR: Final = IPv4Network(os.environ.get("SERVICE_CIDR") or "10.254.0.0/16")
POD_CIDR: Final = IPv4Network(os.environ.get("POD_CIDR") or "10.64.0.0/10")
NODE_POD_PREFIX: Final = 24
"""Each node has a network of this length, cut from POD_CIDR."""


def _ports(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


NODE_PORTS: Final = _ports(os.environ.get("NODE_PORTS") or "30000-32767")

KUBERNETES_IP: Final = SERVICE_CIDR.network_address + 1
"""The API server's own service, ``default/kubernetes``."""

DNS_IP: Final = SERVICE_CIDR.network_address + 10
"""Where every node answers names: the service ``kube-system/kube-dns``. Agents find it the same way."""

RESERVED: Final[dict[IPv4Address, tuple[str, str]]] = {
    KUBERNETES_IP: ("default", "kubernetes"),
    DNS_IP: ("kube-system", "kube-dns"),
}
"""Addresses nobody gets unasked, and the cluster's own service (namespace, name) that has each."""
