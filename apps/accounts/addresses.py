"""The addresses and name of this machine, from the kernel's tables: no command is run, no name is looked
up."""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path

from apps.cluster import names

_LOCAL_V4 = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")


def of_this_machine(proc: Path = Path("/proc/net")) -> list[str]:
    """Every address that is not loopback or link-local, and the host's name."""
    found = {*_v4(proc), *_v6(proc)}
    own = {address for address in found if not (address.is_loopback or address.is_link_local)}
    kept = sorted(str(address) for address in own)
    host = socket.gethostname().lower()
    return kept if names.dns_subdomain_problem(host) else [*kept, host]


def _v4(proc: Path) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        text = (proc / "fib_trie").read_text()
    except OSError:
        return set()
    return {ipaddress.ip_address(address) for address in _LOCAL_V4.findall(text)}


def _v6(proc: Path) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        lines = (proc / "if_inet6").read_text().splitlines()
    except OSError:
        return set()
    return {ipaddress.IPv6Address(bytes.fromhex(line.split()[0])) for line in lines if line.strip()}
