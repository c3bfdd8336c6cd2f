"""Reads a request's body: JSON, YAML or Kubernetes' protobuf into plain data, within limits."""

import json
from typing import Any

import orjson

from apps.api import protobuf
from apps.cluster import documents
from apps.cluster.errors import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

MOST_BYTES = 3 * 1024 * 1024

JSON = "application/json"
YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
PROTOBUF = "application/vnd.kubernetes.protobuf"


def media_type(content_type: str) -> str:
    """The bare type of a Content-Type header; clients that send none mean JSON."""
    return content_type.partition(";")[0].strip().lower() or JSON


def read(content_type: str, body: bytes) -> Any:
    """The body's data. Raises BadRequest, RequestEntityTooLarge or UnsupportedMediaType."""
    check_size(len(body))
    kind = media_type(content_type)
    if kind == JSON:
        data = _json(body)
    elif kind in YAML_TYPES:
        data = _yaml(body)
    elif kind == PROTOBUF:
        data = _protobuf(body)
    else:
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format ({kind}) - "
            f"accepted media types include: {JSON}, application/yaml, {PROTOBUF}"
        )
    check_depth(data)
    return data


def read_json(body: bytes) -> Any:
    """A patch or another body that is JSON whatever its type is called."""
    check_size(len(body))
    data = _json(body)
    check_depth(data)
    return data


def check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise RequestEntityTooLarge(f"Request entity too large: limit is {MOST_BYTES} bytes")


def check_depth(data: Any) -> None:
    """Refuse what is nested so deep that walking it could end in a full stack."""
    try:
        documents.check_size(data)
    except documents.Unreadable as error:
        raise BadRequest(f"the body {error}") from None


def duplicates(content_type: str, body: bytes) -> list[str]:
    """Paths of fields that a JSON body names twice; only the last of them would count."""
    if media_type(content_type) != JSON:
        return []  # YAML refuses them while reading
    found: list[str] = []

    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for name, value in pairs:
            if name in seen:
                found.append(name)
            seen[name] = value
        return seen

    json.loads(body, object_pairs_hook=noted)
    return found


def _json(body: bytes) -> Any:
    if not body.strip():
        raise BadRequest("the body of the request is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None


def manifest(text: bytes) -> list[Any]:
    """The documents of a manifest file; JSON is YAML too. Raises BadRequest."""
    check_size(len(text))
    return [read(JSON, text)] if text.lstrip().startswith(b"{") else _documents(text)


def _yaml(body: bytes) -> Any:
    found = _documents(body)
    if len(found) > 1:
        raise BadRequest("the body holds several YAML documents: send them one by one")
    return found[0] if found else None


def _documents(text: bytes) -> list[Any]:
    try:
        return documents.read(text)
    except documents.Unreadable as error:
        raise BadRequest(f"the body {error}") from None


def _protobuf(body: bytes) -> Any:
    try:
        return protobuf.decode(body)
    except protobuf.Undecodable as error:
        raise UnsupportedMediaType(
            f"the protobuf body cannot be read: {error}; send application/json"
        ) from None
