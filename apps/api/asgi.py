"""The API over plain ASGI: the fast way in for clients, without Django's thread and connection per request."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from apps.accounts import authentication
from apps.accounts.bootstrap import RENEW_BEFORE
from apps.api import core
from apps.api.bodies import MOST_BYTES, check_size
from apps.api.calls import warned
from apps.api.messages import Answer, Query, Request, Stream, refusal
from apps.cluster.actors import ANONYMOUS
from apps.cluster.errors import ApiError, Forbidden
from apps.cluster.work import in_db

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ROOTS = frozenset({"api", "apis", "openapi", "version", "healthz", "livez", "readyz"})
_FRESH = ("cache-control", "no-cache, private")
FIRST_CHUNK = 2.0  # seconds that a stream which may still refuse has for its first words


class _Left(Exception):
    """The client went away."""


def serves(scope: Scope) -> bool:
    """Whether a scope is the API's; a browser that wants a page gets Django's browsable one."""
    if scope["type"] not in {"http", "websocket"}:
        return False
    root = scope["path"].strip("/").partition("/")[0]
    if not root:
        return scope["type"] == "http" and _is_program(scope)
    if root not in ROOTS:
        return False
    return scope["type"] == "websocket" or not _wants_page(scope)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One HTTP request."""
    number = uuid.uuid4().hex[:16]
    try:
        request = await _request(scope, receive, number)
        answer = await respond(scope, request)
    except _Left:
        return
    except ApiError as refused:
        answer = refusal(refused)
    if isinstance(answer, Stream) and scope["method"] != "HEAD":
        await _send_stream(answer, request, receive, send)
    elif isinstance(answer, Stream):
        await _send(Answer(200, b"", answer.content_type), number, send, head=True)
    else:
        await _send(answer, number, send, head=scope["method"] == "HEAD")


async def respond(scope: Scope, request: Request) -> Answer | Stream:
    """Who asks, and what they get. Never raises."""
    headers = request.headers
    try:
        if core.public(request) and "authorization" not in headers:
            return await in_db(core.handle, ANONYMOUS, request)
        if "authorization" in headers or "cookie" not in headers:
            return await in_db(_answered, request)
        _check_page(scope, headers)
        actor = await authentication.of_scope(scope)
    except Exception as error:
        return core.failed(error, request)
    return await in_db(core.handle, actor, request)


async def open_stream(scope: Scope) -> Answer | Stream:
    """What a websocket at an address of the API gets: the stream that a GET there gives, or a refusal."""
    number = uuid.uuid4().hex[:16]
    try:
        request = Request("GET", scope["path"], _query(scope), authentication.headers_of(scope), b"", number)
    except ApiError as refused:
        return refusal(refused)
    return await respond(scope, request)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Start and end of the web process."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return


def _answered(request: Request) -> Answer | Stream:
    """With a token, who asks and what they get take one turn in a database thread."""
    answer = core.handle(authentication.authenticate(request.headers), request)
    end = authentication.end_of_kubeconfig(request.headers)
    if end is None or isinstance(answer, Stream) or end - RENEW_BEFORE > datetime.now(UTC):
        return answer
    words = f"the token of this kubeconfig ends on {end:%Y-%m-%d}: copy STATE/kubeconfig of the server again"
    return replace(answer, headers=[*answer.headers, *warned((words,))])


def _check_page(scope: Scope, headers: Mapping[str, str]) -> None:
    """A cookie is sent along for any page: changes need a header that only pages of this site can set."""
    if scope["type"] == "websocket" or scope["method"] in authentication.SAFE_METHODS:
        return
    if not headers.get("x-csrftoken"):
        raise Forbidden("a change made with a session needs the header X-CSRFToken")


def _is_program(scope: Scope) -> bool:
    """The root is the dashboard's; who comes with a token and wants no page gets the API's paths."""
    headers = authentication.headers_of(scope)
    return "authorization" in headers and "text/html" not in headers.get("accept", "")


def _wants_page(scope: Scope) -> bool:
    root = scope["path"].strip("/").partition("/")[0]
    return root in {"api", "apis"} and "text/html" in authentication.headers_of(scope).get("accept", "")


def _query(scope: Scope) -> Query:
    return Query.parse(scope.get("query_string", b"").decode("latin-1"))


async def _request(scope: Scope, receive: Receive, number: str) -> Request:
    """The whole request; a body beyond the limit is not read to its end."""
    headers = authentication.headers_of(scope)
    length = headers.get("content-length", "")
    check_size(int(length) if length.isdigit() and len(length) < 20 else 0)
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Left
        chunk = message.get("body", b"")
        size += len(chunk)
        check_size(size)
        chunks.append(chunk)
        if not message.get("more_body"):
            break
    return Request(scope["method"], scope["path"], _query(scope), headers, b"".join(chunks), number)


async def _send(answer: Answer, number: str, send: Send, *, head: bool = False) -> None:
    headers = [
        ("content-type", answer.content_type),
        ("content-length", str(len(answer.body))),
        *answer.headers,
        *_always(number),
    ]
    if any(name == "cache-control" for name, _ in answer.headers):
        headers.remove(_FRESH)
    await _start(answer.code, headers, send)
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


async def _send_stream(stream: Stream, request: Request, receive: Receive, send: Send) -> None:
    """Until the stream or the client ends, whichever is first."""
    sending = asyncio.ensure_future(_pump(stream, request, send))
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await task


async def _pump(stream: Stream, request: Request, send: Send) -> None:
    chunks = stream.open()
    try:
        first: bytes | None = None
        waiting = None
        if stream.peek:
            waiting = asyncio.ensure_future(_next(chunks))
            try:
                async with asyncio.timeout(FIRST_CHUNK):
                    first = await asyncio.shield(waiting)
                waiting = None
            except TimeoutError:
                pass
            except Exception as error:
                await _send(core.failed(error, request), request.id, send)
                return
        await _start(200, [("content-type", stream.content_type), *_always(request.id)], send)
        if waiting is not None:
            first = await waiting
        if first:
            await send({"type": "http.response.body", "body": first, "more_body": True})
        try:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except ApiError:
            return  # the answer has begun: that its end is missing is all that can still be said
        await send({"type": "http.response.body", "body": b""})
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks, b"")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(code: int, headers: list[tuple[str, str]], send: Send) -> None:
    raw = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
    await send({"type": "http.response.start", "status": code, "headers": raw})


def _always(number: str) -> list[tuple[str, str]]:
    return [("x-request-id", number), ("x-content-type-options", "nosniff"), _FRESH]


__all__ = ["MOST_BYTES", "application", "lifespan", "open_stream", "respond", "serves"]
