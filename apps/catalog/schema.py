"""The format as a JSON Schema, for editors and other people's tools: the structs' shapes with the checker's own words.

It says what can be said of one place alone. What only the whole tells (that a name is there, that nothing goes in a
circle) the server says. So whatever this schema refuses, the server refuses too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from apps.catalog import conditions, format, graph, parameters
from apps.catalog.addresses import URLS
from apps.catalog.checking import components, questions, reach, requirements
from apps.catalog.types import ApplicationTemplate
from apps.cluster import names, quantities
from apps.cluster.types import Wire, wire_name
from apps.cluster.types.extensions import EXTENSIONS, PREFIX

Schema = dict[str, Any]
PATH = "schemas/drover.dev/v1/ApplicationTemplate.json"
"""Where the platform serves it, from its root."""
REFERENCE = r"\$\{"


def _text(*patterns: re.Pattern[str] | str, longest: int | None = None) -> Schema:
    """Text of one of these patterns."""
    plain = [one if isinstance(one, str) else f"^(?:{one.pattern})$" for one in patterns]
    limit = {} if longest is None else {"maxLength": longest}
    return {"pattern": "|".join(plain), **limit}


def _word(known: Iterable[str], *, reference: bool = False) -> Schema:
    """One of these words, or nothing."""
    words = {"enum": ["", *known]}
    return {"anyOf": [words, {"pattern": REFERENCE}]} if reference else words


def _between(low: int, high: int) -> Schema:
    return {"minimum": low, "maximum": high}


def _keys(said: Schema) -> Schema:
    return {"propertyNames": said}


def _exactly_one(*wanted: Mapping[str, Schema]) -> Schema:
    return {"oneOf": [{"required": [*one], "properties": dict(one)} for one in wanted]}


def _when(condition: Schema, then: Schema, otherwise: Schema | None = None) -> Schema:
    return {"if": condition, "then": then, **({} if otherwise is None else {"else": otherwise})}


def _none_of(*fields: str) -> Schema:
    """None of them, or only switched off."""
    return {"properties": {name: {"enum": [None, False]} for name in fields}}


def _of_type(*kinds: str) -> Schema:
    return {"properties": {"type": {"enum": list(kinds)}}}


LABEL = _text(names.DNS_LABEL, longest=names.LABEL_LIMIT)
LABEL_1035 = _text(names.DNS_1035_LABEL, longest=names.LABEL_LIMIT)
ABSOLUTE = _text(r"^/(?!\.\.(?:/|$))(?:(?!/\.\.(?:/|$))[^:\0])+$")
NUMBER = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": REFERENCE}]}
PORT = {"anyOf": [{"type": "integer", **_between(1, 65535)}, NUMBER["anyOf"][1]]}
URL = rf"^\$\{{\s*endpoints\.[A-Za-z0-9_-]+\.(?:{'|'.join(URLS)})\s*\}}"
SIZE, DURATION = (_text("^$", syntax, REFERENCE) for syntax in (quantities.SYNTAX, parameters.DURATION))
THERE = {"minLength": 1}
SOME = {"minItems": 1}
NOTHING = {"type": "null"}
WHOLE, PORT_NUMBER = {"type": ["integer", "null"]}, {"type": ["integer", "null"], **_between(1, 65535)}
TERMS = re.compile(rf"\s*|{conditions.TERM.pattern}(?:&&{conditions.TERM.pattern})*")

OF_FIELDS: Mapping[type[Wire], Mapping[str, Schema]] = {
    format.Group: {"id": LABEL},
    format.Generate: {"kind": {"enum": list(questions.GENERATED)}, "length": _between(*questions.LENGTHS)},
    format.Parameter: {"type": {"enum": list(parameters.TYPES)}, "show_if": _text(TERMS)},
    format.Requires: {
        "nodes": _between(*requirements.NODES), "cpu": SIZE, "memory": SIZE,
        "privileges": {"items": {"enum": list(requirements.PRIVILEGES)}},
    },
    format.File: {"mode": _text("^$", components.MODE)},
    format.Volume: {"mount": ABSOLUTE, "size": SIZE},
    format.Port: {"port": PORT, "protocol": _word(components.PROTOCOLS)},
    format.Probe: {
        "http": _text("^$", "^/", r"^\$\{"), "failures": _between(1, 1000),
        "every": DURATION, "timeout": DURATION, "wait": DURATION,
    },
    format.Limits: {"cpu": SIZE, "memory": SIZE},
    format.Resources: {"cpu": SIZE, "memory": SIZE},
    format.Autoscale: {"min": NUMBER, "max": NUMBER, "cpu": NUMBER},
    format.Component: {
        "image": _text(REFERENCE, "@", r":(?!latest$)[^/]+$"),
        "kind": _word(components.KINDS),
        "host": _text("^$", names.DNS_1035_LABEL, longest=names.LABEL_LIMIT),
        "replicas": NUMBER,
        "update": {"anyOf": [_word(components.UPDATES, reference=True), {"type": "object"}]},
        "after": {"additionalProperties": {"enum": list(graph.STAGES)}},
        "env": _keys(_text(names.ENV_NAME)),
        "files": _keys(ABSOLUTE),
        "ports": {
            **_keys(_text(names.PORT_NAME, longest=15)),
            "additionalProperties": {"anyOf": [*PORT["anyOf"], {"$ref": "#/$defs/Port"}]},
        },
        "volumes": _keys(LABEL),
        "stop_timeout": DURATION,
    },
    format.Endpoint: {
        "via": _word(reach.WAYS, reference=True), "path": _text("^$", "^/", r"^\$\{"), "node_port": NUMBER,
    },
    format.Check: {"http": _text("^$", URL), "expect": NUMBER, "within": DURATION},
    format.Links: {name: _text("^$", "^https://") for name in ("docs", "source", "website")},
    format.TemplateSpec: {
        "version": THERE,
        "parameters": _keys(_text("^[A-Za-z0-9_-]+$")),
        "components": {
            "minProperties": 1, "maxProperties": components.MOST_COMPONENTS,
            **_keys(_text(names.DNS_1035_LABEL, longest=components.NAME_LIMIT)),
        },
        "endpoints": _keys(LABEL),
    },
    ApplicationTemplate: {"api_version": {"const": "drover.dev/v1"}, "kind": {"const": "ApplicationTemplate"}},
}  # fmt: skip
"""What is said of a field besides its type."""

OF_OBJECTS: Mapping[type[Wire], tuple[Schema, ...]] = {
    format.Parameter: (
        _when(
            _of_type("enum"),
            {"required": ["options"], "properties": {"options": SOME}},
            {"properties": {"options": {"maxItems": 0}}},
        ),
        _when(_of_type(parameters.SECRET), {"properties": {"default": NOTHING}}, _none_of("generate", "rotatable")),
        _when(_of_type(*parameters.MEASURES), {}, {"properties": {"min": NOTHING, "max": NOTHING}}),
        _when(_of_type("integer"), {"properties": {"default": WHOLE, "min": WHOLE, "max": WHOLE}}),
        _when(
            _of_type("port"),
            {"properties": {"default": PORT_NUMBER, "min": PORT_NUMBER, "max": PORT_NUMBER}},
        ),
        _when(_of_type("boolean"), {"properties": {"default": {"type": ["boolean", "null"]}}}),
        _when(_of_type(*parameters.TEXT_TYPES), {"properties": {"default": {"type": ["string", "null"]}}}),
    ),
    format.Probe: (_exactly_one({"http": THERE}, {"tcp": {"not": NOTHING}}, {"exec": {**SOME, "not": NOTHING}}),),
    format.Check: (_exactly_one({"http": THERE}, {"exec": {"type": "object"}}),),
    format.Command: ({"properties": {"command": SOME}},),
    format.Component: (
        _when(
            {"required": ["autoscale"], "properties": {"autoscale": {"type": "object"}}},
            {"properties": {"replicas": NOTHING, "volumes": {"maxProperties": 0}}},
        ),
        _when(
            {"required": ["volumes"], "properties": {"volumes": {"minProperties": 1}}},
            {"properties": {"replicas": {"enum": [0, 1, None]}}},
        ),
    ),
    format.TemplateSpec: ({"required": ["version", "components"]},),
    ApplicationTemplate: (
        {"required": ["apiVersion", "kind", "metadata", "spec"], "properties": {"metadata": {"required": ["name"]}}},
    ),
}  # fmt: skip
"""What is said of fields together."""


@cache
def schema() -> Schema:
    """The schema of an ApplicationTemplate. Shared: whoever reads it must not change it."""
    (_,), made = msgspec.json.schema_components((ApplicationTemplate,), ref_template="#/$defs/{name}")
    for place in made.values():
        _open_to_authors(place)
        for field in place["properties"].values():
            if not field.get("default", True):
                del field["default"]  # it stands for "not there"
    for cls, fields in OF_FIELDS.items():
        properties = made[cls.__name__]["properties"]
        for field, said in fields.items():
            properties[wire_name(field)]["allOf"] = [said]
    for cls, rules in OF_OBJECTS.items():
        made[cls.__name__]["allOf"] = list(rules)
    root = made.pop(ApplicationTemplate.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:drover.dev:v1:ApplicationTemplate",
        **root,
        "$defs": made,
    }


def _open_to_authors(place: Schema) -> None:
    if place["properties"].pop(EXTENSIONS, None) is not None:
        place["patternProperties"] = {f"^{PREFIX}": {}}
