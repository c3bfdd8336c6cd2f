"""The network's own packet filter rules: masquerade to the outside, the right to forward, two guards.

They are written with the machine's ``iptables`` command, the same kind the container engine uses: where two
kinds are active at once a packet must pass both, and only a rule of the same kind can lift the engine's drop.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from node_agent.names import Names
from node_agent.network import NetworkError
from node_agent.network.roads import Roads
from node_agent.network.saved import Saved, blocks, parse, run, unmake

PARTS = ("MASQUERADE", "FORWARD", "SERVICE-IPS", "LOCALNET", "SEGMENTS", "DNS")
NO_ROADS = Roads()


@dataclass(frozen=True)
class Hook:
    """A jump from a chain that is not ours, wanted always, where that chain exists, or where it drops."""

    table: str
    chain: str
    match: str
    target: str
    where: str = "always"

    @property
    def rule(self) -> str:
        return f"{self.match} -j {self.target}".strip()


@dataclass(frozen=True)
class Plan:
    """Our chains by table and name, and the jumps into them."""

    chains: dict[tuple[str, str], tuple[str, ...]]
    hooks: tuple[Hook, ...]


def plan(
    names: Names,
    pod_cidr: str,
    service_cidr: str,
    cluster_cidr: str,
    roads: Roads = NO_ROADS,
    dns: str = "",
) -> Plan:
    """Pure: the rules as ``iptables-save`` prints them, so that what is there can be compared by text.

    ``dns`` is the address at which this node answers names, "" for none.
    """
    masquerade, forward = names.chain("MASQUERADE"), names.chain("FORWARD")
    services, local = names.chain("SERVICE-IPS"), names.chain("LOCALNET")
    # Reached only when no service rule has rewritten the packet: nothing answers there, so say so at once.
    refuse = f"-d {service_cidr} -o {names.bridge} -j REJECT --reject-with icmp-port-unreachable"
    # route_localnet would let neighbours reach what listens on 127.0.0.1 only.
    guard = "-d 127.0.0.0/8 ! -i lo -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
    segments = names.chain("SEGMENTS")
    # A tunnel carries less than the links before and behind it, and those who should be told often do not hear it.
    syn = "-p tcp -m tcp --tcp-flags SYN,RST SYN"
    clamp = f"-o {names.tunnel} {syn} -j TCPMSS --clamp-mss-to-pmtu"
    return Plan(
        chains={
            ("nat", masquerade): (
                f"-d {cluster_cidr} -j RETURN",
                f"-d {service_cidr} -j RETURN",
                # Nodes that know the way back to our pods see them as they are.
                *(f"-d {address}/32 -j RETURN" for address in roads.direct),
                "-j MASQUERADE --random-fully",
            ),
            # Of all nodes: what comes to a node port may be on its way to a pod elsewhere.
            ("filter", forward): (f"-s {cluster_cidr} -j ACCEPT", f"-d {cluster_cidr} -j ACCEPT"),
            ("filter", services): (refuse,),
            ("filter", local): (guard,),
            ("mangle", segments): (clamp,) if roads.tunnelled else (),
            **_dns_chains(names, cluster_cidr, dns),
        },
        hooks=(
            Hook("nat", "POSTROUTING", f"-s {pod_cidr}", masquerade),
            Hook("filter", "DOCKER-USER", "", forward, where="chain-exists"),
            Hook("filter", "FORWARD", "", forward, where="policy-drop"),
            Hook("filter", "FORWARD", "", services),
            Hook("filter", "OUTPUT", "", services),
            Hook("filter", "INPUT", "", local),
            Hook("mangle", "FORWARD", "", segments),
            *_dns_hooks(names, dns),
        ),
    )


def _dns_chains(names: Names, cluster_cidr: str, dns: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Pods may ask, whatever the machine's own firewall says; neighbours may not, and there is nothing else there.

    The questions are not remembered as connections: a few thousand a second would fill the kernel's table.
    """
    if not dns:
        return {}
    chain = names.chain("DNS")
    udp, tcp = "-p udp -m udp --dport 53", "-p tcp -m tcp --dport 53"
    return {
        ("filter", chain): (
            "-i lo -j ACCEPT",
            f"-s {cluster_cidr} {udp} -j ACCEPT",
            f"-s {cluster_cidr} {tcp} -j ACCEPT",
            "-j REJECT --reject-with icmp-port-unreachable",
        ),
        ("raw", chain): (
            f"-d {dns}/32 {udp} -j CT --notrack",
            f"-s {dns}/32 -p udp -m udp --sport 53 -j CT --notrack",
        ),
    }


