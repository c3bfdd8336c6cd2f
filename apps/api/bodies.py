"""Reads a request's body: JSON, YAML or Kubernetes' protobuf into plain data, within limits."""

import json
from collections.abc import Hashable
from typing import Any

import orjson
import yaml

from apps.api import protobuf
from apps.cluster.errors import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

MOST_BYTES = 3 * 1024 * 1024
MOST_DEPTH = 100
MOST_VALUES = 500_000  # YAML aliases can say much more than they write

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
    level, depth, values = [data], 0, 0
    while level:
        depth += 1
        values += len(level)
        if depth > MOST_DEPTH:
            raise BadRequest(f"the body is nested deeper than {MOST_DEPTH} levels")
        if values > MOST_VALUES:
            raise BadRequest(f"the body holds more than {MOST_VALUES} values")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            if len(below) > MOST_VALUES:
                raise BadRequest(f"the body holds more than {MOST_VALUES} values")
        level = below


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


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Plain data only: times stay text, and a key may stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.YAMLError(
                    f"line {key_node.start_mark.line + 1}: the key {key!r} stands twice or is no text"
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents(text: bytes) -> list[Any]:
    """The documents of a manifest file; JSON is YAML too. Raises BadRequest."""
    check_size(len(text))
    if text.lstrip().startswith(b"{"):
        return [read(JSON, text)]
    try:
        found = [*yaml.load_all(text, _Loader)]  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _no_yaml(error) from None
    return [_plain(document) for document in found]


def _yaml(body: bytes) -> Any:
    try:
        data = yaml.load(body, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _no_yaml(error) from None
    return _plain(data)


def _no_yaml(error: Exception) -> BadRequest:
    told = " ".join(str(error).split())[:300]
    return BadRequest(f"the body is not valid YAML: {told}")


def _plain(data: Any) -> Any:
    check_depth(data)
    try:
        return orjson.loads(orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS))
    except (TypeError, ValueError) as error:
        raise BadRequest(f"the body cannot be said in JSON: {error}") from None


def _protobuf(body: bytes) -> Any:
    try:
        return protobuf.decode(body)
    except protobuf.Undecodable as error:
        raise UnsupportedMediaType(
            f"the protobuf body cannot be read: {error}; send application/json"
        ) from None
