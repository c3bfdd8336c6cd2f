"""Tokens of service accounts: signed, with an end, and good only while the account (and the pod) they name are there.

Nothing of them is stored. What a token says is proved by the cluster's own key; that its account and its pod still
exist, under the very uid, is asked of the database and remembered for a few seconds.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db.models import Q

from apps.cluster import models, types
from apps.cluster.actors import Actor
from apps.cluster.seal import keyring

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = ISSUER
"""Whom a token is for that says nothing else: this API."""
ALGORITHM = "ES256"
SHORTEST, LONGEST, USUAL = 600, 365 * 24 * 3600, 3600
GROUP = "system:serviceaccounts"
PREFIX = "system:serviceaccount:"
REMEMBERED_SECONDS = 3.0
KEY_REMEMBERED_SECONDS = 60.0
REMEMBERED_AT_MOST = 5000
CLAIMS = "kubernetes.io"
BINDABLE = {"Pod": "pods", "Secret": "secrets"}

Reference = tuple[str, str, str, str]
"""Kind key, namespace, name and uid of what must be there."""


@dataclass(frozen=True)
class Issued:
    text: str
    expires_at: datetime


@dataclass(frozen=True)
class Bound:
    """What a token ends with, besides its account: a Pod or a Secret of the same namespace."""

    kind: str
    name: str
    uid: str


class _Known(NamedTuple):
    actor: Actor
    ends: float
    forget_at: float


_lock = threading.Lock()
_known: dict[bytes, _Known] = {}
_key: tuple[float, ec.EllipticCurvePrivateKey] | None = None


def actor_of(account: types.ServiceAccount) -> Actor:
    meta = account.metadata
    return _actor(meta.namespace, meta.name, meta.uid)


def issue(
    account: types.ServiceAccount,
    *,
    seconds: int = USUAL,
    audiences: Sequence[str] = (),
    bound: Bound | None = None,
    now: datetime | None = None,
) -> Issued:
    """A token that speaks for the account, for at most a year. For another audience, it is nothing to this API."""
    began = (now or datetime.now(UTC)).replace(microsecond=0)
    ends = began + timedelta(seconds=min(max(seconds, SHORTEST), LONGEST))
    meta = account.metadata
    private: dict[str, Any] = {
        "namespace": meta.namespace,
        "serviceaccount": {"name": meta.name, "uid": meta.uid},
    }
    if bound is not None:
        private[bound.kind.lower()] = {"name": bound.name, "uid": bound.uid}
    claims = {
        "iss": ISSUER,
        "sub": f"{PREFIX}{meta.namespace}:{meta.name}",
        "aud": list(audiences) or [AUDIENCE],
        "iat": began,
        "nbf": began,
        "exp": ends,
        "jti": str(uuid.uuid4()),
        CLAIMS: private,
    }
    return Issued(jwt.encode(claims, _signing_key(), algorithm=ALGORITHM), ends)


def check(text: str, audiences: Sequence[str] = (AUDIENCE,)) -> Actor | None:
    """Whom the token speaks for; None for one that is not ours, has ended, or whose account or pod is gone.

    A removed account or pod ends it within a few seconds.
    """
    if text.count(".") != 2:
        return None
    digest = hashlib.sha256("\0".join((*audiences, text)).encode("utf-8", "surrogateescape")).digest()
    known = _known.get(digest)
    if known is None or time.monotonic() >= known.forget_at:
        known = _look_up(text, audiences, digest)
    if known is None or known.ends <= time.time():
        return None
    return known.actor


def forget() -> None:
    """Drop what is remembered in this process, the key included."""
    global _key  # noqa: PLW0603 - one key per process
    with _lock:
        _known.clear()
        _key = None


def _look_up(text: str, audiences: Sequence[str], digest: bytes) -> _Known | None:
    read = _read(text, audiences)
    if read is None or not _all_there(read[1]):
        with _lock:
            _known.pop(digest, None)
        return None
    actor, _, ends = read
    known = _Known(actor, ends, time.monotonic() + REMEMBERED_SECONDS)
    with _lock:
        if len(_known) >= REMEMBERED_AT_MOST:
            _known.clear()
        _known[digest] = known
    return known


def _read(text: str, audiences: Sequence[str]) -> tuple[Actor, list[Reference], float] | None:
    """What a token proves by itself: the actor, what must be there, when it ends."""
    try:
        claims = jwt.decode(
            text,
            _signing_key().public_key(),
            algorithms=[ALGORITHM],
            audience=list(audiences),
            issuer=ISSUER,
            options={"require": ["exp", "nbf", "iat", "iss", "aud", "sub"]},
        )
        private = claims[CLAIMS]
        namespace, account = private["namespace"], private["serviceaccount"]
        wanted = [("serviceaccounts", namespace, account["name"], account["uid"])]
        for kind, key in BINDABLE.items():
            if (held := private.get(kind.lower())) is not None:
                wanted.append((key, namespace, held["name"], held["uid"]))
        return _actor(namespace, account["name"], account["uid"]), wanted, float(claims["exp"])
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _all_there(wanted: list[Reference]) -> bool:
    asked = Q()
    for kind, namespace, name, uid in wanted:
        asked |= Q(kind=kind, namespace=namespace, name=name, uid=uid)
    return models.Object.objects.filter(asked).count() == len(wanted)


def groups_of(namespace: str) -> frozenset[str]:
    """Those of every service account of a namespace."""
    return frozenset({GROUP, f"{GROUP}:{namespace}", "system:authenticated"})


def account_of(user: str) -> tuple[str, str] | None:
    """Namespace and name of the service account that a user's name stands for. Pure."""
    namespace, _, name = user.removeprefix(PREFIX).partition(":")
    return (namespace, name) if user.startswith(PREFIX) and namespace and name else None


def _actor(namespace: str, name: str, uid: str) -> Actor:
    return Actor(name=f"{PREFIX}{namespace}:{name}", groups=groups_of(namespace), uid=uid)


def _signing_key() -> ec.EllipticCurvePrivateKey:
    """The cluster's key for this, made at the first use, wrapped in the database like the authority's."""
    global _key  # noqa: PLW0603 - one key per process
    held = _key
    if held is not None and time.monotonic() < held[0]:
        return held[1]
    pem = keyring.get_secret("service-account-key", _make_key)
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key of service accounts must be an EC key")
    _key = (time.monotonic() + KEY_REMEMBERED_SECONDS, key)
    return key


def _make_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
