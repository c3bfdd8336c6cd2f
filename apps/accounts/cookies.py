"""Cookies of the two listeners, kept apart.

Browsers do not tell ports apart: the page over plain HTTP on loopback and the one over TLS would overwrite
each other's session, and a ``Secure`` cookie would lock the plain page out. So each listener has names of its
own, and those of TLS are Secure and bound to the host. The port in the name lets clusters share a machine.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware


def outer_name(inner: str, *, secure: bool) -> str:
    """The name under which the browser knows the cookie that Django calls ``inner``."""
    plain = f"drover-{inner}-{settings.PORT}"
    return f"__Host-{plain}" if secure else plain


@sync_and_async_middleware
def cookie_names(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware, before those of sessions and CSRF: translates their cookies' names on the way in and out."""
    if iscoroutinefunction(get_response):

        async def translated_async(request: HttpRequest) -> HttpResponseBase:
            _inward(request)
            response: HttpResponseBase = await get_response(request)
            _outward(request, response)
            return response

        return translated_async

    def translated(request: HttpRequest) -> HttpResponseBase:
        _inward(request)
        response: HttpResponseBase = get_response(request)
        _outward(request, response)
        return response

    return translated


def _inward(request: HttpRequest) -> None:
    for inner in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        given = request.COOKIES.get(outer_name(inner, secure=request.is_secure()))
        request.COOKIES.pop(inner, None)
        if given is not None:
            request.COOKIES[inner] = given


def _outward(request: HttpRequest, response: HttpResponseBase) -> None:
    secure = request.is_secure()
    for inner in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        morsel = response.cookies.pop(inner, None)
        if morsel is None:
            continue
        outer = outer_name(inner, secure=secure)
        response.cookies[outer] = morsel.value
        response.cookies[outer].update(morsel)
        response.cookies[outer]["httponly"] = True
        if secure:
            response.cookies[outer]["secure"] = True
