"""Cookies of the two listeners, kept apart.

Browsers do not tell ports apart: the page over plain HTTP on loopback and the one over TLS would overwrite
each other's session, and a ``Secure`` cookie would lock the plain page out. So each listener has names of its
own, and those of TLS are Secure and bound to the host. The port in the name lets clusters share a machine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def outer_name(inner: str, *, secure: bool) -> str:
    """The name under which the browser knows the cookie that Django calls ``inner``."""
    plain = f"drover-{inner}-{settings.PORT}"
    return f"__Host-{plain}" if secure else plain


class CookieNames:
    """Middleware, before those of sessions and CSRF: translates their cookies' names on the way in and
    out."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response
        self._inner = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        secure = request.is_secure()
        for inner in self._inner:
            given = request.COOKIES.get(outer_name(inner, secure=secure))
            request.COOKIES.pop(inner, None)
            if given is not None:
                request.COOKIES[inner] = given
        response = self._next(request)
        for inner in self._inner:
            morsel = response.cookies.pop(inner, None)
            if morsel is None:
                continue
            outer = outer_name(inner, secure=secure)
            response.cookies[outer] = morsel.value
            response.cookies[outer].update(morsel)
            response.cookies[outer]["httponly"] = True
            if secure:
                response.cookies[outer]["secure"] = True
        return response


class SocketCookies:
    """The same for a websocket: wraps an ASGI application that reads Django's own cookie names."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        secure = scope.get("scheme", "ws") in {"wss", "https"}
        headers = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
        for name, value in scope["headers"]:
            if name == b"cookie":
                headers.append((name, _translated(value, secure=secure)))
        await self._inner({**scope, "headers": headers}, receive, send)


def _translated(cookie: bytes, *, secure: bool) -> bytes:
    try:
        jar = SimpleCookie(cookie.decode("latin-1"))
    except CookieError:
        return b""
    inner = settings.SESSION_COOKIE_NAME
    given = jar.get(outer_name(inner, secure=secure))
    return f"{inner}={given.coded_value}".encode("latin-1") if given is not None else b""
