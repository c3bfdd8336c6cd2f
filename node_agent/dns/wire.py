"""Questions and answers as packets: the only file that knows the library for DNS.

Answers of other servers are passed on as they came; only their id, times and spelling are adapted. A record type
that a library does not know, or a bad one among good ones, then spoils nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.renderer
import dns.rrset
import dns.wire
from dns.rdtypes.ANY import CNAME, NS, PTR, SOA, TXT
from dns.rdtypes.IN import SRV, A
from dns.renderer import ADDITIONAL, ANSWER, AUTHORITY

from node_agent.dns import CLUSTER_DOMAIN
from node_agent.dns.zone import SERVER, TTL, Labels, Record

PLAIN_ROOM: Final = 512
"""Bytes of an answer by UDP to one who says nothing of larger ones."""
UDP_ROOM: Final = 1232
"""More does not pass every network in one piece."""
TCP_ROOM: Final = 65535
HEADER: Final = 12
OPT_BYTES: Final = 11
TRUNCATED: Final = 0x0200
RESPONSE: Final = 0x8000
SERVFAIL, NXDOMAIN, NOERROR = dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN, dns.rcode.NOERROR
FORMERR, NOTIMP, REFUSED, BADVERS = dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.REFUSED, dns.rcode.BADVERS
_IN: Final = dns.rdataclass.IN


class Silence(Exception):
    """Nothing sensible can be answered to this packet, so nothing is."""


class Bad(Exception):
    """A packet of another server that is not an answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one packet asks. ``refusal`` says that it cannot be answered as asked, and without a section not even
    what that was."""

    packet: bytes
    section: dns.rrset.RRset | None
    labels: Labels
    kind: str
    end: int
    """Where the question ends in the packet."""
    flags: int
    room: int
    """Bytes that an answer by UDP may have."""
    edns: bool
    refusal: dns.rcode.Rcode | None = None

    @property
    def key(self) -> bytes:
        """The same for all who ask the same in the same way, however they spell it."""
        name_end = self.end - 4
        return self.packet[2:HEADER] + self.packet[HEADER:name_end].lower() + self.packet[name_end:]


def question(packet: bytes) -> Question:
    """Reads a question. Raises ``Silence``."""
    if len(packet) < HEADER or packet[2] & 0x80:
        raise Silence
    if packet[2] >> 3 != dns.opcode.QUERY:
        return _refused(packet, NOTIMP)
    try:
        message = dns.message.from_wire(packet)
    except (dns.exception.DNSException, ValueError, struct.error):
        return _refused(packet, FORMERR)
    if len(message.question) != 1 or message.answer or message.authority:
        return _refused(packet, FORMERR)
    asked = message.question[0]
    spelled = asked.name.to_wire()
    assert spelled is not None
    if packet[HEADER : HEADER + len(spelled)] != spelled:
        return _refused(packet, FORMERR)
    refusal = None
    if message.edns > 0:
        refusal = BADVERS
    elif asked.rdclass != _IN:
        refusal = REFUSED
    elif asked.rdtype in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
        refusal = NOTIMP
    edns = message.edns >= 0
    return Question(
        packet=packet,
        section=asked,
        labels=tuple(label.decode("latin-1") for label in asked.name.canonicalize().labels[:-1]),
        kind=dns.rdatatype.to_text(asked.rdtype),
        end=HEADER + len(spelled) + 4,
        flags=message.flags,
        room=min(max(message.payload, PLAIN_ROOM), UDP_ROOM) if edns else PLAIN_ROOM,
        edns=edns,
        refusal=refusal,
    )


def reply(
    asked: Question,
    room: int,
    answers: Sequence[Record] = (),
    *,
    rcode: dns.rcode.Rcode = NOERROR,
    zone: str = "",
    extra: Iterable[Record] = (),
    foreign: Sequence[dns.rrset.RRset] = (),
) -> bytes:
    """Our own answer, in at most ``room`` bytes. With ``zone``, what is not there may be remembered for a while.

    ``foreign`` are records of other servers that come after our own.
    """
    if asked.section is None:
        return asked.packet[:2] + struct.pack("!HHHHH", RESPONSE | rcode, 0, 0, 0, 0)
    flags = dns.flags.QR | dns.flags.RA | (asked.flags & (dns.flags.RD | dns.flags.CD))
    flags |= (dns.flags.AA if zone else 0) | (rcode & 15)
    made = dns.renderer.Renderer(int.from_bytes(asked.packet[:2], "big"), flags, room)
    made.reserve(OPT_BYTES if asked.edns else 0)
    made.add_question(asked.section.name, asked.section.rdtype, asked.section.rdclass)
    try:
        for record in answers:
            made.add_rrset(ANSWER, _rrset(record))
        for rrset in foreign:
            made.add_rrset(ANSWER, rrset)
        if zone and not answers:
            made.add_rrset(AUTHORITY, _rrset(Record(zone, "SOA", "")))
    except dns.exception.TooBig:
        made.flags |= dns.flags.TC
    try:
        for record in extra:
            made.add_rrset(ADDITIONAL, _rrset(record))
    except dns.exception.TooBig:
        pass  # they only save another question
    made.release_reserved()
    if asked.edns:
        made.add_edns(0, (rcode >> 4) << 24, UDP_ROOM)
    made.write_header()
    packet: bytes = made.get_wire()
    return packet


def _refused(packet: bytes, rcode: dns.rcode.Rcode) -> Question:
    return Question(packet, None, (), "", 0, 0, PLAIN_ROOM, edns=False, refusal=rcode)


def _rrset(record: Record) -> dns.rrset.RRset:
    return dns.rrset.from_rdata(_name(record.owner), TTL, _rdata(record))


def _rdata(record: Record) -> dns.rdata.Rdata:
    value, kind = record.value, dns.rdatatype.from_text(record.type)
    match record.type, value:
        case "A", str():
            return A.A(_IN, kind, value)
        case "SRV", (priority, weight, port, target):
            return SRV.SRV(_IN, kind, priority, weight, port, _name(target))
        case "CNAME", str():
            return CNAME.CNAME(_IN, kind, _name(value))
        case "PTR", str():
            return PTR.PTR(_IN, kind, _name(value))
        case "NS", str():
            return NS.NS(_IN, kind, _name(value))
        case "TXT", str():
            return TXT.TXT(_IN, kind, [value])
    # The serial number never moves: nobody copies this zone.
    contact = _name(f"hostmaster.{CLUSTER_DOMAIN}")
    return SOA.SOA(_IN, dns.rdatatype.SOA, _name(SERVER), contact, 1, 7200, 1800, 86400, TTL)


def _name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


# Answers of other servers


@dataclass(frozen=True, slots=True)
class Passed:
    """An answer of another server, with what must be adapted before it is passed on."""

    packet: bytes
    times: tuple[int, ...]
    """Where its records' times to live are."""
    ends: tuple[int, ...]
    """Where each record of the answer itself ends."""
    seconds: int
    """How long it may be kept; 0 for not at all."""

    @property
    def rcode(self) -> int:
        return self.packet[3] & 15

    @property
    def truncated(self) -> bool:
        return bool(self.packet[2] & 2)


