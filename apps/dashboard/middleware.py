"""Headers of every answer: what a page may load, and who may frame it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

# No inline script or style anywhere; everything comes from this very server. The socket's address is named for
# browsers that do not count it as 'self'.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self' {socket}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)


class ContentSecurity:
    """Adds the policy to answers that have none of their own."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._next(request)
        if "Content-Security-Policy" not in response.headers:
            scheme = "wss" if request.is_secure() else "ws"
            response["Content-Security-Policy"] = POLICY.format(socket=f"{scheme}://{_host(request)}")
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response


def _host(request: HttpRequest) -> str:
    """The Host header, if it is one: it becomes part of another header."""
    host = request.META.get("HTTP_HOST", "")
    return (
        host
        if host and all(character.isalnum() or character in ".-:[]" for character in host)
        else "localhost"
    )
