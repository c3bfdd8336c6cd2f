"""Which shared libraries a program needs, read from the file itself: nothing is run, no loader of the host asked."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


def needed(path: Path) -> list[str]:
    """Names of the libraries, the loader last; empty for what is not a dynamic 64-bit program."""
    image = path.read_bytes()
    if image[:5] != b"\x7fELF\x02":
        return []
    segments = list(_segments(image))
    entries = [entry for kind, *where in segments if kind == PT_DYNAMIC for entry in _dynamic(image, *where)]
    tables = [value for tag, value in entries if tag == DT_STRTAB]
    found = []
    if tables:
        strings = _file_offset(segments, tables[0])
        found = [_text(image, strings + value) for tag, value in entries if tag == DT_NEEDED]
    found += [_text(image, offset).rpartition("/")[2] for kind, offset, *_ in segments if kind == PT_INTERP]
    return found


def _segments(image: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Kind, offset in the file, address in memory and size of each."""
    (start,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", image, start + number * size)
        yield kind, offset, address, length


def _dynamic(image: bytes, offset: int, _: int, length: int) -> Iterator[tuple[int, int]]:
    for place in range(offset, offset + length, 16):
        tag, value = struct.unpack_from("<QQ", image, place)
        if tag == 0:
            return
        yield tag, value


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, start, length in segments:
        if kind == PT_LOAD and start <= address < start + length:
            return address - start + offset
    raise ValueError(f"address {address:#x} is in no segment")


def _text(image: bytes, offset: int) -> str:
    return image[offset : image.index(b"\0", offset)].decode()
