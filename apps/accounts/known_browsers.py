"""Browsers that a person has signed in with before: their mistakes are counted by themselves.

Else whoever guesses passwords would hold up all who come from the same address (behind a balancer that is everybody),
and all who have the same name. The mark proves no more than that: a password is asked for all the same.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.core import signing
from django.http import HttpRequest, HttpResponse

from apps.accounts.cookies import outer_name

LIFE = timedelta(days=180)
"""Since they last signed in with it."""
COOKIE = SALT = "known"


def mark_of(request: HttpRequest, username: str) -> str:
    """The browser's own mark, if this person has signed in with it; else ""."""
    given = request.COOKIES.get(outer_name(COOKIE, secure=request.is_secure()), "")
    try:
        whose, mark = signing.loads(given, salt=SALT, max_age=LIFE)
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return str(mark) if whose == username else ""


def remember(request: HttpRequest, response: HttpResponse, username: str) -> None:
    """This person has just signed in with this browser."""
    mark = mark_of(request, username) or secrets.token_urlsafe(16)
    secure = request.is_secure()
    response.set_cookie(
        outer_name(COOKIE, secure=secure), signing.dumps([username, mark], salt=SALT), max_age=LIFE,
        secure=secure, httponly=True, samesite="Lax",
    )  # fmt: skip
