"""Who asks: from a bearer token or a Django session to an actor. No other way in, and never a token in a
URL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest

from apps.accounts import impersonation, service_tokens, tokens
from apps.accounts.cookies import outer_name
from apps.accounts.rules import MASTERS
from apps.cluster.actors import ANONYMOUS, Actor
from apps.cluster.errors import Forbidden, Unauthorized
from apps.cluster.work import in_db

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TLS_SCHEMES = frozenset({"https", "wss"})


def authenticate(
    headers: Mapping[str, str],
    session_user: AbstractBaseUser | AnonymousUser | None = None,
    peer_is_loopback: bool = False,
) -> Actor:
    """The actor that a request's headers or session prove, or whom that one acts as. Asks the database.

    Raises Unauthorized, and Forbidden for acting as somebody without a role for it. Where the connection comes from
    proves nothing: ``peer_is_loopback`` grants no rights.
    """
    return impersonation.acting(_proved(headers, session_user), headers)


def _proved(headers: Mapping[str, str], session_user: AbstractBaseUser | AnonymousUser | None) -> Actor:
    given = headers.get("authorization") or headers.get("Authorization") or ""
    if given:
        text = token_in(given)
        actor = _of_token(text) if text else None
        if actor is None:
            raise Unauthorized("Unauthorized: the token is not known, has ended or was revoked")
        return actor
    if session_user is not None and session_user.is_authenticated and session_user.is_active:
        return actor_of(cast(User, session_user))
    raise Unauthorized("Unauthorized: log in, or send a token")


def _of_token(text: str) -> Actor | None:
    return tokens.check(text) if text.startswith(tokens.PREFIX) else service_tokens.check(text)


def end_of_kubeconfig(headers: Mapping[str, str]) -> datetime | None:
    """When the operator's token ends with which these headers have just proved who asks; None for any other proof."""
    return tokens.end_of_kubeconfig(token_in(headers.get("authorization", "")))


def actor_of(user: User | AnonymousUser) -> Actor:
    """A person. Their own groups cannot carry the system's names."""
    if not isinstance(user, User) or not user.is_active:
        return ANONYMOUS
    groups = {name for name in user.groups.values_list("name", flat=True) if not name.startswith("system:")}
    if user.is_superuser:
        groups.add(MASTERS)
    return Actor(
        name=user.get_username(), groups=frozenset(groups | {"system:authenticated"}), uid=str(user.pk)
    )


async def of_scope(scope: Mapping[str, Any]) -> Actor:
    """The actor behind a raw ASGI request or websocket. Raises Unauthorized, or Forbidden for a foreign page.

    A cookie is what a browser sends along for any page, so with it what changes something, and every
    websocket, must come from a page of this host. A bearer token needs no such check.
    """
    headers = headers_of(scope)
    if "authorization" in headers or "cookie" not in headers:
        return await in_db(authenticate, headers)
    unsafe = scope["type"] == "websocket" or scope.get("method", "GET") not in SAFE_METHODS
    if unsafe and not same_origin(headers):
        raise Forbidden("this request comes from a page of another site")
    secure = scope.get("scheme", "http") in TLS_SCHEMES
    return await in_db(_by_cookie, headers, secure)


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a raw ASGI request: names in lower case, several of one name joined by commas."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]},{text}" if name in headers else text
    return headers


def bearer(scope: Mapping[str, Any]) -> str:
    """The token that a raw ASGI request or websocket carries, good or not; "" for none."""
    given = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
    return token_in(given.decode("latin-1"))


def token_in(authorization: str) -> str:
    """The token of an Authorization header's value, good or not; "" for none or another scheme."""
    scheme, _, text = authorization.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that its page came from this very host and port. Header names in lower case."""
    try:
        page = urlsplit(headers.get("origin", "")).netloc.lower()
    except ValueError:
        return False
    return bool(page) and page == headers.get("host", "").lower()


def user_of_cookie(cookie: str, *, secure: bool) -> AbstractBaseUser | AnonymousUser:
    """The user of the session that a Cookie header names. Asks the database."""
    try:
        jar = SimpleCookie(cookie)
    except CookieError:
        return AnonymousUser()
    morsel = jar.get(outer_name(settings.SESSION_COOKIE_NAME, secure=secure))
    if morsel is None:
        return AnonymousUser()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request = SimpleNamespace(session=store(morsel.value))
    return get_user(cast(HttpRequest, request))


def _by_cookie(headers: Mapping[str, str], secure: bool) -> Actor:
    return authenticate(headers, user_of_cookie(headers["cookie"], secure=secure))
