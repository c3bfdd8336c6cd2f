"""A container's log as a plain text stream, for the logs tab; and what an application's gone pods had written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Sequence
from contextlib import aclosing
from functools import partial
from itertools import groupby

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.html import strip_tags

from apps.accounts import policy
from apps.catalog.kinds import APPLICATION
from apps.catalog.render.metadata import COMPONENT, INSTANCE
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, Unauthorized
from apps.cluster.kinds import POD
from apps.cluster.selectors import LabelSelector
from apps.cluster.watching import Scope
from apps.cluster.work import in_db
from apps.dashboard import access
from apps.nodes import door
from apps.nodes import ended as kept
from apps.nodes.following import Line, follow

Teller = Callable[["_Page"], Awaitable[None]]
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
    there, "-" for one that is gone, "!" for a remark. "#" comes with the number of containers that are followed, first
    and whenever it changes: what comes later is taken up, until the application is gone.
    """
    component = request.GET.get("component", "")
    labels = {INSTANCE: name} | ({COMPONENT: component} if component else {})
    try:
        who = await in_db(_reader_of, request, namespace, name)
    except ApiError as refusal:
        return _refused(refusal)
    pods = Scope(
        kind=POD, namespace=namespace, labels=LabelSelector.of(labels), visible=partial(policy.scope, who, POD)
    )
    owner = Scope(
        kind=APPLICATION, namespace=namespace, name=name, visible=partial(policy.scope, who, APPLICATION)
    )
    past = partial(_gone, who, namespace, labels) if "gone" in request.GET else None
    return _streamed(_together(partial(follow, scope=pods, owner=owner, may=partial(_may_read, who), tail=TAIL), past))


class _Page:
    """What a page is told, as it is sent."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self.followed: asyncio.Future[Container[str]] = asyncio.get_running_loop().create_future()

    async def began(self, pods: Container[str]) -> None:
        self.followed.set_result(pods)

    async def lines(self, lines: Sequence[Line]) -> None:
        for (pod, gone), several in groupby(lines, key=lambda line: (line.pod, line.gone)):
            texts = [f"{line.at} {line.text}".encode() for line in several]
            await self.said.put(_marked("-" if gone else "+", pod, texts))

    async def remark(self, pod: str, words: str) -> None:
        await self.said.put(_marked("!", pod, [f"({words})".encode()]))

    async def following(self, containers: int) -> None:
        await self.said.put(f"#\t\t{containers}\n".encode())


async def _together(live: Teller, past: Teller | None) -> AsyncIterator[bytes]:
    """What both say, as it comes, until all is over or nobody listens."""
    page = _Page()

    async def both() -> None:
        await asyncio.gather(live(page), *([past(page)] if past else []))
        await page.said.put(None)

    telling = asyncio.create_task(both())
    try:
        while (piece := await page.said.get()) is not None:
            yield piece
    finally:
        telling.cancel()


async def _gone(who: Actor, namespace: str, labels: dict[str, str], page: _Page) -> None:
    followed = await page.followed  # of a pod that goes just now its node has kept what is told of it anyway
    found, unheard = await kept.found(namespace, labels)
    for words in unheard:
        await page.remark("", f"{words}; what was kept there is missing")
    for one in await in_db(_readable, who, [one for one in found if one.log.pod_uid not in followed]):
        try:
            text = await kept.read(one.node, namespace, one.log.id)
        except ApiError as refusal:
            await page.remark(one.log.pod, refusal.message)
        else:
            await page.said.put(_marked("-", one.log.pod, text.splitlines()))


def _marked(mark: str, pod: str, lines: list[bytes]) -> bytes:
    lead = f"{mark}\t{pod}\t".encode()
    return b"".join(lead + line + b"\n" for line in lines)


def _may_read(who: Actor, pod: types.Pod) -> bool:
    meta = pod.metadata
    return access.may(who, "get", POD, meta.namespace, meta.name, "log").allowed


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
