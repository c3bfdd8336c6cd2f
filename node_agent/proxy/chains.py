"""The wanted rules as iptables chains. Pure, and in the very words ``iptables-save`` prints, so that what is
there can be compared by text.

Shape: PREROUTING and OUTPUT jump to SERVICES, that to one chain per portal (S, or L for the targets here), which leads
to its targets; only where clients stay with theirs each target has a chain (T). Who comes from outside, by a node port
or a balancer's address, goes through a chain E first. REFUSE, in the filter table, turns away who asks a portal without
targets, or where they may not. LOOPS, on the way out, is for pods that met themselves. The kernel takes a whole table
for every change, so every rule counts.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from node_agent.names import Names
from node_agent.proxy.rules import HostPort, Portal, Target, Wanted

NAT, FILTER = "nat", "filter"
MARK = "0x2000/0x2000"
"""Packets with this bit leave with the machine's own address, so that the answer comes back through it."""
UNMARK = "0x2000/0x0"
_HASH = 13
_STEPS = 1 << 31
"""The kernel keeps a probability as a multiple of 1/2^31."""

Option = tuple[str, str]
"""Name and value of one option; "" for an option without value, a leading ! turns it round."""


class Match(Struct, frozen=True, gc=False):
    name: str
    options: tuple[Option, ...] = ()


class Rule(Struct, frozen=True, gc=False):
    """One rule; empty fields match everything."""

    target: str
    options: tuple[Option, ...] = ()
    source: str = ""
    destination: str = ""
    in_link: str = ""
    protocol: str = ""
    matches: tuple[Match, ...] = ()

    def text(self) -> str:
        """As ``iptables-save`` prints it, without the chain."""
        words = [
            *_flag("-s", self.source),
            *_flag("-d", self.destination),
            *_flag("-i", self.in_link),
            *_flag("-p", self.protocol),
        ]
        for match in self.matches:
            words += ["-m", match.name, *_options(match.options)]
        return " ".join([*words, "-j", self.target, *_options(self.options)])


Chains = Mapping[str, tuple[Rule, ...]]


class Ruleset(Struct, frozen=True):
    """Our chains by table and name, and the rules that lead into them from the kernel's own chains."""

    tables: Mapping[str, Chains]
    hooks: Mapping[tuple[str, str], Rule]


class Piece(Struct, frozen=True, gc=False):
    """What one portal or host port adds: chains of its own, and rules to the common ones."""

    chains: tuple[tuple[str, tuple[Rule, ...]], ...] = ()
    services: tuple[Rule, ...] = ()
    ports: tuple[Rule, ...] = ()
    refuse: tuple[Rule, ...] = ()
    near: tuple[str, ...] = ()


class Renderer:
    """Renders for one instance. What stayed as it was keeps its very rules, so that comparing them is cheap."""

    def __init__(self, names: Names) -> None:
        self._parts = _Parts(names)
        self._pieces: dict[Portal | HostPort, Piece] = {}

    def render(self, wanted: Wanted) -> Ruleset:
        """The chains for ``wanted``. Order and names depend on nothing else."""
        parts, known = self._parts, self._pieces
        fresh: dict[Portal | HostPort, Piece] = {}
        for host_port in sorted(wanted.host_ports, key=_narrow_first):
            fresh[host_port] = known.get(host_port) or parts.host_port_piece(host_port)
        for portal in wanted.portals:
            fresh[portal] = known.get(portal) or parts.portal_piece(portal)
        self._pieces, pieces = fresh, fresh.values()
        nat = dict(chain for piece in pieces for chain in piece.chains)
        nat[parts.services] = (
            *(rule for piece in pieces for rule in piece.services),
            Rule(parts.ports, matches=(_LOCAL,)),
        )
        nat[parts.ports] = tuple(rule for piece in pieces for rule in piece.ports)
        nat[parts.mark] = (Rule("MARK", (("set-xmark", MARK),)),)
        near = sorted({address for piece in pieces for address in piece.near})
        nat[parts.loops] = tuple(map(_loop, near))
        nat[parts.leave] = (
            Rule(parts.loops, matches=(Match("conntrack", (("ctstate", "DNAT"),)),)),
            Rule("RETURN", matches=(Match("mark", (("mark", f"!{MARK}"),)),)),
            Rule("MARK", (("set-xmark", UNMARK),)),
            _MASQUERADE,
        )
        refuse = tuple(rule for piece in pieces for rule in piece.refuse)
        return Ruleset({NAT: nat, FILTER: {parts.refuse: refuse}}, parts.hooks())


