"""The kernel settings a node needs: read, and written only where they differ."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path("/proc/sys/net")
LOOSE = "2"


def wanted(bridge: str, tunnel: str = "") -> dict[str, str]:
    """Setting -> value. Those without its name concern more than our own bridge."""
    return {
        "ipv4/ip_forward": "1",
        # Frames between two pods of a bridge must meet the service rules, or answers come from a stranger.
        "bridge/bridge-nf-call-iptables": "1",
        # Services lead back out of the link they came in by: each packet would earn a redirect, and those use up
        # the pods' share of ICMP, so that a refusal never arrives. Every link keeps its own setting beside this.
        "ipv4/conf/all/send_redirects": "0",
        f"ipv4/conf/{bridge}/send_redirects": "0",
        # 127.0.0.1:<node port> leads to pods here and on other nodes, so what leads there may carry loopback addresses.
        # The firewall's chain LOCALNET keeps neighbours from what listens on 127.0.0.1 only.
        "ipv4/conf/all/route_localnet": "1",
        # An answer may come from a pod while its service is routed into the bridge.
        f"ipv4/conf/{bridge}/rp_filter": LOOSE,
        f"ipv6/conf/{bridge}/disable_ipv6": "1",
        # Caddy opens its ports anew for each configuration and closes the old ones: who waits there, not yet taken, is
        # handed over in place of being cut off. (Kernels before 5.14 cannot.)
        "ipv4/tcp_migrate_req": "1",
        # A node that reaches us directly may be one that we reach through the tunnel.
        f"ipv4/conf/{tunnel}/rp_filter": LOOSE,
    }


def ensure(bridge: str, tunnel: str = "") -> list[str]:
    """Sets what differs and names it. What this kernel does not know is left out."""
    changed = []
    for name, value in wanted(bridge, tunnel).items():
        file = ROOT / name
        if not file.exists() and name.startswith("bridge/"):
            _load_bridge_filter()
        try:
            if file.read_text().strip() != value:
                file.write_text(value)
                changed.append(f"sysctl {name}")
        except FileNotFoundError:
            continue
    return changed


def missing(bridge: str) -> list[str]:
    """What this kernel lacks, by name: without the bridge filter, pods of one node miss their services."""
    return [name for name in wanted(bridge) if name.startswith("bridge/") and not (ROOT / name).exists()]


def _load_bridge_filter() -> None:
    try:
        subprocess.run(["modprobe", "br_netfilter"], check=False, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return
