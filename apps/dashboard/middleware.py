"""Headers of every answer: what a page may load, and who may frame it. And how our own files are sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

# No inline script or style anywhere; everything comes from this very server. The socket's address is named for
# browsers that do not count it as 'self'.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self' {socket}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)


@sync_and_async_middleware
def content_security(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Adds the policy to answers that have none of their own."""
    if iscoroutinefunction(get_response):

        async def secured_async(request: HttpRequest) -> HttpResponseBase:
            return _secured(request, await get_response(request))

        return secured_async

    def secured(request: HttpRequest) -> HttpResponseBase:
        return _secured(request, get_response(request))

    return secured


def _secured(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if "Content-Security-Policy" not in response.headers:
        scheme = "wss" if request.is_secure() else "ws"
        response["Content-Security-Policy"] = POLICY.format(socket=f"{scheme}://{_host(request)}")
    response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
    return response


def _host(request: HttpRequest) -> str:
    """The Host header, if it is one: it becomes part of another header."""
    host = request.META.get("HTTP_HOST", "")
    return host if host and all(letter.isalnum() or letter in ".-:[]" for letter in host) else "localhost"


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Sends small files whole: an answer that streams from a file makes Django's ASGI handler warn and copy."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        answer = HttpResponse(found.file.read() if found.file else b"", status=int(found.status))
        if found.file:
            found.file.close()
        del answer["Content-Type"]
        for name, value in found.headers:
            answer[name] = value
        return answer
