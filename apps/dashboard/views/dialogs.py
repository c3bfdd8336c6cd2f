"""How what is done answers: a dialog that asks (here those of applications), a note that tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from apps.catalog.types import Application
from apps.cluster.errors import ApiError
from apps.dashboard import pages, paths


def of_application(
    request: HttpRequest, action: str, app: Application, context: Mapping[str, Any], *, status: int = 200
) -> HttpResponse:
    meta = app.metadata
    known = {
        "app": app, "meta": meta, "about": meta.name, "action": action, "template": f"dashboard/apps/{action}.html",
        "href": request.path, "back": paths.of_application(meta.namespace, meta.name), **context,
    }  # fmt: skip
    return pages.show(request, "dashboard/action.html", known, status=status, here="home")


def words(refusal: ApiError) -> str:
    """What was wrong, without the names of fields and objects, which the dialog says already."""
    told = "; ".join(one.message.removeprefix("Forbidden: ") for one in refusal.causes) or refusal.message
    return f"{told[:1].upper()}{told[1:]}"


def leave(request: HttpRequest, where: str) -> HttpResponse:
    """On to another page."""
    if not pages.is_fragment(request):
        return HttpResponseRedirect(where)
    answer = HttpResponse(status=204)
    answer["HX-Redirect"] = where
    return answer


def done(request: HttpRequest, where: str, text: str, *, leave: bool = False) -> HttpResponse:
    """A note, and the page as it is now."""
    if not pages.is_fragment(request):
        return HttpResponseRedirect(where)
    answer = HttpResponse(status=204)
    told: dict[str, Any] = {
        "toast": {"text": text, "tone": "ok"},
        "drover:close": True,
        "drover:refresh": True,
    }
    answer["HX-Trigger"] = json.dumps(told)
    if leave:
        answer["HX-Redirect"] = where
    return answer