class _Parts:
    """Chain names of one instance, and the chains of single portals."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.services = names.chain("SERVICES")
        self.ports = names.chain("PORTS")
        self.mark = names.chain("MARK")
        self.leave = names.chain("LEAVE")
        self.loops = names.chain("LOOPS")
        self.refuse = names.chain("REFUSE")

    def chain(self, letter: str, *key: object) -> str:
        digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
        return self._names.chain(letter + b32encode(digest).decode()[:_HASH])

    def portal(self, one: Portal) -> str:
        return self.chain("S", one.name, one.protocol, one.port)

    def local(self, one: Portal) -> str:
        return self.chain("L", one.name, one.protocol, one.port)

    def external(self, one: Portal) -> str:
        return self.chain("E", one.name, one.protocol, one.port)

    def host_port(self, one: HostPort) -> str:
        return self.chain("H", one.name, one.protocol, one.address, one.port)

    def to_portal(self, one: Portal) -> Iterator[Rule]:
        """From the service's own address, and from those of its balancer."""
        matches = (_comment(one.name), _port(one.protocol, one.port))
        if one.inside:
            inside = self.local(one) if one.inside_local else self.portal(one)
            yield Rule(inside, destination=f"{one.address}/32", protocol=one.protocol, matches=matches)
        for address in one.balanced:
            to = Rule(self.external(one), destination=f"{address}/32", protocol=one.protocol, matches=matches)
            yield from (replace(to, source=source) for source in one.sources or ("",))
            if one.sources:
                yield replace(to, matches=(_FROM_LOCAL, *matches))

    def to_node_port(self, one: Portal) -> Rule:
        matches = (_comment(one.name), _port(one.protocol, one.node_port))
        return Rule(self.external(one), protocol=one.protocol, matches=matches)

    def to_host_port(self, one: HostPort) -> Rule:
        destination = f"{one.address}/32" if one.address else ""
        matches = (*([_comment(one.name)] if one.name else []), _port(one.protocol, one.port))
        return Rule(self.host_port(one), destination=destination, protocol=one.protocol, matches=matches)

    def hooks(self) -> dict[tuple[str, str], Rule]:
        new = Match("conntrack", (("ctstate", "NEW"),))
        return {
            (NAT, "PREROUTING"): Rule(self.services),
            (NAT, "OUTPUT"): Rule(self.services),
            (NAT, "POSTROUTING"): Rule(self.leave),
            **{
                (FILTER, chain): Rule(self.refuse, matches=(new,)) for chain in ("INPUT", "FORWARD", "OUTPUT")
            },
        }

    def portal_piece(self, one: Portal) -> Piece:
        refuse = tuple(_refusals(one))
        if not one.targets:
            return Piece(refuse=refuse)
        ports = (self.to_node_port(one),) if one.node_port else ()
        return Piece(tuple(self.portal_chains(one)), tuple(self.to_portal(one)), ports, refuse, one.near)

    def host_port_piece(self, one: HostPort) -> Piece:
        return Piece(
            tuple(self.host_port_chains(one)), ports=(self.to_host_port(one),), near=(one.target.address,)
        )

    def portal_chains(self, one: Portal) -> Iterator[tuple[str, tuple[Rule, ...]]]:
        # Only our own pods are known to send the answer back through this machine.
        outsider = Rule(
            self.mark,
            destination=f"{one.address}/32",
            in_link=f"!{self._names.bridge}",
            protocol=one.protocol,
            matches=(_port(one.protocol, one.port),),
        )
        yield from self.spread(one, self.portal(one), one.targets, (outsider,))
        if one.here:
            yield from self.spread(one, self.local(one), one.here)
        if one.node_port or one.balanced:
            yield self.external(one), tuple(self.from_outside(one))

    def spread(
        self, one: Portal, own: str, targets: tuple[Target, ...], first: tuple[Rule, ...] = ()
    ) -> Iterator[tuple[str, tuple[Rule, ...]]]:
        """The chain that leads to one of the targets, and theirs."""
        shares = [_one_in(left) for left in range(len(targets), 0, -1)]
        if not one.affinity:
            ends = (_rewrite(one.protocol, *pair) for pair in zip(targets, shares, strict=True))
            yield own, (*first, *ends)
            return
        chains = {target: self.chain("T", own, target.address, target.port) for target in targets}
        sticky = (Rule(chain, matches=(_met(chain, one.affinity),)) for chain in chains.values())
        share = (Rule(chain, matches=chance) for chain, chance in zip(chains.values(), shares, strict=True))
        yield own, (*first, *sticky, *share)
        for target, chain in chains.items():
            yield chain, (_rewrite(one.protocol, target, (_meet(chain),)),)

    def from_outside(self, one: Portal) -> Iterator[Rule]:
        """The pod may be on another machine, so who asks is seen as this one; not where its address must be kept.

        This machine and its pods may go anywhere even then: their answers come back by themselves, or are marked.
        """
        if not one.outside_local:
            yield Rule(self.mark)
            yield Rule(self.portal(one))
            return
        yield Rule(self.portal(one), in_link=self._names.bridge)
        yield Rule(self.mark, matches=(_FROM_LOCAL,))
        yield Rule(self.portal(one), matches=(_FROM_LOCAL,))
        if one.here:
            yield Rule(self.local(one))

    def host_port_chains(self, one: HostPort) -> Iterator[tuple[str, tuple[Rule, ...]]]:
        local = Rule(self.mark, source="127.0.0.0/8")
        yield self.host_port(one), (local, _rewrite(one.protocol, one.target))


