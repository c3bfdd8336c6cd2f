"""What is shown when a page cannot be: in style, with what happened and where to go."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.cluster.errors import BadRequest, Forbidden, NotFound
from apps.dashboard import pages

logger = logging.getLogger(__name__)


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return pages.refused(request, NotFound("There is no page at this address."))


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return pages.refused(request, BadRequest("This request cannot be understood."))


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return pages.refused(request, Forbidden(str(exception or "") or "You may not do this."))


def bad_csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Set as CSRF_FAILURE_VIEW."""
    said = "This form is too old, or it came from another site. Reload the page and try again."
    return pages.refused(request, Forbidden(said))


def failed(request: HttpRequest) -> HttpResponse:
    """For a mistake of ours: needs nothing that may be broken, neither database nor session.

    The number finds the traceback, which Django logs right after.
    """
    number = secrets.token_hex(4)
    logger.error("error %s: %s %r", number, request.method, request.path)
    context = {"now": pages.now(), "number": number, "asked": request.method in {"GET", "HEAD"}}
    return render(request, "500.html", context, status=500)
