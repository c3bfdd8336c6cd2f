"""OpenAPI v3 documents, made from the kinds' structs: kubectl validates and explains by them."""

import hashlib
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any

from msgspec import inspect

from apps.api.discovery import group_versions, kinds
from apps.api.patches.merge_keys import MERGES
from apps.api.paths import UNKNOWN
from apps.cluster import types
from apps.cluster.absent import ABSENT, Absent
from apps.cluster.errors import NotFound
from apps.cluster.registry import Kind
from apps.cluster.types.extensions import EXTENSIONS

_REF = "#/components/schemas/"
V2_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
# kubectl asks for version 2 about a kind that version 3 does not know, and says what is wrong only when there is
# a document: this one, in gnostic's protobuf, holds a title and no paths.
V2 = b"\x0a\x032.0" + b"\x12\x0c\x0a\x06Drover\x12\x02v1" + b"\x42\x00"
NOTHING: Mapping[str, Any] = {}
_INT_OR_STRING = {"type": "string", "format": "int-or-string"}


def index() -> bytes:
    """The documents there are; each address changes when its document does, so clients may keep them."""
    paths = {}
    for group, version in group_versions():
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest(document(path))}"}
    return types.encode({"paths": paths})


def document(path: str) -> bytes:
    """The document of one group and version, such as ``api/v1`` or ``apis/rbac.authorization.k8s.io/v1``."""
    match path.split("/"):
        case ["api", version]:
            name = ("", version)
        case ["apis", group, version] if group:
            name = (group, version)
        case _:
            raise NotFound(UNKNOWN)
    if name not in group_versions():
        raise NotFound(UNKNOWN)
    described = [kind for kind in kinds() if (kind.group, kind.version) == name]
    absent = [one for one in ABSENT if (one.group, one.version) == name]
    return types.encode(
        {
            "openapi": "3.0.0",
            "info": {"title": "Drover", "version": "v1"},
            "paths": {place: item for kind in described for place, item in _paths(kind)}
            | {f"/{path}/{one.plural}": {"get": _operation("list", _gvk(one.kind, *name))} for one in absent},
            "components": {
                "schemas": _components(described)
                | {f"dev.drover.absent.{one.kind}": _explained(one) for one in absent}
            },
        }
    )


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32].upper()


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}


_WRITING = [_parameter(name) for name in ("dryRun", "fieldManager", "fieldValidation")]


def _gvk(kind: str, group: str, version: str) -> dict[str, str]:
    return {"group": group, "version": version, "kind": kind}


def _operation(action: str, gvk: dict[str, str], content: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    # No requestBody on PATCH: kubectl would take merge keys from here and not from its own types.
    body = {"requestBody": {"content": content}} if action in {"post", "put"} else {}
    return {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk,
        "parameters": [] if action in {"list", "get"} else _WRITING,
        "responses": {"200": {"description": "OK", "content": content}},
        **body,
    }


def _paths(kind: Kind) -> Iterable[tuple[str, dict[str, Any]]]:
    base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scope = "/namespaces/{namespace}" if kind.namespaced else ""
    collection = f"{base}{scope}/{kind.plural}"
    content = {"application/json": {"schema": {"$ref": _REF + schema_name(kind.schema)}}}
    gvk = _gvk(kind.name, kind.group, kind.version)

    def served(**operations: tuple[str, str]) -> dict[str, Any]:
        return {
            method: _operation(action, gvk, content)
            for method, (verb, action) in operations.items()
            if verb in kind.verbs
        }

    yield collection, served(get=("list", "list"), post=("create", "post"))
    yield (
        f"{collection}/{{name}}",
        served(
            get=("get", "get"), put=("update", "put"), patch=("patch", "patch"), delete=("delete", "delete")
        ),
    )


def _explained(absent: Absent) -> dict[str, Any]:
    """What ``kubectl explain`` says of a kind that is not built."""
    gvk = _gvk(absent.kind, absent.group, absent.version)
    return {"type": "object", "description": absent.sentence, "x-kubernetes-group-version-kind": [gvk]}


def schema_name(cls: type[Any]) -> str:
    """A type's name as clients know such names: its package is where the API's authors keep it."""
    if cls.__module__.startswith("apps.catalog"):
        return f"dev.drover.v1.{cls.__name__}"
    part = cls.__module__.rpartition(".")[2]
    groups = {kind.group.partition(".")[0] for kind in kinds()}
    package = "apimachinery.pkg.apis.meta" if part == "meta" else f"api.{part if part in groups else 'core'}"
    return f"io.k8s.{package}.v1.{cls.__name__}"


def _components(described: Iterable[Kind]) -> dict[str, Any]:
    """The kinds' schemas and all that they refer to."""
    schemas: dict[str, Any] = {}
    waiting: list[type[Any]] = []
    for kind in described:
        waiting.append(kind.schema)
        while waiting:
            cls = waiting.pop()
            if schema_name(cls) not in schemas:
                schemas[schema_name(cls)] = _struct(cls, waiting)
        schemas[schema_name(kind.schema)]["x-kubernetes-group-version-kind"] = [
            _gvk(kind.name, kind.group, kind.version)
        ]
    return schemas


def _struct(cls: type[Any], waiting: list[type[Any]]) -> dict[str, Any]:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    properties: dict[str, Any] = {}
    for field in info.fields:
        if field.encode_name == EXTENSIONS:
            continue
        schema = _schema(field.type, waiting)
        merge = MERGES.get((cls.__name__, field.encode_name))
        if merge is not None:
            strategy = "merge,retainKeys" if merge.retain_keys else "merge"
            schema["x-kubernetes-patch-strategy"] = strategy
            if merge.key:
                schema["x-kubernetes-patch-merge-key"] = merge.key
        properties[field.encode_name] = schema
    described = {"description": cleandoc(cls.__doc__)} if "__doc__" in vars(cls) and cls.__doc__ else {}
    required = [field.encode_name for field in info.fields if field.required]
    return {
        "type": "object",
        **described,
        "properties": properties,
        **({"required": required} if required else {}),
    }


def _schema(kind: inspect.Type, waiting: list[type[Any]]) -> dict[str, Any]:
    """One field's schema; "or null" is left out, since a null stands for an absent field everywhere."""
    choices = [
        choice
        for choice in (kind.types if isinstance(kind, inspect.UnionType) else (kind,))
        if not isinstance(choice, inspect.NoneType)
    ]
    if len(choices) > 1:
        structs = [choice for choice in choices if isinstance(choice, inspect.StructType)]
        return {"x-kubernetes-preserve-unknown-fields": True} if structs else dict(_INT_OR_STRING)
    match choices[0]:
        case inspect.StructType(cls=cls):
            waiting.append(cls)
            # A reference stands alone in OpenAPI 3.0; "allOf" lets a default or a description stand beside it.
            return {"allOf": [{"$ref": _REF + schema_name(cls)}]}
        case inspect.ListType(item_type=item):
            return {"type": "array", "items": _item(item, waiting)}
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _item(value, waiting)}
        case inspect.IntType():
            return {"type": "integer", "format": "int64"}
        case inspect.FloatType():
            return {"type": "number", "format": "double"}
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.DateTimeType():
            return {"type": "string", "format": "date-time"}
        case inspect.AnyType():
            return {"type": "object"}
    return {"type": "string"}


def _item(kind: inspect.Type, waiting: list[type[Any]]) -> dict[str, Any]:
    schema = _schema(kind, waiting)
    return dict(schema["allOf"][0]) if "allOf" in schema else schema
