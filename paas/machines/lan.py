"""The network between machines within this machine: a switch, a cable to each of them and one to this machine.

The switch has a network namespace of its own: this machine's packet filter must not judge what nodes say to each other.
Only the ``ip`` and ``iptables`` commands are used; the supervisor that calls this has no second thread for netlink.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from apps.cluster import ranges
from paas.state import Refused, StateDirectory, short_hash

POOL = IPv4Network("10.199.0.0/16")
"""Where a network is chosen when NODE_CIDR names none."""
PREFIX, USUAL = 24, "10.199.7.0/24"
OFFSET = 10
"""Node 1 has the address with this offset and one more; this machine itself has 1."""
MOST_NODES = 200
SWITCH = "lan"
ROUTES = Path("/proc/net/route")
ETHERNET_MTU = 1500


@dataclass(frozen=True)
class Lan:
    """One installation's; every name on the machine begins with its ``mark``."""

    mark: str
    network: IPv4Network

    @classmethod
    def kept(cls, state: StateDirectory) -> Lan | None:
        """The network this STATE has already."""
        try:
            return cls(short_hash(state.path), IPv4Network(_file(state).read_text().strip()))
        except FileNotFoundError:
            return None

    @classmethod
    def chosen(cls, state: StateDirectory) -> Lan:
        """The network this STATE has, or else NODE_CIDR, or a free one. Raises Refused."""
        lan = kept = cls.kept(state)
        if os.environ.get("NODE_CIDR"):
            lan = cls(short_hash(state.path), ranges.network("NODE_CIDR", USUAL, PREFIX))
            if kept is not None and kept != lan and kept.spaces():
                raise Refused(
                    f"{state.path} has its nodes in {kept.network}: run `make down` before NODE_CIDR changes."
                )
        lan = lan or cls(short_hash(state.path), _free(short_hash(state.path)))
        lan.check()
        return lan

    def keep(self, state: StateDirectory) -> None:
        """This STATE has it from now on."""
        _file(state).write_text(f"{self.network}\n")

    @property
    def link(self) -> str:
        """This machine's end of its cable (links have at most 15 characters)."""
        return f"drl{self.mark}"

    @property
    def tag(self) -> str:
        """What rules, namespaces and control groups of this installation are known by."""
        return f"drover-{self.mark}"

    @property
    def gateway(self) -> str:
        """This machine, as its nodes reach it."""
        return str(self.network[1])

    def address(self, number: int) -> str:
        """Of node ``number``, counted from 1."""
        return str(self.network[OFFSET + number])

    def space(self, name: str) -> str:
        """A network namespace's name."""
        return f"{self.tag}-{name}"

    def spaces(self) -> list[str]:
        """The names of the namespaces that are there, without the mark."""
        found = sorted(entry.name for entry in Path("/run/netns").glob(f"{self.tag}-*"))
        return [name.removeprefix(f"{self.tag}-") for name in found]

    def check(self) -> None:
        """Refuse a network that leads elsewhere; names the setting to change."""
        for name, other in (("POD_CIDR", ranges.POD_CIDR), ("SERVICE_CIDR", ranges.SERVICE_CIDR)):
            if self.network.overlaps(other):
                raise Refused(
                    f"NODE_CIDR={self.network} overlaps {name}={other}: choose another with NODE_CIDR=."
                )
        for link, route in _routes():
            if link != self.link and route.overlaps(self.network):
                raise Refused(
                    f"The nodes' network {self.network} is in use on {link} ({route}): "
                    "choose another with NODE_CIDR=."
                )

    def ensure(self) -> None:
        """Make switch and cable where they are missing; this machine forwards and translates for the nodes."""
        mtu = _uplink_mtu()
        if SWITCH not in self.spaces():
            _run("ip", "netns", "add", self.space(SWITCH))
        if not _there(self.space(SWITCH), SWITCH):
            _batch(
                self.space(SWITCH),
                "link set lo up",
                f"link add {SWITCH} mtu {mtu} type bridge stp_state 0 forward_delay 0",
                f"link set {SWITCH} up",
            )
        if not _there("", self.link):
            _batch(
                "", f"link add {self.link} mtu {mtu} type veth peer name machine netns {self.space(SWITCH)}"
            )
            _batch(self.space(SWITCH), f"link set machine mtu {mtu} master {SWITCH} up")
        _batch(
            "",
            f"address replace {self.gateway}/{self.network.prefixlen} dev {self.link}",
            f"link set {self.link} up",
        )

    def allow(self, *ports: int) -> list[str]:
        """Let nodes out, and in to these ports of this machine; says what was missing."""
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        wanted = list(self._rules(ports))
        if self._rules_text().count(f"--comment {self.tag} ") == len(wanted):
            return []
        missing = [rule for rule in wanted if not _succeeds(rule.command("-C"))]
        for rule in missing:
            _run(*rule.command("-I"))
        return [f"{rule.chain} rule of the nodes' network" for rule in missing]

    def plug(self, name: str, address: str) -> None:
        """A fresh namespace for a machine, with its cable: what a machine has when it is switched on."""
        self.unplug(name)
        mtu = _uplink_mtu()
        _run("ip", "netns", "add", self.space(name))
        _batch(
            self.space(SWITCH),
            f"link add {name} mtu {mtu} type veth peer name eth0 netns {self.space(name)}",
            f"link set {name} master {SWITCH} up",
        )
        _batch(
            self.space(name),
            "link set lo up",
            # The same card at every start: neighbours remember it.
            f"link set eth0 mtu {mtu} address {_card(address)} up",
            f"address add {address}/{self.network.prefixlen} dev eth0",
            f"route add default via {self.gateway}",
        )

    def unplug(self, name: str) -> None:
        # The cable first: a namespace ends some time after its last process, and the name would be taken until then.
        _succeeds(("ip", "-n", self.space(SWITCH), "link", "delete", name))
        _succeeds(("ip", "netns", "delete", self.space(name)))

    def cut(self, name: str) -> None:
        """Nothing passes the machine's cable any more, in neither direction; it only sees a dead line."""
        _batch(self.space(SWITCH), f"link set {name} down")

    def heal(self, name: str) -> None:
        _batch(self.space(SWITCH), f"link set {name} up")

    def remove(self) -> None:
        """Take away switch, cables, namespaces and rules, whoever left them."""
        for name in self.spaces():
            self.unplug(name)
        _succeeds(("ip", "link", "delete", self.link))
        table = ""
        for line in self._rules_text().splitlines():
            table = line[1:] if line.startswith("*") else table
            words = shlex.split(line, comments=True)
            if self.tag in words:
                _succeeds(("iptables", "-w", "-t", table, "-D", *words[1:]))

    def _rules_text(self) -> str:
        return subprocess.run(["iptables-save"], check=False, capture_output=True, text=True).stdout

    def _rules(self, ports: tuple[int, ...]) -> Iterator[_Rule]:
        own = ("-m", "comment", "--comment", self.tag)
        wanted = ",".join(map(str, ports))
        open_ports = ("-p", "tcp", "-m", "multiport", "--dports", wanted)
        answers = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
        source = ("-s", str(self.network))
        yield _Rule("nat", "POSTROUTING", (*source, "!", "-o", self.link, *own, "-j", "MASQUERADE"))
        yield _Rule("filter", "FORWARD", ("-i", self.link, *own, "-j", "ACCEPT"))
        yield _Rule("filter", "FORWARD", ("-o", self.link, *answers, *own, "-j", "ACCEPT"))
        yield _Rule("filter", "INPUT", ("-i", self.link, *open_ports, *own, "-j", "ACCEPT"))


