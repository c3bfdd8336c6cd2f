"""What a machine that joins asks for, in this order: the authority, the script, what it needs, the agent, to be let in.

The first two tell nothing that is secret, and prove themselves by the hash in the line; the rest is for its token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from apps.accounts import certificates
from apps.accounts.authentication import token_in
from apps.cluster import types
from apps.cluster.errors import ApiError, BadRequest, RequestEntityTooLarge
from apps.cluster.types.joining import JoinRequest
from apps.cluster.work import in_db
from apps.nodes import invitations, joining, program

SCRIPT = Path("node_agent") / "joining" / "start.py"
MOST_BYTES = 256 * 1024

View = Callable[[HttpRequest, str], Awaitable[HttpResponseBase]]


def _invited(view: View) -> Callable[..., Any]:
    """A view for the holder of a line's token; a refusal is text for a terminal."""

    @wraps(view)
    async def inner(request: HttpRequest) -> HttpResponseBase:
        try:
            return await view(request, token_in(request.headers.get("authorization", "")))
        except ApiError as refusal:
            return HttpResponse(refusal.message, status=refusal.code, content_type="text/plain; charset=utf-8")

    return inner


@require_GET
async def authority(request: HttpRequest) -> HttpResponse:
    """The cluster's authority, DER."""
    return HttpResponse(await in_db(certificates.authority_der), content_type="application/pkix-cert")


@require_GET
async def start(request: HttpRequest) -> HttpResponse:
    """The script that the line runs."""
    return HttpResponse((settings.BASE / SCRIPT).read_bytes(), content_type="text/x-python; charset=utf-8")


@require_GET
@_invited
async def needs(request: HttpRequest, text: str) -> HttpResponse:
    """Which Python and processor the agent needs."""
    await in_db(invitations.find, text, datetime.now(UTC))
    return JsonResponse(program.needs())


@require_GET
@_invited
async def agent(request: HttpRequest, text: str) -> HttpResponseBase:
    """The agent with all it imports, as tar.gz."""
    await in_db(invitations.find, text, datetime.now(UTC))
    return StreamingHttpResponse(_streamed(), content_type="application/gzip")


@csrf_exempt
@require_POST
@_invited
async def join(request: HttpRequest, text: str) -> HttpResponse:
    """Lets the machine in: its identity, and what its agent is started with."""
    await in_db(invitations.known, text)
    if len(request.body) > MOST_BYTES:
        raise RequestEntityTooLarge(f"a request to join has at most {MOST_BYTES} bytes")
    try:
        asked = types.decode(JoinRequest, request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the request to join cannot be read: {error}") from None
    joined = await in_db(joining.join, text, asked, datetime.now(UTC))
    answer = HttpResponse(types.encode(joined), content_type="application/json")
    answer["Cache-Control"] = "no-store"
    return answer


async def _streamed() -> AsyncIterator[bytes]:
    found = program.chunks()
    while chunk := await asyncio.to_thread(next, found, b""):
        yield chunk
