"""The verbs that read: get, list and watch. Stored text is joined into answers without being parsed."""

import random
from dataclasses import dataclass
from typing import Any

from apps.accounts import policy
from apps.api import tables, watches
from apps.api.accepts import Form
from apps.api.calls import Call
from apps.api.messages import JSON, Answer, Stream
from apps.cluster import pages, store, types
from apps.cluster.errors import BadRequest, invalid
from apps.cluster.watching import Scope

LONGEST_WATCH = 24 * 3600


@dataclass(frozen=True)
class Rule:
    """The state at one number, or any that is not older than another."""

    exact: int | None
    at_least: int | None


def get(call: Call) -> Answer:
    call.require("get")
    seen = call.since
    row = store.get(call.kind, call.namespace, call.name)
    if seen is not None and seen > row.number:
        _not_older(seen, store.clock())
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
    limit = call.query.number("limit") or 0
    rule = _version_rule(call, paged=bool(limit))
    page = store.list(
        call.kind,
        namespace=call.target.namespace,
        labels=call.labels,
        fields=call.fields,
        sight=policy.scope(call.actor, call.kind),
        limit=limit,
        continue_token=call.query.get("continue"),
        at=rule.exact,
    )
    _not_older(rule.at_least, page.number)
    meta: dict[str, Any] = {"resourceVersion": str(page.number)}
    if page.continue_token:
        meta["continue"] = page.continue_token
        if not call.labels and not call.fields:
            meta["remainingItemCount"] = page.remaining
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


def _version_rule(call: Call, *, paged: bool) -> Rule:
    """Which state a list may show. Raises Invalid or BadRequest for parameters that contradict each other."""
    given, match = call.query.get("resourceVersion"), call.query.get("resourceVersionMatch")
    going_on = bool(call.query.get("continue"))
    why = ""
    if match and going_on:
        why = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
    elif match and not given:
        why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match not in {"", "Exact", "NotOlderThan"}:
        shown = types.encode(match[:40]).decode()
        why = f'Unsupported value: {shown}: supported values: "Exact", "NotOlderThan", ""'
    elif match == "Exact" and given == "0":
        why = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    if why:
        raise invalid("ListOptions", "", [types.Problem("resourceVersionMatch", why)], group="meta.k8s.io")
    if going_on and call.since is not None:
        raise BadRequest("specifying resource version is not allowed when using continue")
    exact = call.since is not None and (match == "Exact" or (paged and not match))
    return Rule(exact=call.since if exact else None, at_least=None if exact else call.since)


def _not_older(asked: int | None, number: int) -> None:
    """Raises TooNew when what was read is older than what the client has seen."""
    if asked is not None and asked > number:
        raise pages.too_new(asked, store.clock())


def watch(call: Call) -> Stream:
    call.require("watch")
    if call.query.get("resourceVersionMatch") and not call.query.flag("sendInitialEvents"):
        why = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        raise invalid("ListOptions", "", [types.Problem("resourceVersionMatch", why)], group="meta.k8s.io")
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