@dataclass(frozen=True)
class _Rule:
    table: str
    chain: str
    words: tuple[str, ...]

    def command(self, action: str) -> tuple[str, ...]:
        return ("iptables", "-w", "-t", self.table, action, self.chain, *self.words)


def _file(state: StateDirectory) -> Path:
    return state.machines / "lan"


def _free(mark: str) -> IPv4Network:
    """The first network of the pool that nothing leads to, beginning where the mark points."""
    taken = [route for _, route in _routes()]
    choices = list(POOL.subnets(new_prefix=PREFIX))
    first = int(mark, 16) % len(choices)
    for network in (*choices[first:], *choices[:first]):
        if not any(network.overlaps(route) for route in taken):
            return network
    raise Refused(f"No network of {POOL} is free for the nodes: choose one with NODE_CIDR=.")


def _routes() -> Iterator[tuple[str, IPv4Network]]:
    """Link and destination of this machine's routes, without the default one."""
    for line in ROUTES.read_text().splitlines()[1:]:
        link, destination, _, _, _, _, _, mask = line.split()[:8]
        length = int(mask, 16).bit_count()
        if length:
            yield link, IPv4Network((_little(destination), length))


def _uplink_mtu() -> int:
    """How large a packet may leave this machine, so that none is too large for what lies behind it."""
    for line in ROUTES.read_text().splitlines()[1:]:
        link, destination, *_ = line.split()
        if int(destination, 16) == 0:
            return min(ETHERNET_MTU, int(Path(f"/sys/class/net/{link}/mtu").read_text()))
    return ETHERNET_MTU


def _little(word: str) -> IPv4Address:
    return IPv4Address(int.from_bytes(bytes.fromhex(word), "little"))


def _card(address: str) -> str:
    return "02:d1:" + ":".join(f"{byte:02x}" for byte in IPv4Address(address).packed)


def _there(space: str, link: str) -> bool:
    return _succeeds(("ip", *(("-n", space) if space else ()), "link", "show", link))


def _batch(space: str, *lines: str) -> None:
    """Several ``ip`` commands at once, in a namespace."""
    inside = ("-n", space) if space else ()
    _run("ip", *inside, "-batch", "-", text="".join(f"{line}\n" for line in lines))


def _succeeds(command: tuple[str, ...]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _run(*command: str, text: str = "") -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=text)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise Refused(f"The nodes' network cannot be made: {' '.join(command[:4])}: {' '.join(reason[:2])}.")
