"""Which object a body is about: what it says of that must be what the path says."""

from typing import Any

import orjson

from apps.api.calls import Call
from apps.cluster import store
from apps.cluster.errors import BadRequest


def metadata_of(data: dict[str, Any]) -> dict[str, Any]:
    meta: dict[str, Any] = data.setdefault("metadata", {})
    return meta


def settle_namespace(call: Call, meta: dict[str, Any]) -> None:
    said = meta.get("namespace", "")
    if said and said != call.namespace:
        raise BadRequest(
            f"the namespace of the provided object does not match the namespace sent on the request "
            f"({said} is not {call.namespace or 'empty, as for what has no namespace'})"
        )
    if call.namespace:
        meta["namespace"] = call.namespace


def settle_identity(call: Call, meta: dict[str, Any]) -> None:
    """A body may leave its name and namespace to the path, but must not name another object."""
    said = meta.get("name", "")
    if said and said != call.name:
        raise BadRequest(f"the name of the object ({said}) does not match the name on the URL ({call.name})")
    meta["name"] = call.name
    settle_namespace(call, meta)
    version = meta.get("resourceVersion", "")
    if version and not (version.isascii() and version.isdigit()):
        raise BadRequest(f'metadata.resourceVersion: Invalid value: "{version[:40]}": must be a number')


def tried(call: Call, body: bytes) -> bytes:
    """The answer to a dry run: the object's number is the one it keeps, and what is not made has none."""
    if not call.dry_run:
        return body
    data = orjson.loads(body)
    data["metadata"].pop("resourceVersion", None)
    row = store.find(call.kind, call.namespace, call.name) if call.name else None
    if row is not None:
        data["metadata"]["resourceVersion"] = str(row.number)
    told: bytes = orjson.dumps(data)
    return told
