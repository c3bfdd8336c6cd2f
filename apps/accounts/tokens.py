"""Bearer tokens: random, kept as a digest, with an end and a way to end them earlier."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from apps.accounts.models import Token
from apps.cluster.actors import Actor

PREFIX = "drv_"
REMEMBERED_SECONDS = 3.0
REMEMBERED_AT_MOST = 5000
USE_NOTED_EVERY = timedelta(minutes=1)

ADMIN_KUBECONFIG, NODE, API = "admin-kubeconfig", "node", "api"


class _Known(NamedTuple):
    actor: Actor
    expires_at: datetime | None
    forget_at: float
    purpose: str


_lock = threading.Lock()
_known: dict[str, _Known] = {}


def issue(
    actor: str,
    groups: Iterable[str] = (),
    ttl: timedelta | None = None,
    purpose: str = API,
    *,
    user_id: int | None = None,
    description: str = "",
    key_digest: str = "",
) -> str:
    """A new token that speaks for ``actor``. It is shown once: only its digest is kept.

    A token of a user (``user_id``) ends when the user is made inactive or removed.
    """
    text = PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    Token.objects.create(
        digest=digest_of(text),
        purpose=purpose,
        actor=actor,
        groups=sorted(set(groups)),
        uid=str(uuid.uuid4()),
        user_id=user_id,
        description=description,
        key_digest=key_digest,
        created_at=now,
        expires_at=now + ttl if ttl else None,
    )
    return text


def check(text: str, now: datetime | None = None) -> Actor | None:
    """Whom the token speaks for; None for a token that is unknown, ended or revoked.

    The answer is remembered for a few seconds; a revocation in this process counts at once, one in another
    process when the memory ends.
    """
    if not text.startswith(PREFIX):
        return None
    now = now or datetime.now(UTC)
    digest = digest_of(text)
    known = _known.get(digest)
    if known is None or time.monotonic() >= known.forget_at:
        known = _look_up(digest, now)
    if known is None or (known.expires_at is not None and known.expires_at <= now):
        return None
    return known.actor


def expiry(text: str) -> datetime | None:
    """When a token ends; None for one that does not, or that is not good (ask ``check``)."""
    return Token.objects.filter(digest=digest_of(text)).values_list("expires_at", flat=True).first()


def ends_within(text: str, rest: timedelta, purpose: str) -> bool:
    """Whether a good token of that purpose nears its end. To ask is not to use it."""
    now = datetime.now(UTC)
    good = Token.objects.filter(digest=digest_of(text), purpose=purpose, revoked_at=None, expires_at__gt=now)
    return good.filter(expires_at__lt=now + rest).exists()


def end_of_kubeconfig(text: str) -> datetime | None:
    """When an operator's token ends that was good just now (``check``); None for any other. Asks no database."""
    known = _known.get(digest_of(text))
    return known.expires_at if known is not None and known.purpose == ADMIN_KUBECONFIG else None


def revoke(*, actor: str = "", text: str = "", purpose: str = "") -> int:
    """End tokens now: one by its text, or all of an actor, or of a purpose. Returns how many."""
    wanted = Q()
    if text:
        wanted &= Q(digest=digest_of(text))
    if actor:
        wanted &= Q(actor=actor)
    if purpose:
        wanted &= Q(purpose=purpose)
    if not wanted:
        raise ValueError("say which tokens to revoke")
    count = Token.objects.filter(wanted, revoked_at=None).update(revoked_at=datetime.now(UTC))
    transaction.on_commit(forget)
    return count


def forget() -> None:
    """Drop what is remembered in this process."""
    with _lock:
        _known.clear()


def _look_up(digest: str, now: datetime) -> _Known | None:
    row = Token.objects.select_related("user").filter(digest=digest).first()
    good = row is not None and row.revoked_at is None and (row.user is None or row.user.is_active)
    if row is None or not good:
        with _lock:
            _known.pop(digest, None)
        return None
    noted = row.purpose == NODE  # by its heartbeats, which thousands can afford
    if not noted and (row.last_used_at is None or now - row.last_used_at >= USE_NOTED_EVERY):
        Token.objects.filter(pk=row.pk).update(last_used_at=now)
    groups = frozenset(row.groups) | {"system:authenticated"}
    actor = Actor(name=row.actor, groups=groups, uid=row.uid)
    known = _Known(actor, row.expires_at, time.monotonic() + REMEMBERED_SECONDS, row.purpose)
    with _lock:
        if len(_known) >= REMEMBERED_AT_MOST:
            _known.clear()
        _known[digest] = known
    return known


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
