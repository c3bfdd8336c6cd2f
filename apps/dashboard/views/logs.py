"""A container's log as a plain text stream, for the logs tab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.html import strip_tags

from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, Unauthorized
from apps.cluster.kinds import POD
from apps.cluster.work import in_db
from apps.dashboard import access
from apps.nodes import door

TAIL = 1000
"""Lines of the past that a page begins with."""
PATIENCE = 2.0
"""Seconds that a refusal may take; after them the stream counts as open."""


async def stream(request: HttpRequest, key: str, namespace: str, name: str) -> HttpResponseBase:
    try:
        if request.method != "GET":
            raise MethodNotAllowed("A log can only be read.")
        if key != POD.key:
            raise NotFound("Only pods have logs.")
        container = request.GET.get("container", "")
        node = await in_db(_node_of, request, namespace, name, container)
        asked = {"follow": "true", "tailLines": str(TAIL)}
        asked |= {flag: "true" for flag in ("timestamps", "previous") if flag in request.GET}
        if "previous" in asked:
            del asked["follow"]
        lines = await _opened(node, namespace, name, container, asked)
    except ApiError as refusal:
        return HttpResponse(
            strip_tags(refusal.message), status=refusal.code, content_type="text/plain; charset=utf-8"
        )
    answer = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
    return answer


def _node_of(request: HttpRequest, namespace: str, name: str, container: str) -> str:
    """The pod's node, once it is sure that this person may read the log."""
    if not request.user.is_authenticated:
        raise Unauthorized("You are signed out. Reload the page.")
    who: Actor = access.actor(request)
    pod: types.Pod = access.seen(who, POD, namespace, name).object
    access.require(who, "get", POD, namespace, name, "log")
    if container not in {each.name for each in pod.spec.all_containers()}:
        raise BadRequest(f"Pod {name} has no container {container}.")
    if not pod.spec.node_name:
        raise BadRequest("This pod has no node yet, so nothing was written.")
    return pod.spec.node_name


async def _opened(
    node: str, namespace: str, name: str, container: str, asked: dict[str, str]
) -> AsyncIterator[bytes]:
    """The stream. A refusal that comes at once is still an answer of its own; a quiet container's stream just opens."""
    source = door.logs(node, namespace, name, container, asked)
    first = asyncio.ensure_future(_next(source))
    await asyncio.wait({first}, timeout=PATIENCE)
    if first.done():
        first.result()  # raises the refusal

    async def lines() -> AsyncIterator[bytes]:
        try:
            async with aclosing(source):
                yield await first
                async for chunk in source:
                    yield chunk
        except ApiError as refusal:
            yield f"({refusal.message})\n".encode()
        finally:
            first.cancel()

    return lines()


async def _next(source: AsyncIterator[bytes]) -> bytes:
    return await anext(source, b"")