def _dns_hooks(names: Names, dns: str) -> tuple[Hook, ...]:
    if not dns:
        return ()
    chain = names.chain("DNS")
    return (
        Hook("filter", "INPUT", f"-d {dns}/32", chain),
        Hook("raw", "PREROUTING", "", chain),
        Hook("raw", "OUTPUT", "", chain),
    )


def mend(wanted: Plan, seen: Saved) -> tuple[str, list[str]]:
    """Pure: input for ``iptables-restore --noflush`` that makes ``seen`` as wanted, and what it changes."""
    lines: dict[str, list[str]] = defaultdict(list)
    changed = []
    for (table, chain), rules in wanted.chains.items():
        if seen.rules.get((table, chain)) != list(rules):
            lines[table].append(f":{chain} - [0:0]")
            lines[table] += [f"-A {chain} {rule}" for rule in rules]
            changed.append(f"chain {chain}")
    for hook in wanted.hooks:
        if _applies(hook, seen) and hook.rule not in seen.rules.get((hook.table, hook.chain), []):
            lines[hook.table].append(f"-I {hook.chain} 1 {hook.rule}")
            changed.append(f"{hook.chain} -> {hook.target}")
    return blocks(lines), changed


class Firewall:
    """Holds one node's plan in place."""

    def __init__(self, names: Names, wanted: Plan) -> None:
        self._names = names
        self._wanted = wanted

    def ensure(self) -> list[str]:
        """Restores what is missing and names it."""
        if shutil.which("iptables") is None:
            raise NetworkError("the command iptables is missing: install the package iptables")
        text, changed = mend(self._wanted, parse(run(["iptables-save"])))
        if text:
            run(["iptables-restore", "--noflush", "-w"], text)
        return changed + self._ensure_legacy()

    def _ensure_legacy(self) -> list[str]:
        """Where the command writes nftables but a legacy table drops what is forwarded, mend that too."""
        if not _second_kind():
            return []
        seen = parse(run(["iptables-legacy-save", "-t", "filter"]))
        if seen.policies.get(("filter", "FORWARD")) != "DROP":
            return []
        forward = self._names.chain("FORWARD")
        some = Plan(
            chains={key: rules for key, rules in self._wanted.chains.items() if key[1] == forward},
            hooks=tuple(hook for hook in self._wanted.hooks if hook.where == "policy-drop"),
        )
        text, changed = mend(some, seen)
        if text:
            run(["iptables-legacy-restore", "--noflush", "-w"], text)
        return [f"{one} (legacy)" for one in changed]


def remove(names: Names) -> None:
    """Takes the network's chains away, and only those: the proxy's are its own."""
    ours = {names.chain(part) for part in PARTS}
    kinds = [("iptables-save", "iptables-restore")] if shutil.which("iptables") else []
    if _second_kind():
        kinds.append(("iptables-legacy-save", "iptables-legacy-restore"))
    for save, restore in kinds:
        seen = parse(run([save]))
        text = unmake(lambda chain: chain in ours, seen)
        if text:
            run([restore, "--noflush", "-w"], text)


def _second_kind() -> bool:
    """Is there a legacy filter table beside the one the ``iptables`` command writes?"""
    if shutil.which("iptables-legacy-save") is None:
        return False
    try:
        loaded = Path("/proc/thread-self/net/ip_tables_names").read_text().split()
    except OSError:
        return False
    return "filter" in loaded and _writes_nftables()


@cache
def _writes_nftables() -> bool:
    return "nf_tables" in run(["iptables", "--version"])


def _applies(hook: Hook, seen: Saved) -> bool:
    if hook.where == "chain-exists":
        return (hook.table, hook.chain) in seen.rules
    if hook.where == "policy-drop":
        return seen.policies.get((hook.table, hook.chain)) == "DROP"
    return True
