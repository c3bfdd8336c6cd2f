"""The addresses and name of this machine, from the kernel's tables: no command is run, no name is looked up."""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path

from apps.cluster import names, ranges

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOCAL_V4 = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
_PASSING = 0x01 | 0x08 | 0x40
"""Flags of IPv6 addresses that are made to be given up (privacy), doubled, or not yet sure."""


def of_this_machine(proc: Path = Path("/proc/net")) -> list[str]:
    """The machine's lasting addresses towards others, and the host's name.

    The cluster's own networks are left out: their addresses come and go with nodes.
    """
    kept = sorted(str(address) for address in {*_v4(proc), *_v6(proc)} if _lasting(address))
    host = socket.gethostname().lower()
    return kept if names.dns_subdomain_problem(host) else [*kept, host]


def _lasting(address: Address) -> bool:
    own = any(address in network for network in (ranges.POD_CIDR, ranges.SERVICE_CIDR))
    return not (own or address.is_loopback or address.is_link_local)


def _v4(proc: Path) -> set[Address]:
    try:
        text = (proc / "fib_trie").read_text()
    except OSError:
        return set()
    return {ipaddress.ip_address(address) for address in _LOCAL_V4.findall(text)}


def _v6(proc: Path) -> set[Address]:
    try:
        lines = (proc / "if_inet6").read_text().splitlines()
    except OSError:
        return set()
    entries = [line.split() for line in lines if line.strip()]
    return {
        ipaddress.IPv6Address(bytes.fromhex(entry[0]))
        for entry in entries
        if not int(entry[4], 16) & _PASSING
    }
