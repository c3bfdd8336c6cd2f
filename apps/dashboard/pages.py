"""What every view of the dashboard shares: signing in, refusals in style, whole page or fragment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.html import strip_tags

from apps.cluster.errors import ApiError, BadRequest, NotFound
from apps.cluster.registry import Kind, all_kinds
from apps.dashboard import access, paths
from apps.dashboard.gone import Gone

View = Callable[..., HttpResponse]


def page(*methods: str) -> Callable[[View], View]:
    """A view for people who are signed in: called with ``(request, who, ...)``; a refusal becomes its own page."""

    def around(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, **where: str) -> HttpResponse:
            if request.method not in {*methods, "HEAD" if "GET" in methods else ""}:
                return HttpResponseNotAllowed(methods)
            if not request.user.is_authenticated:
                return _to_login(request)
            try:
                _check_text(request)
                answer = view(request, access.actor(request), **where)
            except ApiError as refusal:
                answer = refused(request, refusal)
            patch_vary_headers(answer, ("HX-Request", "Cookie"))
            patch_cache_control(answer, private=True, no_cache=True)
            return answer

        return inner

    return around


def _check_text(request: HttpRequest) -> None:
    """The one character that no database's text can hold."""
    if any("\0" in text for text in (request.path, *request.GET.values(), *request.POST.values())):
        raise BadRequest("The request contains the NUL character.")


def show(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200, here: str = ""
) -> HttpResponse:
    """``template`` whole, or for htmx only its region: the template of the same name with an underscore before it."""
    folder, _, name = template.rpartition("/")
    fragment = is_fragment(request)
    chosen = f"{folder}/_{name}" if fragment else template
    known = {"now": now(), "fragment": fragment, "host": _host(request), **context}
    if not fragment:
        known |= shell(request, here)
    return render(request, chosen, known, status=status)


def _host(request: HttpRequest) -> str:
    """By which name or address this person came, for links to other ports of it."""
    return request.get_host().rpartition(":")[0] or request.get_host()


def is_fragment(request: HttpRequest) -> bool:
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def shell(request: HttpRequest, here: str) -> dict[str, Any]:
    """What the frame around every page shows."""
    return {
        "screens": paths.SCREENS,
        "navigation": paths.navigation(),
        "here": here,
        "now": now(),
        "user": request.user,
    }


def refused(request: HttpRequest, refusal: ApiError, past: Gone | None = None) -> HttpResponse:
    """A refusal in words: a page for a browser, a note for htmx. ``past`` is known of an object that was there."""
    signed_in = getattr(request, "user", None) is not None and request.user.is_authenticated
    frame = shell(request, "") if signed_in else {"now": now()}
    missing = isinstance(refusal, NotFound)
    kind = _kind_of(refusal)
    context = {
        **frame,
        "list_href": paths.seen_in(kind) if kind and signed_in else "",
        "list_title": paths.title(kind) if kind else "",
        "refusal": refusal,
        "said": strip_tags(refusal.message),
        "code": refusal.code,
        "missing": missing,
        "past": past,
        "what": paths.word(kind) if kind else "page",
        "followed": "X-Live" in request.headers,
        "signed_in": signed_in,
    }
    if is_fragment(request):
        inside = "dashboard/_refused.html" if request.htmx.target == "dialog" else "dashboard/_refusal.html"  # type: ignore[attr-defined]
        return render(request, inside, context, status=refusal.code)
    return render(request, "dashboard/refusal.html", context, status=refusal.code)


def _kind_of(refusal: ApiError) -> Kind | None:
    """The kind of the object that it is about, if of one."""
    return next(
        (kind for kind in all_kinds() if refusal.kind and (kind.plural, kind.group) == (refusal.kind, refusal.group)),
        None,
    )


def now() -> datetime:
    return datetime.now(UTC)


def _to_login(request: HttpRequest) -> HttpResponse:
    if is_fragment(request):  # a part of a page, which is where to come back to
        address = f"{settings.LOGIN_URL}?next={quote(request.htmx.current_url_abs_path or '/')}"  # type: ignore[attr-defined]
        answer = HttpResponse("You are signed out.", status=401)
        answer["HX-Redirect"] = address
        return answer
    return HttpResponseRedirect(f"{settings.LOGIN_URL}?next={quote(request.get_full_path())}")
