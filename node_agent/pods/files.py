"""The files a pod finds under /etc: its names for addresses, and where it asks for names."""

from __future__ import annotations

from pathlib import Path

from apps.cluster import types
from node_agent.dns import CLUSTER_DOMAIN
from node_agent.pods.spec import fqdn, hostname

MACHINE_HOSTS = Path("/etc/hosts")
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
MOST_NAMESERVERS = 3


def hosts(pod: types.Pod, address: str) -> str:
    """The pod's own /etc/hosts."""
    own = "\t".join(word for word in (address, fqdn(pod), hostname(pod)) if word)
    return f"# Written by the node's agent.\n{LOCAL_NAMES}{own}\n{_aliases(pod)}"


def _aliases(pod: types.Pod) -> str:
    return "".join("\t".join([each.ip, *each.hostnames]) + "\n" for each in pod.spec.host_aliases)


def etc(pod: types.Pod, address: str, *, machine: str, cluster: str) -> dict[str, str]:
    """The files by name that are the pod's own; what is not here is the image's, or on the machine's network the
    machine's."""
    resolv_conf = resolver(pod, machine, cluster)
    if not pod.spec.host_network:
        return {"hosts": hosts(pod, address), "resolv.conf": resolv_conf}
    found = {}
    if pod.spec.host_aliases:
        found["hosts"] = MACHINE_HOSTS.read_text() + _aliases(pod)
    if pod.spec.dns_config is not None or pod.spec.dns_policy in ("None", "ClusterFirstWithHostNet"):
        found["resolv.conf"] = resolv_conf
    return found


def resolver(pod: types.Pod, machine: str, cluster: str) -> str:
    """The pod's own /etc/resolv.conf: the machine's or the cluster's, as its policy says, and what it adds itself.

    ``cluster`` is where the node answers names, "" when it does not.
    """
    lines = [line.split() for line in machine.splitlines() if line]
    servers = [line[1] for line in lines if line[0] == "nameserver" and len(line) > 1]
    searches = [word for line in lines if line[0] in ("search", "domain") for word in line[1:]]
    options = {word.partition(":")[0]: word for line in lines if line[0] == "options" for word in line[1:]}
    policy = pod.spec.dns_policy
    if policy == "ClusterFirst" and pod.spec.host_network:
        policy = "Default"
    if policy == "None":
        servers, searches, options = [], [], {}
    elif policy != "Default" and cluster:
        namespace = pod.metadata.namespace
        own = [f"{namespace}.svc.{CLUSTER_DOMAIN}", f"svc.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN]
        servers, searches, options = [cluster], [*own, *searches], {"ndots": "ndots:5"}
    asked = pod.spec.dns_config or types.PodDNSConfig()
    servers = list(dict.fromkeys([*servers, *asked.nameservers]))[:MOST_NAMESERVERS]
    searches = list(dict.fromkeys([*searches, *asked.searches]))
    for option in asked.options:
        options[option.name] = option.name if option.value is None else f"{option.name}:{option.value}"
    text = "".join(f"nameserver {server}\n" for server in servers)
    if searches:
        text += f"search {' '.join(searches)}\n"
    return text + (f"options {' '.join(options.values())}\n" if options else "")


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
