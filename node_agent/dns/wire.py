"""Questions and answers as packets: the only file that knows the library for DNS.

What others send is read by the library; our own answers are few and simple, and written here at a tenth of its time.
Answers of other servers are passed on as they came; only their id, times and spelling are adapted. A record type
that a library does not know, or a bad one among good ones, then spoils nothing.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import dns.exception
import dns.flags
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire

from node_agent.dns import CLUSTER_DOMAIN
from node_agent.dns.zone import SERVER, TTL, Labels, Record

PLAIN_ROOM: Final = 512
"""Bytes of an answer by UDP to one who says nothing of larger ones."""
UDP_ROOM: Final = 1232
"""More does not pass every network in one piece."""
TCP_ROOM: Final = 65535
HEADER: Final = 12
# As plain numbers: combining the library's flags takes longer than the rest of an answer.
RESPONSE, AUTHORITATIVE, TRUNCATED, AVAILABLE, AS_ASKED = (
    int(flags)
    for flags in (dns.flags.QR, dns.flags.AA, dns.flags.TC, dns.flags.RA, dns.flags.RD | dns.flags.CD)
)
NOERROR, SERVFAIL, NXDOMAIN = int(dns.rcode.NOERROR), int(dns.rcode.SERVFAIL), int(dns.rcode.NXDOMAIN)
FORMERR, NOTIMP = int(dns.rcode.FORMERR), int(dns.rcode.NOTIMP)
REFUSED, BADVERS = int(dns.rcode.REFUSED), int(dns.rcode.BADVERS)
_IN: Final = int(dns.rdataclass.IN)
_OPT: Final = int(dns.rdatatype.OPT)
_QUESTION_NAME: Final = b"\xc0\x0c"
"""A name that is the question's."""
_UNREADABLE: Final = (dns.exception.DNSException, ValueError, struct.error)


class Silence(Exception):
    """Nothing sensible can be answered to this packet, so nothing is."""


class Bad(Exception):
    """A packet of another server that is not an answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one packet asks. ``refusal`` says that it cannot be answered as asked."""

    packet: bytes
    labels: Labels
    kind: str
    end: int
    """Where the question ends in the packet; 0 when it cannot be read."""
    room: int
    """Bytes that an answer by UDP may have."""
    edns: bool
    refusal: int | None = None

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
        return _question(packet)
    except _UNREADABLE:
        return _refused(packet, FORMERR)


def _question(packet: bytes) -> Question:
    _, _, questions, *counts = struct.unpack_from("!HHHHHH", packet)
    if questions != 1 or any(counts[:2]):
        return _refused(packet, FORMERR)
    parser = dns.wire.Parser(packet, HEADER)
    name = parser.get_name()
    kind, group = parser.get_struct("!HH")
    end = parser.current
    options = [record for record in _records(parser, counts) if record.kind == _OPT]
    if len(options) > 1 or parser.remaining():
        return _refused(packet, FORMERR)
    refusal = None
    if options and options[0].seconds >> 16 & 0xFF:
        refusal = BADVERS
    elif group != _IN:
        refusal = REFUSED
    elif kind in (dns.rdatatype.AXFR, dns.rdatatype.IXFR):
        refusal = NOTIMP
    return Question(
        packet=packet,
        labels=tuple(label.lower().decode("latin-1") for label in name.labels[:-1]),
        kind=dns.rdatatype.to_text(kind),
        end=end,
        room=min(max(options[0].group, PLAIN_ROOM), UDP_ROOM) if options else PLAIN_ROOM,
        edns=bool(options),
        refusal=refusal,
    )


def _refused(packet: bytes, rcode: int) -> Question:
    return Question(packet, (), "", 0, PLAIN_ROOM, edns=False, refusal=rcode)


def reply(
    asked: Question,
    room: int,
    answers: Sequence[Record] = (),
    *,
    rcode: int = NOERROR,
    zone: str = "",
    extra: Iterable[Record] = (),
    foreign: Sequence[bytes] = (),
) -> bytes:
    """Our own answer, in at most ``room`` bytes. With ``zone``, what is not there may be remembered for a while.

    ``foreign`` are records of other servers, from ``answers_of``, that come after our own.
    """
    options = struct.pack("!BHHIH", 0, _OPT, UDP_ROOM, rcode >> 4 << 24, 0) if asked.edns else b""
    own = ".".join(asked.labels)
    wanted = [*(_record(record, own) for record in answers), *foreign]
    denial = [_record(Record(zone, "SOA", ""), own)] if zone and not wanted else []
    left = room - max(asked.end, HEADER) - len(options)
    counts = []
    made = [asked.packet[HEADER : asked.end]]
    for section in (wanted, denial, [_record(record, own) for record in extra]):
        fitting = list(_fitting(section, left))
        left -= sum(map(len, fitting))
        counts.append(len(fitting))
        made += fitting
    flags = RESPONSE | AVAILABLE | (AUTHORITATIVE if zone else 0) | (rcode & 15)
    flags |= int.from_bytes(asked.packet[2:4], "big") & AS_ASKED
    flags |= TRUNCATED if counts[0] < len(wanted) else 0
    counts[2] += bool(options)
    return b"".join(
        (asked.packet[:2], struct.pack("!HHHHH", flags, bool(asked.end), *counts), *made, options)
    )


