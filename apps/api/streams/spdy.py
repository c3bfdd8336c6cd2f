"""SPDY/3.1 as far as kubectl's port-forward speaks it, without transport: bytes to events, and frames to bytes.

A connection's streams share one websocket. A stream's data is handed on as it comes, however long its frame is.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 1
VERSION = 3
CANCEL = 5
LARGEST_CONTROL = 16 * 1024
LARGEST_HEADERS = 64 * 1024
_HEADER = struct.Struct(">II")
_LONG = struct.Struct(">I")

# Both ends compress headers against these words; the protocol fixes them and their order.
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age "
    "allow authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = [word.replace("_", " ").encode() for word in _WORDS.split()]
    return b"".join(_LONG.pack(len(word)) + word for word in words) + _REST.encode()


DICTIONARY = _dictionary()


class ProtocolError(Exception):
    """The other end does not speak SPDY/3.1: the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new stream of the other end's."""

    stream: int
    headers: dict[str, str]
    ends: bool
    """Whether the other end says nothing on it."""


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    content: bytes
    ends: bool


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int


@dataclass(frozen=True, slots=True)
class Pinged:
    id: int


Event = Opened | Data | Reset | Pinged


class Reader:
    """Turns what the other end sends, cut anywhere, into events. Raises ProtocolError; nothing follows it."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._buffer = bytearray()
        self._stream = 0  # whose data frame is under way,
        self._left = 0  # how much of it is still to come,
        self._ends = False  # and whether it is the stream's last

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Work through all of it before the next call."""
        self._buffer += chunk
        while self._buffer:
            if self._left:
                yield self._data()
                continue
            if len(self._buffer) < _HEADER.size:
                return
            first, second = _HEADER.unpack_from(self._buffer)
            flags, length = second >> 24, second & 0xFFFFFF
            if not first >> 31:
                del self._buffer[: _HEADER.size]
                self._stream, self._left, self._ends = first, length, bool(flags & FIN)
                if not length:
                    yield Data(first, b"", self._ends)
                continue
            if (first >> 16) & 0x7FFF != VERSION:
                raise ProtocolError("this is not SPDY version 3")
            if length > LARGEST_CONTROL:
                raise ProtocolError(f"a control frame of {length} bytes is too long")
            if len(self._buffer) < _HEADER.size + length:
                return
            body = bytes(self._buffer[_HEADER.size : _HEADER.size + length])
            del self._buffer[: _HEADER.size + length]
            yield from self._control(first & 0xFFFF, flags, body)

    def _data(self) -> Data:
        content = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._left -= len(content)
        return Data(self._stream, content, self._ends and not self._left)

    def _control(self, kind: int, flags: int, body: bytes) -> Iterator[Event]:
        try:
            if kind == SYN_STREAM:
                stream = _LONG.unpack_from(body)[0] & 0x7FFFFFFF
                yield Opened(stream, self._headers(body[10:]), bool(flags & FIN))
            elif kind in {SYN_REPLY, HEADERS}:
                self._headers(body[4:])  # what is compressed later builds on it
            elif kind == RST_STREAM:
                yield Reset(_LONG.unpack_from(body)[0] & 0x7FFFFFFF)
            elif kind == PING:
                yield Pinged(_LONG.unpack_from(body)[0])
        except struct.error:
            raise ProtocolError("a control frame is too short") from None

    def _headers(self, packed: bytes) -> dict[str, str]:
        try:
            raw = self._inflate.decompress(packed, LARGEST_HEADERS)
        except zlib.error:
            raise ProtocolError("headers cannot be decompressed") from None
        if self._inflate.unconsumed_tail:
            raise ProtocolError("headers are too long")
        count, at, headers = _LONG.unpack_from(raw)[0], _LONG.size, {}
        for _ in range(count):
            name, at = _text(raw, at)
            headers[name], at = _text(raw, at)
        return headers


class Writer:
    """Frames for the other end, to be sent in the order they are made."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def reply(self, stream: int) -> bytes:
        """The stream is taken."""
        return _control(SYN_REPLY, _LONG.pack(stream) + self._packed({}))

    def open(self, stream: int, headers: dict[str, str], *, ends: bool = False) -> bytes:
        body = struct.pack(">IIBB", stream, 0, 0, 0) + self._packed(headers)
        return _control(SYN_STREAM, body, FIN if ends else 0)

    def _packed(self, headers: dict[str, str]) -> bytes:
        parts = [_LONG.pack(len(headers))]
        for text in (text for pair in headers.items() for text in pair):
            parts += [_LONG.pack(len(text.encode())), text.encode()]
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def data(stream: int, content: bytes, *, ends: bool = False) -> bytes:
    return _HEADER.pack(stream, (FIN if ends else 0) << 24 | len(content)) + content


def reset(stream: int) -> bytes:
    return _control(RST_STREAM, struct.pack(">II", stream, CANCEL))


def ping(number: int) -> bytes:
    return _control(PING, _LONG.pack(number))


def _control(kind: int, body: bytes, flags: int = 0) -> bytes:
    return _HEADER.pack(1 << 31 | VERSION << 16 | kind, flags << 24 | len(body)) + body


def _text(raw: bytes, at: int) -> tuple[str, int]:
    length = _LONG.unpack_from(raw, at)[0]
    begin, end = at + _LONG.size, at + _LONG.size + length
    if end > len(raw):
        raise ProtocolError("headers are cut short")
    return raw[begin:end].decode("utf-8", "replace"), end
