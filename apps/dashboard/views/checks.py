"""An application's checks, asked by a click."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.catalog import checks
from apps.catalog.kinds import APPLICATION
from apps.catalog.types import Application
from apps.cluster.actors import Actor
from apps.cluster.kinds import POD
from apps.dashboard import access, pages
from apps.dashboard.views import dialogs
from apps.nodes import talk


@pages.page("GET", "POST")
def check(request: HttpRequest, who: Actor, namespace: str, name: str) -> HttpResponse:
    """What would be asked; then what was answered. Asking is running commands in pods, and needs the right to."""
    app: Application = access.seen(who, APPLICATION, namespace, name).object
    for part in ("exec", "portforward"):
        access.require(who, "create", POD, namespace, "", part)
    context: dict[str, Any] = {"questions": checks.questions(app)}
    if request.method == "POST":
        context["outcomes"] = asyncio.run(_asked(app))
    return dialogs.of_application(request, "check", app, context)


async def _asked(app: Application) -> list[checks.Outcome]:
    """Each once: somebody waits for the page."""
    return [one async for one in checks.ask(app, talk, patience=0)]
