"""A container's log as a plain text stream, for the logs tab; and what an application's gone pods had written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.html import strip_tags

from apps.catalog.kinds import APPLICATION
from apps.catalog.render.metadata import COMPONENT, INSTANCE
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, Unauthorized
from apps.cluster.kinds import POD
from apps.cluster.selectors import LabelSelector
from apps.cluster.work import in_db
from apps.dashboard import access, reading
from apps.nodes import door
from apps.nodes import ended as kept

Say = Callable[[bytes], Awaitable[None]]
Teller = Callable[[Say], Awaitable[None]]
WAITING = 64
"""Pieces that wait for a slow reader."""
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
    return _streamed(lines)


async def merged(request: HttpRequest, namespace: str, name: str) -> HttpResponseBase:
    """Every log of an application in one stream, for a browser opens few connections to one server.

    Each line is a mark, a pod's name and, after its time, what was written, with tabs between: "+" for a pod that is
    there, "-" for one that is gone, "!" for a remark. The first is "#" and the number of containers that are followed.
    """
    component = request.GET.get("component", "")
    labels = {INSTANCE: name} | ({COMPONENT: component} if component else {})
    try:
        who = await in_db(_reader_of, request, namespace, name)
        pods = await in_db(_pods_of, who, namespace, labels)
    except ApiError as refusal:
        return _refused(refusal)
    tellers: list[Teller] = [
        partial(_live, pod, container.name) for pod in pods for container in pod.spec.containers
    ]
    first = f"#\t\t{len(tellers)}\n".encode()
    if "gone" in request.GET:
        tellers.append(partial(_gone, who, namespace, labels))
    return _streamed(_together(first, tellers))


async def _together(first: bytes, tellers: list[Teller]) -> AsyncIterator[bytes]:
    """What all of them say, as it comes, until the last has ended or nobody listens."""
    said: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
    yield first

    async def all_of_them() -> None:
        await asyncio.gather(*(tell(said.put) for tell in tellers))
        await said.put(None)

    telling = asyncio.create_task(all_of_them())
    try:
        while (piece := await said.get()) is not None:
            yield piece
    finally:
        telling.cancel()


async def _live(pod: types.Pod, container: str, say: Say) -> None:
    name, rest = pod.metadata.name, b""
    asked = {"follow": "true", "tailLines": str(TAIL), "timestamps": "true"}
    try:
        source = door.logs(pod.spec.node_name, pod.metadata.namespace, name, container, asked)
        async with aclosing(source):
            async for chunk in source:
                *lines, rest = (rest + chunk).split(b"\n")
                await say(_marked("+", name, lines))
        await say(_marked("+", name, [rest] if rest else []))
        await say(_marked("!", name, [b"(The stream has ended)"]))
    except ApiError as refusal:
        await say(_marked("!", name, [f"({refusal.message})".encode()]))


async def _gone(who: Actor, namespace: str, labels: dict[str, str], say: Say) -> None:
    found, unheard = await kept.found(namespace, labels)
    for words in unheard:
        await say(_marked("!", "", [f"({words}; what was kept there is missing)".encode()]))
    for one in await in_db(_readable, who, found):
        try:
            text = await kept.read(one.node, namespace, one.log.id)
        except ApiError as refusal:
            await say(_marked("!", one.log.pod, [f"({refusal.message})".encode()]))
        else:
            await say(_marked("-", one.log.pod, text.splitlines()))


def _marked(mark: str, pod: str, lines: list[bytes]) -> bytes:
    lead = f"{mark}\t{pod}\t".encode()
    return b"".join(lead + line + b"\n" for line in lines)


def _pods_of(who: Actor, namespace: str, labels: dict[str, str]) -> list[types.Pod]:
    """The pods whose logs this person may read, as far as they have a node."""
    pods = reading.pods_of(who, namespace=namespace, labels=LabelSelector.of(labels))
    return [
        pod for pod in pods
        if pod.spec.node_name and access.may(who, "get", POD, namespace, pod.metadata.name, "log").allowed
    ]  # fmt: skip


def _reader_of(request: HttpRequest, namespace: str, name: str) -> Actor:
    """Who asks, once it is sure that they may see the application."""
    if request.method != "GET":
        raise MethodNotAllowed("A log can only be read.")
    who = _signed_in(request)
    access.seen(who, APPLICATION, namespace, name)
    return who


def _readable(who: Actor, found: list[kept.Kept]) -> list[kept.Kept]:
    """A log may be read by whom the pod's could be."""
    return [
        one for one in found if access.may(who, "get", POD, one.log.namespace, one.log.pod, "log").allowed
    ]


def _streamed(lines: AsyncIterator[bytes]) -> HttpResponseBase:
    answer = StreamingHttpResponse(lines, content_type=PLAIN)
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
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
