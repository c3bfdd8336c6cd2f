"""The verbs that change: create, update, patch, delete. Each is one write of the store, or none."""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from apps.accounts import policy
from apps.api import applying, bodies
from apps.api.calls import NOT_ALLOWED, Call, warned
from apps.api.identity import metadata_of, settle_identity, settle_namespace, tried
from apps.api.messages import Answer, status_body
from apps.api.objects import Validation, checked, checked_as, refuse_duplicates
from apps.api.patches import (
    MalformedPatch,
    PatchDoesNotApply,
    apply_json_patch,
    apply_merge_patch,
    apply_strategic_patch,
)
from apps.api.reading import whole_list
from apps.cluster import store, types
from apps.cluster.errors import (
    BadRequest,
    Invalid,
    MethodNotAllowed,
    UnsupportedMediaType,
    invalid,
)
from apps.cluster.rows import Stored
from apps.cluster.transaction import Transaction

DELETED_AT_ONCE = 100

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


def create(call: Call) -> Answer:
    if call.kind.namespaced and call.target.namespace is None:
        raise MethodNotAllowed(NOT_ALLOWED)
    call.require("create")
    data, warnings = _received(call)
    meta = metadata_of(data)
    if meta.get("resourceVersion"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    settle_namespace(call, meta)
    record = call.record()

    def change(tx: Transaction) -> bytes:
        obj = types.convert(call.kind.schema, data)
        return types.encode(tx.create(call.kind, obj, record=record))

    body = store.write(call.actor, change, dry_run=call.dry_run)
    return Answer(201, tried(call, body), headers=warned(warnings))


def update(call: Call, part: str = "spec") -> Answer:
    call.require("update")
    data, warnings = _received(call)
    settle_identity(call, metadata_of(data))
    record = call.record(call.target.subresource)

    def change(tx: Transaction) -> bytes:
        obj = types.convert(call.kind.schema, data)
        return types.encode(tx.update(call.kind, obj, part, record=record) or obj)

    body = store.write(call.actor, change, dry_run=call.dry_run)
    return Answer(200, tried(call, body), headers=warned(warnings))


def patch(call: Call, part: str = "spec") -> Answer:
    call.require("patch")
    if bodies.media_type(call.request.content_type) in applying.MEDIA_TYPES:
        return applying.apply(call, part)
    media_type = patch_type(call.request.content_type)
    wanted = bodies.read_json(call.request.body)
    if "force" in call.query:
        why = "Forbidden: may not be specified for non-apply patch"
        raise invalid("PatchOptions", "", [types.Problem("force", why)], group="meta.k8s.io")
    record = call.record(call.target.subresource)

    def change(tx: Transaction) -> tuple[bytes, tuple[str, ...]]:
        row = tx.row(call.kind, call.namespace, call.name)
        if row is None:
            raise call.missing()
        data = patched(media_type, orjson.loads(row.text), wanted, call.kind.schema)
        data, warnings = checked(call.kind, data, call.validation)
        settle_identity(call, metadata_of(data))
        obj = types.convert(call.kind.schema, data)
        return types.encode(tx.update(call.kind, obj, part, record=record) or obj), warnings

    body, warnings = store.write(call.actor, change, dry_run=call.dry_run)
    return Answer(200, tried(call, body), headers=warned(warnings))


def patch_type(content_type: str) -> str:
    """The media type of a patch, when it is one that is served."""
    media_type = bodies.media_type(content_type)
    if media_type not in {JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH}:
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format ({media_type}) - accepted media types include: "
            f"{JSON_PATCH}, {MERGE_PATCH}, {STRATEGIC_PATCH}, {', '.join(applying.MEDIA_TYPES)}"
        )
    return media_type


