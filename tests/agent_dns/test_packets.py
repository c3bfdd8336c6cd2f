"""Packets as anybody may send them: never a crash, never an answer to what was not asked."""

from __future__ import annotations

import struct
from contextlib import suppress

import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.dns.wire import TCP_ROOM, Bad, Silence, answers_of, ask_for, pass_on, passed, question
from tests.agent_dns.asking import answers, packet, told

NAME = "redis-master.default.svc.cluster.local"
THOSE = answers()


def answered(data: bytes) -> dns.message.Message | None:
    """The answer, which must be one to this packet; None for silence."""
    try:
        asked = question(data)
    except Silence:
        return None
    made = THOSE.at_once(asked)
    if made is None:  # it is for other servers
        return None
    assert made[:2] == data[:2] and made[2] & 0x80 and len(made) <= asked.room
    message = dns.message.from_wire(made)
    if message.question:
        assert made[12 : asked.end] == data[12 : asked.end]
    return message


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(data: bytes) -> None:
    answered(data)


@given(data=st.data(), edns=st.booleans())
def test_a_spoiled_question_is_survived(data: st.DataObject, edns: bool) -> None:
    good = bytearray(packet(NAME, id=1, use_edns=0 if edns else False))
    for place in data.draw(st.lists(st.integers(0, len(good) - 1), max_size=6)):
        good[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    for each in (bytes(good), bytes(good[:cut]), bytes(good) + data.draw(st.binary(max_size=8))):
        message = answered(each)
        if message is not None and message.answer:
            assert message.rcode() == dns.rcode.NOERROR


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=4), st.integers(0, 0xFFFF))
def test_any_labels_below_the_domain_are_answered(labels: list[bytes], kind: int) -> None:
    name = b"".join(bytes([len(label)]) + label for label in [*labels, b"svc", b"cluster", b"local"]) + b"\0"
    if len(name) > 255:
        return
    message = answered(struct.pack("!HHHHHH", 9, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", kind, 1))
    assert message is not None and message.rcode() in (
        dns.rcode.NOERROR,
        dns.rcode.NXDOMAIN,
        dns.rcode.NOTIMP,
    )


def header(flags: int = 0x0100, questions: int = 1, answers: int = 0) -> bytes:
    return struct.pack("!HHHHHH", 1, flags, questions, answers, 0, 0)


QUESTION = packet(NAME)[12:]


@pytest.mark.parametrize(
    ("data", "rcode"),
    [
        (header() + b"\xc0\x0c\0\1\0\1", "FORMERR"),  # a name that leads to itself
        (header() + b"\x3f" + b"a" * 20, "FORMERR"),
        (header(questions=0), "FORMERR"),
        (header(questions=2) + QUESTION * 2, "FORMERR"),
        (header(0x2800) + QUESTION, "NOTIMP"),  # an update
        (header(0x1000) + QUESTION, "NOTIMP"),  # a status
        (packet(NAME, rdclass="CH"), "REFUSED"),
        (packet(NAME, "AXFR"), "NOTIMP"),
        (packet(NAME, use_edns=1), "BADVERS"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_its_reason(data: bytes, rcode: str) -> None:
    message = answered(data)
    assert message is not None and dns.rcode.to_text(message.rcode()) == rcode


@pytest.mark.parametrize("data", [b"", b"\0" * 11, header(0x8180) + QUESTION])
def test_what_is_no_question_is_met_with_silence(data: bytes) -> None:
    with pytest.raises(Silence):
        question(data)


# Answers of other servers

ASKED = packet("www.example.org", id=5)


def upstream(*records: str, asked: bytes = ASKED, **flags: int) -> bytes:
    """An answer in words: name, ttl, type, value."""
    message = dns.message.make_response(dns.message.from_wire(asked), recursion_available=True)
    for record in records:
        name, ttl, kind, value = record.split(" ", 3)
        message.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, value))
    message.flags |= flags.get("flags", 0)
    message.set_rcode(dns.rcode.from_flags(flags.get("rcode", 0), 0))
    return message.to_wire()


def test_an_answer_is_passed_on_with_the_askers_id_and_spelling_and_times_counted_down() -> None:
    found = passed(upstream("www.example.org. 300 A 192.0.2.7"), ASKED)
    made = pass_on(found, question(packet("WWW.example.ORG", id=77)), TCP_ROOM, 100)
    message = dns.message.from_wire(made)
    assert (message.id, str(message.question[0].name)) == (77, "WWW.example.ORG.")
    assert (message.answer[0].ttl, str(message.answer[0][0])) == (200, "192.0.2.7")
    assert found.seconds == 300


def test_what_the_library_does_not_know_is_passed_on_as_it_came() -> None:
    found = passed(upstream("www.example.org. 300 TYPE65280 \\# 3 abcdef"), ASKED)
    made = pass_on(found, question(ASKED), TCP_ROOM, 0)
    assert made.endswith(b"\xab\xcd\xef")


def test_a_large_answer_is_cut_between_its_records() -> None:
    found = passed(upstream(*(f"www.example.org. 300 A 192.0.2.{at}" for at in range(1, 60))), ASKED)
    made = pass_on(found, question(ASKED), 512, 0)
    message = dns.message.from_wire(made)
    assert len(made) <= 512 and message.flags & dns.flags.TC
    assert sum(len(rrset) for rrset in message.answer) == (512 - len(ASKED)) // 16


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "short"),
        (ASKED, "not an answer"),
        (b"\0\6" + upstream()[2:], "another id"),
        (upstream(asked=packet("other.example.org", id=5)), "another question"),
        (upstream("www.example.org. 300 A 192.0.2.7")[:-2], "cut"),
    ],
)
def test_what_is_no_answer_to_the_question_is_not_taken(data: bytes, why: str) -> None:
    with pytest.raises(Bad):
        passed(data, ASKED)


