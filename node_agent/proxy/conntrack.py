"""Makes the kernel forget flows that the rules no longer lead where they used to.

It runs as a short process of its own (``python -m node_agent.proxy.conntrack``, flows as JSON on stdin): it is
needed seldom, and its library would double the memory of the proxy.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from node_agent.proxy.rules import Flow

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 60


def forget(flows: tuple[Flow, ...]) -> str:
    """Forgets them in a process of its own; returns what went wrong, "" for nothing."""
    argv = [sys.executable, "-m", "node_agent.proxy.conntrack"]
    try:
        done = subprocess.run(
            argv,
            input=msgspec.json.encode(flows),
            capture_output=True,
            cwd=ROOT,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.decode(errors="replace").strip().rpartition("\n")[2] if done.returncode else ""


def delete(flows: tuple[Flow, ...]) -> int:
    """Deletes them from the connection table of this network namespace; returns how many."""
    from pyroute2 import IPRoute, NFCTSocket  # noqa: PLC0415 - only this short process pays for it
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple  # noqa: PLC0415

    with closing(IPRoute()) as ipr:
        own = {address.get_attr("IFA_ADDRESS") for address in ipr.get_addr(family=socket.AF_INET)}
    deleted = 0
    with closing(NFCTSocket()) as table:
        for flow in flows:
            wanted = NFCTAttrTuple(proto=socket.IPPROTO_UDP, dport=flow.port, daddr=flow.address or None)
            for entry in list(table.dump(tuple_orig=wanted)):
                there = _tuple(entry, "CTA_TUPLE_ORIG", NFCTAttrTuple)
                answer = _tuple(entry, "CTA_TUPLE_REPLY", NFCTAttrTuple)
                to = {flow.address} if flow.address else own
                if _same(there, flow.port) and there.daddr in to and answer.saddr not in flow.keep:
                    deleted += _drop(table, there)
    return deleted


def _same(there: Any, port: int) -> bool:
    """Older kernels list everything, whatever was asked."""
    return bool(there.proto == socket.IPPROTO_UDP and there.dport == port)


def _drop(table: Any, there: Any) -> int:
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    try:
        table.entry("del", tuple_orig=there)
    except NetlinkError:  # it ended by itself
        return 0
    return 1


def _tuple(entry: Any, name: str, kind: Any) -> Any:
    return kind.from_netlink(socket.AF_INET, entry.get_attr(name))


if __name__ == "__main__":
    print(delete(msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[Flow, ...])))