def patched(media_type: str, current: Any, wanted: Any, schema: type[Any]) -> Any:
    """``current`` after a patch. Raises BadRequest or Invalid."""
    try:
        if media_type == JSON_PATCH:
            return apply_json_patch(current, wanted)
        if not isinstance(wanted, dict):
            raise MalformedPatch("a merge patch of an object must be an object")
        if media_type == MERGE_PATCH:
            return apply_merge_patch(current, wanted)
        return apply_strategic_patch(current, wanted, schema)
    except MalformedPatch as error:
        raise BadRequest(f"the patch is malformed: {error}") from None
    except PatchDoesNotApply as error:
        problem = types.Problem("patch", f"Invalid value: {error}")
        raise Invalid(f"the patch does not apply: {error}", causes=[problem]) from None


def delete(call: Call) -> Answer:
    call.require("delete")
    options = _delete_options(call)

    def change(tx: Transaction) -> bytes:
        row = tx.row(call.kind, call.namespace, call.name)
        if row is None:
            raise call.missing()
        left = tx.delete(call.kind, call.namespace, call.name, options)
        if left is not None:
            return types.encode(left)
        details = types.StatusDetails(
            name=call.name, group=call.kind.group, kind=call.kind.plural, uid=row.uid
        )
        return status_body(types.Status(status="Success", details=details))

    dry_run = call.dry_run or bool(options.dry_run)
    return Answer(200, store.write(call.actor, change, dry_run=dry_run))


def delete_collection(call: Call) -> Answer:
    if call.kind.namespaced and call.target.namespace is None:
        raise MethodNotAllowed(NOT_ALLOWED)
    call.require("deletecollection")
    options = _delete_options(call)
    page = store.list(
        call.kind,
        namespace=call.target.namespace,
        labels=call.labels,
        fields=call.fields,
        sight=policy.scope(call.actor, call.kind),
        limit=call.query.number("limit") or 0,
        continue_token=call.query.get("continue"),
    )
    dry_run = call.dry_run or bool(options.dry_run)
    for first in range(0, len(page.rows), DELETED_AT_ONCE):
        some = page.rows[first : first + DELETED_AT_ONCE]

        def change(tx: Transaction, some: Sequence[Stored] = some) -> None:
            for row in some:
                now = tx.row(call.kind, row.namespace, row.name)
                if now is not None and now.uid == row.uid:
                    tx.delete(call.kind, row.namespace, row.name, options)

        store.write(call.actor, change, dry_run=dry_run)
    meta = {"resourceVersion": str(page.number)}
    return Answer(
        200, whole_list(call.kind.name, call.kind.api_version, meta, [row.text for row in page.rows])
    )


def _received(call: Call) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body as data that fits the kind's struct, and warnings."""
    data, warnings = checked(call.kind, call.body(), call.validation)
    request = call.request
    twice = refuse_duplicates(call.kind, request.content_type, request.body, call.validation)
    return data, (*twice, *warnings)


def _delete_options(call: Call) -> types.DeleteOptions:
    """From the body, or from the query where no body comes."""
    if call.request.body.strip():
        data, _ = _options_data(call)
    else:
        query = call.query
        data = {}
        if query.get("gracePeriodSeconds"):
            data["gracePeriodSeconds"] = query.number("gracePeriodSeconds")
        if query.get("propagationPolicy"):
            data["propagationPolicy"] = query.get("propagationPolicy")
        if "orphanDependents" in query:
            data["orphanDependents"] = query.flag("orphanDependents")
    options: types.DeleteOptions = msgspec.convert(data, types.DeleteOptions)
    check_delete_options(options)
    return options


def _options_data(call: Call) -> tuple[dict[str, Any], tuple[str, ...]]:
    from_body = call.body()
    if isinstance(from_body, dict):
        # Any group's spelling of the same options is sent: "v1", "meta.k8s.io/v1" or the object's own.
        from_body = {key: value for key, value in from_body.items() if key != "apiVersion"}
    return checked_as(types.DeleteOptions, "DeleteOptions", "v1", from_body, Validation.STRICT)


def check_delete_options(options: types.DeleteOptions) -> None:
    """Raises BadRequest for options that no deletion knows."""
    if options.grace_period_seconds is not None and options.grace_period_seconds < 0:
        raise BadRequest("gracePeriodSeconds: Invalid value: must be greater than or equal to 0")
    if any(value != "All" for value in options.dry_run):
        raise BadRequest('dryRun: Unsupported value: must be "All"')
