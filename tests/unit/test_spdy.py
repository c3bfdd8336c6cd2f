"""SPDY of port-forward: what is written is read, however it is cut; what is not SPDY is refused, in bounded memory."""

from __future__ import annotations

import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.streams import spdy

TEXT = st.text(max_size=40)
STREAMS = st.integers(1, 2**31 - 1)
EVENTS = st.one_of(
    st.builds(spdy.Opened, STREAMS, st.dictionaries(TEXT, TEXT, max_size=5), st.booleans()),
    st.builds(spdy.Data, STREAMS, st.binary(max_size=300), st.booleans()),
    st.builds(spdy.Reset, STREAMS),
    st.builds(spdy.Pinged, st.integers(0, 2**32 - 1)),
)


def written(events: list[spdy.Event]) -> bytes:
    writer, out = spdy.Writer(), b""
    for event in events:
        match event:
            case spdy.Opened(stream=stream, headers=headers, ends=ends):
                out += writer.open(stream, headers, ends=ends)
            case spdy.Data(stream=stream, content=content, ends=ends):
                out += spdy.data(stream, content, ends=ends)
            case spdy.Reset(stream=stream):
                out += spdy.reset(stream)
            case spdy.Pinged(id=number):
                out += spdy.ping(number)
    return out


def joined(events: list[spdy.Event]) -> list[spdy.Event]:
    """The pieces of a data frame as one."""
    found: list[spdy.Event] = []
    held = b""
    for index, event in enumerate(events):
        if isinstance(event, spdy.Data):
            after = events[index + 1] if index + 1 < len(events) else None
            held += event.content
            if event.ends or not (isinstance(after, spdy.Data) and after.stream == event.stream):
                found.append(spdy.Data(event.stream, held, event.ends))
                held = b""
        else:
            found.append(event)
    return found


def cut(content: bytes, seed: int) -> list[bytes]:
    chance, pieces = random.Random(seed), []
    while content:
        size = chance.choice((1, 2, 7, 100, 10_000))
        pieces.append(content[:size])
        content = content[size:]
    return pieces


def test_the_dictionary_is_the_protocols() -> None:
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


@given(st.lists(EVENTS, max_size=12), st.integers())
def test_what_is_written_is_read_however_it_is_cut(events: list[spdy.Event], seed: int) -> None:
    reader = spdy.Reader()
    found = [event for piece in cut(written(events), seed) for event in reader.feed(piece)]
    assert joined(found) == joined(events)


def test_a_long_data_frame_is_handed_on_as_it_comes() -> None:
    reader = spdy.Reader()
    frame = spdy.data(1, bytes(16 * 2**20 - 1), ends=True)
    sizes = []
    for at in range(0, len(frame), 65536):
        for event in reader.feed(frame[at : at + 65536]):
            assert isinstance(event, spdy.Data)
            sizes.append(len(event.content))
            assert event.ends is (sum(sizes) == 16 * 2**20 - 1)
    assert max(sizes) <= 65536 and sum(sizes) == 16 * 2**20 - 1


def control(kind: int, body: bytes, *, version: int = 3, length: int | None = None) -> bytes:
    return struct.pack(">II", 1 << 31 | version << 16 | kind, len(body) if length is None else length) + body


def squeezed(raw: bytes) -> bytes:
    deflate = zlib.compressobj(zdict=spdy.DICTIONARY)
    return bytes(10) + deflate.compress(raw) + deflate.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (control(spdy.PING, b"1234", version=2), "not SPDY version 3"),
        (control(spdy.PING, b"", length=2**20), "too long"),
        (control(spdy.PING, b"12"), "too short"),
        (control(spdy.SYN_STREAM, b""), "too short"),
        (control(spdy.SYN_STREAM, bytes(10) + b"no zlib"), "cannot be decompressed"),
        (control(spdy.SYN_STREAM, squeezed(bytes(10 * 2**20))), "headers are too long"),
        (control(spdy.SYN_STREAM, squeezed(struct.pack(">II", 1, 2**31))), "cut short"),
        (control(spdy.SYN_STREAM, squeezed(struct.pack(">I", 2**31))), "too short"),
    ],
)
def test_what_is_not_spdy_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(spdy.ProtocolError, match=words):
        list(spdy.Reader().feed(content))


@given(st.binary(max_size=500))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    reader = spdy.Reader()
    try:
        for piece in cut(content, 1):
            list(reader.feed(piece))
    except spdy.ProtocolError:
        pass


def test_frames_that_say_nothing_to_us_are_passed_over() -> None:
    others = control(spdy.SETTINGS, bytes(4)) + control(spdy.WINDOW_UPDATE, bytes(8)) + control(spdy.GOAWAY, bytes(8))
    assert list(spdy.Reader().feed(others + spdy.ping(3))) == [spdy.Pinged(3)]
