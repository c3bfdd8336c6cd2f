"""Seals what must not be readable at rest: AES-256-GCM with data keys, wrapped by one key outside the
database.

The outer key is ``DROVER_KEY``, else the file ``key`` in STATE, made on the first start. Every sealed text
names the data key that closed it, so that a new data key can be added at any time while older texts stay
readable. What is sealed is bound to its context (say, the object's uid): moved to another place it does not
open.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.db import transaction

from apps.cluster import files

KEY_BYTES = 32
NONCE_BYTES = 12
SHORTEST_PASSPHRASE = 16
DATA_KEY = "data:"
FORM = "1"


class SealBroken(Exception):
    """What was asked for does not open: another key, another context, or damaged bytes."""


def seal(plain: bytes, context: str) -> str:
    """Close ``plain`` for the one place that ``context`` names."""
    return keyring.seal(plain, context)


def unseal(sealed: str, context: str) -> bytes:
    """Open what ``seal`` closed with the same context. Raises SealBroken."""
    return keyring.unseal(sealed, context)


def derived(purpose: str, outer: bytes | None = None) -> bytes:
    """32 bytes that follow from the outer key alone, for what is needed before the database is."""
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"drover:" + purpose.encode()).derive(
        outer or outer_key()
    )


def outer_key(state: Path | None = None, given: str | None = None) -> bytes:
    """The key that is never stored in the database."""
    state = Path(settings.STATE) if state is None else state
    given = os.environ.get("DROVER_KEY", "") if given is None else given
    return _outer_key(state, given.strip())


@lru_cache(maxsize=8)
def _outer_key(state: Path, given: str) -> bytes:
    if not given:
        made = base64.urlsafe_b64encode(os.urandom(KEY_BYTES)) + b"\n"
        given = files.put_once(state / "key", made).decode("ascii", "replace").strip()
    for decode in (bytes.fromhex, _from_base64):
        try:
            raw = decode(given)
        except ValueError:
            continue
        if len(raw) == KEY_BYTES:
            return raw
    if len(given) < SHORTEST_PASSPHRASE:
        raise SealBroken(
            "DROVER_KEY is too short: give 32 random bytes in base64 or hex, "
            f"or a passphrase of {SHORTEST_PASSPHRASE} or more characters"
        )
    return hashlib.scrypt(given.encode(), salt=b"drover outer key", n=2**14, r=8, p=1, dklen=KEY_BYTES)


def _from_base64(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


class Keyring:
    """The keys and secrets of this cluster. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}

    def seal(self, plain: bytes, context: str) -> str:
        name, key = self._newest()
        number = name.removeprefix(DATA_KEY)
        nonce = os.urandom(NONCE_BYTES)
        closed = AESGCM(key).encrypt(nonce, plain, _bound(number, context))
        return ".".join((FORM, number, base64.b64encode(nonce + closed).decode("ascii")))

    def unseal(self, sealed: str, context: str) -> bytes:
        try:
            form, number, text = sealed.split(".")
            raw = base64.b64decode(text, validate=True)
        except ValueError as error:
            raise SealBroken("this is not a sealed text") from error
        if form != FORM:
            raise SealBroken(f"sealed by a newer version (form {form}): update this server")
        key = self._key(DATA_KEY + number)
        try:
            return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(number, context))
        except (InvalidTag, ValueError) as error:
            raise SealBroken("the sealed text was changed, or belongs to another place") from error

    def get_secret(self, name: str, make: Callable[[], bytes] = lambda: os.urandom(KEY_BYTES)) -> bytes:
        """The named secret: made on the first call, from then on the same for every process of the
        cluster."""
        return self._get_or_make("secret:" + name, make)

    def rotate(self) -> str:
        """Add a new data key, used for all that is sealed from now on. Returns its number."""
        number = str(1 + max((int(name.removeprefix(DATA_KEY)) for name in self._names()), default=0))
        self._get_or_make(DATA_KEY + number, lambda: os.urandom(KEY_BYTES))
        self.forget()
        return number

    def rewrap(self, new_outer_key: bytes) -> int:
        """Wrap every key and secret anew, for a change of DROVER_KEY. Returns how many there were."""
        with transaction.atomic():
            rows = list(_rows().select_for_update().order_by("name"))
            for row in rows:
                wrapped = rewrapped(row.name, bytes(row.wrapped), outer_key(), new_outer_key)
                _rows().filter(pk=row.pk).update(wrapped=wrapped)
        self.forget()
        return len(rows)

    def forget(self) -> None:
        """Drop what is remembered in this process; it is read again when needed."""
        with self._lock:
            self._keys.clear()

    def _newest(self) -> tuple[str, bytes]:
        with self._lock:
            known = max(self._keys, key=_number, default="")
            if known:
                return known, self._keys[known]
        name = max(self._names(), key=_number, default=DATA_KEY + "1")
        return name, self._get_or_make(name, lambda: os.urandom(KEY_BYTES))

    def _key(self, name: str) -> bytes:
        with self._lock:
            if name in self._keys:
                return self._keys[name]
        row = _rows().filter(name=name).first()
        if row is None:
            raise SealBroken(f"sealed with data key {_number(name)}, which this cluster does not have")
        return self._remember(name, _unwrap(outer_key(), name, bytes(row.wrapped)))

    def _get_or_make(self, name: str, make: Callable[[], bytes]) -> bytes:
        row = _rows().filter(name=name).first()
        if row is None:
            row, _ = _rows().get_or_create(name=name, defaults={"wrapped": _wrap(outer_key(), name, make())})
        return self._remember(name, _unwrap(outer_key(), name, bytes(row.wrapped)))

    def _remember(self, name: str, key: bytes) -> bytes:
        # A key made inside a transaction that is rolled back never existed: it must not seal anything later.
        if name.startswith(DATA_KEY):
            transaction.on_commit(lambda: self._keep(name, key))
        return key

    def _keep(self, name: str, key: bytes) -> None:
        with self._lock:
            self._keys[name] = key

    def _names(self) -> list[str]:
        return list(_rows().filter(name__startswith=DATA_KEY).values_list("name", flat=True))


keyring = Keyring()


def _rows() -> Any:
    return apps.get_model("cluster", "SealedKey").objects


def _number(name: str) -> int:
    return int(name.removeprefix(DATA_KEY))


def _bound(number: str, context: str) -> bytes:
    return f"{FORM}.{number}.{context}".encode()


def rewrapped(name: str, wrapped: bytes, old: bytes, new: bytes) -> bytes:
    """A key or secret of the database as another outer key wraps it. Raises SealBroken when ``old`` is not its own."""
    return _wrap(new, name, _unwrap(old, name, wrapped))


def _wrap(outer: bytes, name: str, plain: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(outer).encrypt(nonce, plain, b"drover key " + name.encode())


def _unwrap(outer: bytes, name: str, wrapped: bytes) -> bytes:
    nonce, closed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
    try:
        return AESGCM(outer).decrypt(nonce, closed, b"drover key " + name.encode())
    except (InvalidTag, ValueError) as error:
        raise SealBroken(
            "the keys in this database were wrapped by another key: set DROVER_KEY, or restore STATE/key, "
            "to what it was when the database was made"
        ) from error
