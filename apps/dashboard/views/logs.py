"""A container's log as a plain text stream, for the logs tab; and what an application's gone pods had written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.html import strip_tags

from apps.catalog.kinds import APPLICATION
from apps.catalog.render.metadata import COMPONENT, INSTANCE
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, Unauthorized
from apps.cluster.kinds import POD
from apps.cluster.work import in_db
from apps.dashboard import access, paths
from apps.nodes import door
from apps.nodes import ended as kept

TAIL = 1000
"""Lines of the past that a page begins with."""
PLAIN = "text/plain; charset=utf-8"
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
        return _refused(refusal)
    answer = StreamingHttpResponse(lines, content_type=PLAIN)
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
    return answer


async def ended(request: HttpRequest, namespace: str, name: str) -> HttpResponse:
    """Logs of the application's pods that are gone, as JSON: each with its pod, its component and where it is read."""
    try:
        who = await in_db(_reader_of, request, namespace, name)
        found, unheard = await kept.found(namespace, {INSTANCE: name})
        found = await in_db(_readable, who, found)
    except ApiError as refusal:
        return _refused(refusal)
    here = f"{paths.of_application(namespace, name)}/ended"
    told = [
        {
            "pod": one.log.pod, "component": one.log.labels.get(COMPONENT, ""), "at": one.log.ended_at,
            "href": f"{here}/{quote(one.node)}/{quote(one.log.id)}",
        }
        for one in found
    ]  # fmt: skip
    return _whole(types.encode({"logs": told, "unheard": unheard}), "application/json")


async def ended_log(request: HttpRequest, namespace: str, name: str, node: str, id: str) -> HttpResponse:
    """One of them, each line after its time."""
    try:
        who = await in_db(_reader_of, request, namespace, name)
        found, _ = await kept.found(namespace, {INSTANCE: name}, [node])
        if not any(one.log.id == id for one in await in_db(_readable, who, found)):
            raise NotFound("This log is not kept any more.")
        return _whole(await kept.read(node, namespace, id), PLAIN)
    except ApiError as refusal:
        return _refused(refusal)


def _reader_of(request: HttpRequest, namespace: str, name: str) -> Actor:
    """Who asks, once it is sure that they may see the application."""
    if request.method != "GET":
        raise MethodNotAllowed("A log can only be read.")
    who = _signed_in(request)
    access.seen(who, APPLICATION, namespace, name)
    return who


def _readable(who: Actor, found: list[kept.Kept]) -> list[kept.Kept]:
    """A log may be read by whom the pod's could be."""
    return [one for one in found if access.may(who, "get", POD, one.log.namespace, one.log.pod, "log").allowed]


def _whole(content: bytes, kind: str) -> HttpResponse:
    answer = HttpResponse(content, content_type=kind)
    answer["Cache-Control"] = "no-store"
    return answer


def _refused(refusal: ApiError) -> HttpResponse:
    return HttpResponse(strip_tags(refusal.message), status=refusal.code, content_type=PLAIN)


def _signed_in(request: HttpRequest) -> Actor:
    if not request.user.is_authenticated:
        raise Unauthorized("You are signed out. Reload the page.")
    return access.actor(request)


def _node_of(request: HttpRequest, namespace: str, name: str, container: str) -> str:
    """The pod's node, once it is sure that this person may read the log."""
    who = _signed_in(request)
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
