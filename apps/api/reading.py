"""The verbs that read: get, list and watch. Stored text is joined into answers without being parsed."""

import random
from typing import Any

from apps.accounts import policy
from apps.api import tables, watches
from apps.api.accepts import Form
from apps.api.calls import Call
from apps.api.messages import JSON, Answer, Stream
from apps.cluster import store, types
from apps.cluster.errors import BadRequest, Gone
from apps.cluster.watching import Scope

LONGEST_WATCH = 24 * 3600


def get(call: Call) -> Answer:
    call.require("get")
    row = store.get(call.kind, call.namespace, call.name)
    match call.wanted.form:
        case Form.TABLE:
            include = tables.include_object(call.query.get("includeObject"))
            meta = {"resourceVersion": str(row.number)}
            return Answer(200, tables.table(call.kind, [row], include=include, now=types.now(), meta=meta))
        case Form.METADATA | Form.METADATA_LIST:
            return Answer(200, tables.partial(row.object))
    return Answer(200, row.text.encode())


def list_(call: Call) -> Answer:
    call.require("list")
    seen = call.since
    page = store.list(
        call.kind,
        namespace=call.target.namespace,
        labels=call.labels,
        fields=call.fields,
        visible=policy.visible(call.actor, call.kind),
        limit=call.query.number("limit") or 0,
        continue_token=call.query.get("continue"),
    )
    _check_version(call, seen, page.number)
    meta: dict[str, Any] = {"resourceVersion": str(page.number)}
    if page.continue_token:
        meta |= {"continue": page.continue_token, "remainingItemCount": page.remaining}
    match call.wanted.form:
        case Form.TABLE:
            include = tables.include_object(call.query.get("includeObject"))
            return Answer(
                200, tables.table(call.kind, page.rows, include=include, now=types.now(), meta=meta)
            )
        case Form.METADATA | Form.METADATA_LIST:
            return Answer(200, tables.partial_list(page.objects, meta))
    return Answer(
        200, whole_list(call.kind.name, call.kind.api_version, meta, [row.text for row in page.rows])
    )


def whole_list(kind: str, api_version: str, meta: dict[str, Any], texts: list[str]) -> bytes:
    """A list of objects from their texts."""
    head = f'{{"kind":"{kind}List","apiVersion":"{api_version}","metadata":{types.encode(meta).decode()},"items":['
    return f"{head}{','.join(texts)}]}}".encode()


def _check_version(call: Call, seen: int | None, number: int) -> None:
    match = call.query.get("resourceVersionMatch")
    if match not in {"", "Exact", "NotOlderThan"}:
        raise BadRequest(f'resourceVersionMatch: Unsupported value: "{match[:40]}": Exact or NotOlderThan')
    if seen is not None and seen > number:
        raise Gone(f"too new resource version: {seen} ({number}): list again without one")
    if match == "Exact" and seen is not None and seen != number:
        raise Gone(f"too old resource version: {seen} ({number})")


def watch(call: Call) -> Stream:
    call.require("watch")
    actor, kind = call.actor, call.kind
    scope = Scope(
        kind=kind,
        namespace=call.target.namespace,
        name=call.name,
        labels=call.labels,
        fields=call.fields,
        visible=lambda: policy.scope(actor, kind),
    )
    # Long watches end at different moments, so that clients do not all come back at once.
    seconds = call.query.number("timeoutSeconds", LONGEST_WATCH) or random.randint(1800, 3600)
    initial = call.query.flag("sendInitialEvents")
    plan = watches.Plan(
        scope=scope,
        since=None if initial else call.since,
        seconds=seconds,
        form=call.wanted.form,
        include=tables.include_object(call.query.get("includeObject")),
        bookmarks=call.query.flag("allowWatchBookmarks"),
        initial_mark=initial,
    )
    return Stream(JSON, lambda: watches.lines(plan))
