"""A watch as clients read it: one JSON event per line, in the form they asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from apps.api import tables
from apps.api.accepts import Form
from apps.api.messages import status_body
from apps.cluster import hub, types
from apps.cluster.errors import ApiError
from apps.cluster.watching import Event, Scope

BOOKMARK_EVERY = 60.0
LINES_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one watch was asked for."""

    scope: Scope
    since: int | None
    seconds: float
    form: Form
    include: str = "Metadata"
    bookmarks: bool = False
    initial_mark: bool = False
    """Whether a bookmark must say where the initial events end."""


async def lines(plan: Plan) -> AsyncIterator[bytes]:
    """Chunks of whole lines. What ends the watch early is its last event, an ERROR with a Status."""
    encoder = _Encoder(plan)
    deadline = asyncio.get_running_loop().time() + plan.seconds
    beat = BOOKMARK_EVERY if plan.bookmarks else None
    mark = plan.initial_mark
    async with aclosing(hub.follow((plan.scope,), plan.since, beat=beat)) as batches:
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    batch = await anext(batches)
            except (TimeoutError, StopAsyncIteration):
                return
            except ApiError as error:
                yield b'{"type":"ERROR","object":%s}\n' % status_body(error.status())
                return
            for first in range(0, len(batch.events), LINES_AT_ONCE):
                yield b"".join(map(encoder.line, batch.events[first : first + LINES_AT_ONCE]))
            if mark or (plan.bookmarks and not batch.events):
                yield encoder.bookmark(batch.number, initial_end=mark)
                mark = False


class _Encoder:
    """Turns events into lines; the columns of a table are told once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._heads = True

    def line(self, event: Event) -> bytes:
        match self._plan.form:
            case Form.TABLE:
                body = tables.table(
                    event.kind,
                    [event],
                    include=self._plan.include,
                    now=types.now(),
                    meta={"resourceVersion": str(event.number)},
                    heads=self._heads,
                )
                self._heads = False
            case Form.METADATA | Form.METADATA_LIST:
                body = tables.partial(event.object)
            case _:
                return event.line
        return b'{"type":"%s","object":%s}\n' % (event.type.encode(), body)

    def bookmark(self, number: int, *, initial_end: bool) -> bytes:
        kind = self._plan.scope.kind
        meta: dict[str, object] = {"resourceVersion": str(number), "creationTimestamp": None}
        if initial_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        match self._plan.form:
            case Form.TABLE:
                body = tables.table(kind, [], include="None", now=types.now(), meta=meta, heads=self._heads)
            case Form.METADATA | Form.METADATA_LIST:
                partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
                body = types.encode(partial)
            case _:
                body = types.encode({"kind": kind.name, "apiVersion": kind.api_version, "metadata": meta})
        return b'{"type":"BOOKMARK","object":%s}\n' % body
