"""The first administrator: by a link that works once, or by a password the operator gives. No default
password exists."""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import SetupLink

ADMIN = "admin"


class LinkSpent(Exception):
    """The link is unknown, used, or replaced by a newer one; or an administrator exists."""


def admin_exists() -> bool:
    return User.objects.filter(is_superuser=True, is_active=True).exists()


def new_link() -> str | None:
    """A fresh token for ``/setup/<token>``; older ones end. None once an administrator exists."""
    if admin_exists():
        return None
    text = secrets.token_urlsafe(32)
    with transaction.atomic():
        SetupLink.objects.filter(used_at=None).delete()
        SetupLink.objects.create(digest=_digest(text), created_at=datetime.now(UTC))
    return text


def link() -> str:
    """The address of a fresh set-up page, on this machine's own loopback; "" once an administrator exists."""
    text = new_link()
    return f"http://127.0.0.1:{settings.PORT}/setup/{text}" if text else ""


def is_open(text: str) -> bool:
    """Whether this link would still make an administrator."""
    return not admin_exists() and SetupLink.objects.filter(digest=_digest(text), used_at=None).exists()


def use_link(text: str, username: str, password: str) -> User:
    """Make the first administrator. Raises LinkSpent; of two at once, one wins."""
    hashed = make_password(password)  # slow on purpose, so before the transaction
    with transaction.atomic():
        used = SetupLink.objects.filter(digest=_digest(text), used_at=None).update(used_at=datetime.now(UTC))
        if used != 1 or admin_exists():
            raise LinkSpent
        return _make_admin(username, hashed)


def admin_from_environment() -> str | None:
    """Make the first administrator from ``DROVER_ADMIN_PASSWORD``. Returns a remark for the operator, if
    any."""
    password = os.environ.get("DROVER_ADMIN_PASSWORD", "")
    if not password or admin_exists():
        return None
    hashed = make_password(password)
    with transaction.atomic():
        _make_admin(ADMIN, hashed)
        SetupLink.objects.filter(used_at=None).delete()
    try:
        validate_password(password)
    except ValidationError as weak:
        return "DROVER_ADMIN_PASSWORD is weak: " + " ".join(weak.messages)
    return None


def _make_admin(username: str, hashed: str) -> User:
    rights = {"is_superuser": True, "is_staff": True, "is_active": True, "password": hashed}
    user, _ = User.objects.update_or_create(username=username, defaults=rights)
    return user


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
