"""A file of sealed records: without its key nothing of it can be read, and no record changed, moved or left away.

A line with the format, a line with how the key is made, then records: each its length, whether it is the last, and its
compressed content under AES-256-GCM, bound to both lines and to its place. The key serves one file only, by its salt.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from paas.state import Refused

MAGIC, FORMAT = b"drover backup ", 1
PASSPHRASE, CLUSTER = "passphrase", "cluster"
SALT_BYTES, KEY_BYTES, PROOF_BYTES = 16, 32, 16
PREFIX = struct.Struct(">IB")
LONGEST_LINE, LONGEST_RECORD = 4096, 256 * 2**20


@dataclass(frozen=True)
class Secret:
    """What opens a file: a passphrase, or the cluster's own outer key."""

    kind: str
    value: bytes


class Header(msgspec.Struct, kw_only=True):
    """The second line. ``proof`` tells a wrong key from a damaged file."""

    taken: datetime
    key: str
    salt: bytes
    proof: bytes


def write(file: IO[bytes], secret: Secret, taken: datetime, records: Iterable[bytes]) -> None:
    """Seal the records, of which there is at least one."""
    salt = os.urandom(SALT_BYTES)
    key, proof = _stretched(secret, salt)
    lines = b"%s%d\n" % (MAGIC, FORMAT)
    lines += msgspec.json.encode(Header(taken=taken, key=secret.kind, salt=salt, proof=proof)) + b"\n"
    file.write(lines)
    cipher = AESGCM(key)
    for place, (record, last) in enumerate(_marked(records)):
        sealed = cipher.encrypt(_nonce(place, last), zlib.compress(record), lines)
        file.write(PREFIX.pack(len(sealed), last) + sealed)


def header(file: IO[bytes]) -> Header:
    """How the file is opened. Raises Refused for one that is no backup, or of a newer format."""
    return _header(file)[0]


def read(file: IO[bytes], secret: Secret) -> Iterator[bytes]:
    """The records from the file's beginning. Raises Refused for a wrong key at once, for a damaged or cut file where it
    is so: nothing that was read before may count until the end has come."""
    file.seek(0)
    head, lines = _header(file)
    key, proof = _stretched(secret, head.salt)
    if not hmac.compare_digest(proof, head.proof):
        raise Refused(WRONG_KEY[head.key])
    cipher, place, last = AESGCM(key), 0, False
    while not last:
        size, last = _prefix(file)
        sealed = _exactly(file, size)
        try:
            record = zlib.decompress(cipher.decrypt(_nonce(place, last), sealed, lines))
        except (InvalidTag, zlib.error):
            raise Refused(f"This backup is damaged: part {place + 1} was changed. Take another copy of it.") from None
        yield record
        place += 1
    if file.read(1):
        raise Refused("This backup is damaged: something stands behind its end. Take another copy of it.")


WRONG_KEY = {
    PASSPHRASE: "The passphrase is not the one that this backup was made with.",
    CLUSTER: "This snapshot was made with another key: set DROVER_KEY, or put STATE/key back, to what it was then.",
}


def _header(file: IO[bytes]) -> tuple[Header, bytes]:
    first = file.readline(LONGEST_LINE)
    form = first.removeprefix(MAGIC).strip()
    if not first.startswith(MAGIC) or not form.isdigit():
        raise Refused("This is no backup of Drover.")
    if int(form) > FORMAT:
        raise Refused(
            f"This backup was made by a newer Drover (format {form.decode()}; this one reads {FORMAT}): "
            "restore it with that version."
        )
    second = file.readline(LONGEST_LINE)
    try:
        found = msgspec.json.decode(second, type=Header)
    except msgspec.DecodeError:
        raise Refused(CUT) from None
    if found.key not in WRONG_KEY:
        raise Refused(f"This backup is opened by something that this version does not know ({found.key}).")
    return found, first + second


CUT = "This backup is not whole: its end is missing. Take another copy of it."


def _prefix(file: IO[bytes]) -> tuple[int, bool]:
    size, last = PREFIX.unpack(_exactly(file, PREFIX.size))
    if size > LONGEST_RECORD or last > 1:
        raise Refused("This backup is damaged: a part of it has no sound length. Take another copy of it.")
    return size, bool(last)


def _exactly(file: IO[bytes], size: int) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise Refused(CUT)
    return found


def _marked(records: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each with whether it is the last."""
    coming = iter(records)
    held = next(coming)
    for record in coming:
        yield held, False
        held = record
    yield held, True


def _nonce(place: int, last: bool) -> bytes:
    return struct.pack(">QI", place, last)


def _stretched(secret: Secret, salt: bytes) -> tuple[bytes, bytes]:
    """The key and its proof. A passphrase is made costly to guess; the cluster's key is random already."""
    value = secret.value
    if secret.kind == PASSPHRASE:
        value = hashlib.scrypt(value, salt=salt, n=2**15, r=8, p=1, maxmem=2**26, dklen=KEY_BYTES)
    made = HKDF(hashes.SHA256(), KEY_BYTES + PROOF_BYTES, salt=salt, info=b"drover backup").derive(value)
    return made[:KEY_BYTES], made[KEY_BYTES:]