def _refusals(one: Portal) -> Iterator[Rule]:
    """Turns away what led nowhere: at once where nobody answers, silently where others do.

    A balancer that still sends to this node sends again, to one that has a pod.
    """
    reject = (("reject-with", "icmp-port-unreachable"),)
    port, node_port = _port(one.protocol, one.port), _port(one.protocol, one.node_port)
    if not one.targets:
        comment = _comment(f"{one.name} has no endpoints")
        for address in (one.address, *one.balanced):
            matches = (comment, port)
            yield Rule("REJECT", reject, destination=f"{address}/32", protocol=one.protocol, matches=matches)
        if one.node_port:
            yield Rule("REJECT", reject, protocol=one.protocol, matches=(comment, _LOCAL, node_port))
        return
    comment = _comment(f"{one.name} has no endpoints here")
    if not one.inside:
        yield Rule("DROP", destination=f"{one.address}/32", protocol=one.protocol, matches=(comment, port))
    absent = one.outside_local and not one.here
    if absent and one.node_port:
        yield Rule("DROP", protocol=one.protocol, matches=(comment, _LOCAL, node_port))
    comment = comment if absent else _comment(f"{one.name} is not for everybody")
    for address in one.balanced if absent or one.sources else ():
        yield Rule("DROP", destination=f"{address}/32", protocol=one.protocol, matches=(comment, port))


def _loop(address: str) -> Rule:
    """A pod that meets itself would see its own address and answer past the rules."""
    return replace(_MASQUERADE, source=f"{address}/32", destination=f"{address}/32")


def _rewrite(protocol: str, target: Target, matches: tuple[Match, ...] = ()) -> Rule:
    destination = f"{target.address}:{target.port}"
    return Rule("DNAT", (("to-destination", destination),), protocol=protocol, matches=matches)


def _port(protocol: str, port: int) -> Match:
    return Match(protocol, (("dport", str(port)),))


def _comment(text: str) -> Match:
    return Match("comment", (("comment", text),))


def _one_in(count: int) -> tuple[Match, ...]:
    """Every target has the same chance: 1/3, then 1/2 of the rest, then all of it."""
    if count == 1:
        return ()
    chance = round(_STEPS / count) / _STEPS
    return (Match("statistic", (("mode", "random"), ("probability", f"{chance:.11f}"))),)


_MASQUERADE = Rule("MASQUERADE", (("random-fully", ""),))
_LOCAL = Match("addrtype", (("dst-type", "LOCAL"),))
_FROM_LOCAL = Match("addrtype", (("src-type", "LOCAL"),))
_BY_SOURCE = (("mask", "255.255.255.255"), ("rsource", ""))


def _met(chain: str, seconds: int) -> Match:
    remembered = (("rcheck", ""), ("seconds", str(seconds)), ("reap", ""), ("name", chain))
    return Match("recent", (*remembered, *_BY_SOURCE))


def _meet(chain: str) -> Match:
    return Match("recent", (("set", ""), ("name", chain), *_BY_SOURCE))


def _narrow_first(one: HostPort) -> tuple[bool, HostPort]:
    return (not one.address, one)


def _flag(flag: str, value: str) -> list[str]:
    if not value:
        return []
    return ["!", flag, value[1:]] if value.startswith("!") else [flag, value]


def _options(options: Iterable[Option]) -> list[str]:
    words: list[str] = []
    for name, value in options:
        plain = value.removeprefix("!")
        words += ["!"] if plain != value else []
        words += [f"--{name}"] + ([_quoted(plain) if name == "comment" else plain] if plain else [])
    return words


def _quoted(text: str) -> str:
    return text if text.replace("_", "").replace("-", "").isalnum() else f'"{text}"'