def _fitting(records: Iterable[bytes], room: int) -> Iterator[bytes]:
    for record in records:
        room -= len(record)
        if room < 0:
            return
        yield record


def _record(record: Record, own: str) -> bytes:
    owner = _QUESTION_NAME if record.owner.lower() == own else _name(record.owner)
    kind, data = _data(record.type, record.value)
    return owner + struct.pack("!HHIH", kind, _IN, TTL, len(data)) + data


@lru_cache(maxsize=8192)
def _data(kind: str, value: str | tuple[int, int, int, str]) -> tuple[int, bytes]:
    number = int(dns.rdatatype.from_text(kind))
    match kind, value:
        case "A", str():
            return number, socket.inet_aton(value)
        case "SRV", (priority, weight, port, target):
            return number, struct.pack("!HHH", priority, weight, port) + _name(target)
        case "TXT", str():
            return number, bytes([len(value)]) + value.encode()
        case "SOA", _:
            # The serial number never moves: nobody copies this zone.
            times = struct.pack("!IIIII", 1, 7200, 1800, 86400, TTL)
            return number, _name(SERVER) + _name(f"hostmaster.{CLUSTER_DOMAIN}") + times
    assert isinstance(value, str)
    return number, _name(value)


@lru_cache(maxsize=8192)
def _name(text: str) -> bytes:
    packed = dns.name.from_text(text).to_wire()
    assert packed is not None
    return packed


# Answers of other servers


@dataclass(frozen=True, slots=True)
class _Read:
    """One record as it stands in a packet; ``start`` and ``end`` are those of its data."""

    owner: dns.name.Name
    kind: int
    group: int
    seconds: int
    start: int
    end: int


def _records(parser: dns.wire.Parser, counts: Iterable[int]) -> Iterator[_Read]:
    """The records from where the parser is. Raises what is ``_UNREADABLE``."""
    for _ in range(sum(counts)):
        owner = parser.get_name(decompress=True)
        kind, group, seconds, length = parser.get_struct("!HHIH")
        start = parser.current
        parser.get_bytes(length)
        yield _Read(owner, kind, group, seconds, start, parser.current)


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
    except _UNREADABLE as error:
        raise Bad(str(error)) from None


def _passed(packet: bytes, asked: bytes) -> Passed:
    parser, counts = _after_question(packet)
    identity, flags, questions = struct.unpack_from("!HHH", packet)
    if identity != int.from_bytes(asked[:2], "big") or not flags & RESPONSE or questions != 1:
        raise Bad("not an answer")
    if packet[HEADER : parser.current].lower() != asked[HEADER : parser.current].lower():
        raise Bad("an answer to another question")
    records = list(_records(parser, counts))
    lasting = records[: counts[0] + counts[1]]
    shortest = [record.seconds for record in lasting]
    for record in lasting[counts[0] :]:
        if record.kind == dns.rdatatype.SOA:
            shortest.append(int.from_bytes(packet[max(record.start, record.end - 4) : record.end], "big"))
    settled = flags & 15 in (NOERROR, NXDOMAIN) and not flags & TRUNCATED
    keep = min(shortest, default=0) if settled else 0
    return Passed(
        packet,
        times=tuple(record.start - 6 for record in records if record.kind != _OPT),
        ends=tuple(record.end for record in records[: counts[0]]),
        seconds=keep if keep < 1 << 31 else 0,
    )


def _after_question(packet: bytes) -> tuple[dns.wire.Parser, list[int]]:
    """A parser at the first record, and how many records each section has."""
    parser = dns.wire.Parser(packet)
    _, _, _, *counts = parser.get_struct("!HHHHHH")
    parser.get_name()
    parser.get_struct("!HH")
    return parser, counts


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


def answers_of(found: Passed) -> list[bytes]:
    """The records of the answer itself, each so that it can stand in another packet. Raises ``Bad``."""
    packet = found.packet
    try:
        parser, counts = _after_question(packet)
        return [_apart(packet, record) for record in _records(parser, counts[:1])]
    except _UNREADABLE as error:
        raise Bad(str(error)) from None


def _apart(packet: bytes, record: _Read) -> bytes:
    group, kind = dns.rdataclass.RdataClass.make(record.group), dns.rdatatype.RdataType.make(record.kind)
    data = dns.rdata.from_wire(group, kind, packet, record.start, record.end - record.start).to_wire()
    owner = record.owner.to_wire()
    assert data is not None and owner is not None
    return owner + struct.pack("!HHIH", kind, group, record.seconds, len(data)) + data


def ask_for(name: str, kind: str) -> bytes:
    """A packet that asks for a name. Raises ``Bad`` for one that no packet can hold."""
    try:
        packed = _name(name)
    except dns.exception.DNSException as error:
        raise Bad(str(error)) from None
    asked = struct.pack("!HHHHHH", 0, int(dns.flags.RD), 1, 0, 0, 1) + packed
    asked += struct.pack("!HH", dns.rdatatype.from_text(kind), _IN)
    return asked + struct.pack("!BHHIH", 0, _OPT, UDP_ROOM, 0, 0)