def passed(packet: bytes, asked: bytes) -> Passed:
    """Reads an answer to the packet ``asked``. Raises ``Bad`` when it is none."""
    try:
        return _passed(packet, asked)
    except (dns.exception.DNSException, ValueError, struct.error) as error:
        raise Bad(str(error)) from None


def _passed(packet: bytes, asked: bytes) -> Passed:
    parser = dns.wire.Parser(packet)
    identity, flags, questions, *counts = parser.get_struct("!HHHHHH")
    if identity != int.from_bytes(asked[:2], "big") or not flags & RESPONSE or questions != 1:
        raise Bad("not an answer")
    parser.get_name(decompress=True)
    parser.get_struct("!HH")
    if packet[HEADER : parser.current].lower() != asked[HEADER : parser.current].lower():
        raise Bad("an answer to another question")
    times, ends, shortest = [], [], []
    for section, count in enumerate(counts):
        for _ in range(count):
            parser.get_name(decompress=True)
            kind, _, seconds, length = parser.get_struct("!HHIH")
            data = parser.get_bytes(length)
            if kind == dns.rdatatype.OPT:
                continue
            times.append(parser.current - length - 6)
            if section == 0:
                ends.append(parser.current)
            if section < 2:
                shortest.append(seconds)
            if section == 1 and kind == dns.rdatatype.SOA:
                shortest.append(int.from_bytes(data[-4:], "big"))
    settled = flags & 15 in (NOERROR, NXDOMAIN) and not flags & TRUNCATED
    keep = min(shortest, default=0) if settled else 0
    return Passed(packet, tuple(times), tuple(ends), keep if keep < 1 << 31 else 0)


def pass_on(found: Passed, asked: Question, room: int, age: int) -> bytes:
    """The packet for one who asks, ``age`` seconds after it came, in at most ``room`` bytes."""
    made = bytearray(found.packet)
    made[:2] = asked.packet[:2]
    made[HEADER : asked.end] = asked.packet[HEADER : asked.end]
    for place in found.times if age else ():
        left = max(0, int.from_bytes(made[place : place + 4], "big") - age)
        made[place : place + 4] = left.to_bytes(4, "big")
    if len(made) > room:
        fitting = [end for end in found.ends if end <= room]
        del made[fitting[-1] if fitting else asked.end :]
        made[2] |= TRUNCATED >> 8
        made[6:HEADER] = struct.pack("!HHH", len(fitting), 0, 0)
    return bytes(made)


def answers_of(found: Passed) -> list[dns.rrset.RRset]:
    """The records of the answer itself. Raises ``Bad``."""
    try:
        return list(dns.message.from_wire(found.packet, one_rr_per_rrset=True).answer)
    except (dns.exception.DNSException, ValueError, struct.error) as error:
        raise Bad(str(error)) from None


def ask_for(name: str, kind: str) -> bytes:
    """A packet that asks for a name. Raises ``Bad`` for one that no packet can hold."""
    try:
        return dns.message.make_query(name, kind, use_edns=0, payload=UDP_ROOM).to_wire()
    except dns.exception.DNSException as error:
        raise Bad(str(error)) from None