@given(st.binary(max_size=200))
def test_any_answer_of_another_server_is_survived(data: bytes) -> None:
    for each in (data, ASKED[:2] + b"\x81\x80" + data, upstream()[:-4] + data):
        try:
            found = passed(each, ASKED)
        except Bad:
            continue
        with suppress(Bad):
            answers_of(found)
        assert len(pass_on(found, question(ASKED), 512, 3)) <= 512


@pytest.mark.parametrize(
    ("made", "seconds"),
    [
        (upstream("www.example.org. 300 CNAME b.example.org.", "b.example.org. 20 A 192.0.2.7"), 20),
        (upstream(rcode=2), 0),
        (upstream("www.example.org. 300 A 192.0.2.7", flags=0x0200), 0),
        (upstream("www.example.org. 0 A 192.0.2.7"), 0),
        (upstream(), 0),
    ],
)
def test_an_answer_is_kept_as_long_as_its_shortest_record(made: bytes, seconds: int) -> None:
    assert passed(made, ASKED).seconds == seconds


def test_a_denial_is_kept_as_long_as_it_says() -> None:
    message = dns.message.make_response(dns.message.from_wire(ASKED))
    message.set_rcode(dns.rcode.NXDOMAIN)
    message.authority.append(dns.rrset.from_text("example.org.", 3600, "IN", "SOA", "a. b. 1 2 3 4 30"))
    assert passed(message.to_wire(), ASKED).seconds == 30


def test_a_name_that_no_packet_holds_is_not_asked_for() -> None:
    with pytest.raises(Bad):
        ask_for(f"{'a' * 64}.example.org", "A")


def test_questions_that_differ_only_in_spelling_are_one() -> None:
    assert question(packet("WWW.example.org", id=1)).key == question(packet("www.EXAMPLE.org", id=2)).key
    assert question(packet("www.example.org")).key != question(packet("www.example.org", "AAAA")).key
    assert told(THOSE.at_once(question(packet(NAME)))) == ["NOERROR", "A 10.254.0.11"]
