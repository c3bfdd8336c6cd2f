"""The files a pod finds under /etc: its names for addresses, and where it asks for names."""

from __future__ import annotations

from pathlib import Path

from apps.cluster import types
from node_agent.pods.spec import hostname

MACHINE_RESOLV_CONF = Path("/etc/resolv.conf")
RESOLVED_UPSTREAMS = Path("/run/systemd/resolve/resolv.conf")
LOCAL_NAMES = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
CLUSTER_DOMAIN = "cluster.local"


def hosts(pod: types.Pod, address: str) -> str:
    """The pod's own /etc/hosts."""
    name = hostname(pod)
    names = [name]
    if pod.spec.subdomain:
        names.insert(0, f"{name}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{CLUSTER_DOMAIN}")
    own = "\t".join([address, *names])
    return f"# Written by the node's agent.\n{LOCAL_NAMES}{own}\n"


def resolv_conf(machine: str) -> str:
    """What pods use: the machine's own servers, without those that listen on its loopback only."""
    kept = []
    for line in machine.splitlines():
        words = line.split()
        if not words or words[0] not in ("nameserver", "search", "domain", "options"):
            continue
        if words[0] == "nameserver" and len(words) > 1 and words[1].startswith(("127.", "::1")):
            continue
        kept.append(" ".join(words))
    return "".join(line + "\n" for line in kept)


def machine_resolv_conf() -> str:
    """The machine's servers; where a local resolver stands in front, those behind it."""
    for source in (MACHINE_RESOLV_CONF, RESOLVED_UPSTREAMS):
        try:
            found = resolv_conf(source.read_text())
        except OSError:
            continue
        if "nameserver " in found:
            return found
    return ""
