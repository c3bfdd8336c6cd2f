"""An object as YAML, with what must not be read put out of it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from apps.cluster import types
from apps.cluster.registry import Kind

MASK = "(masked)"
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TURNS = re.compile("[\r\x85\u2028\u2029]")  # ends of lines that YAML reads as another one
_KEY = re.compile(r"^(\s*(?:- )*)([^\s:#'\"][^:]*|'[^']*'|\"[^\"]*\"):(?= |$)(.*)$")


@dataclass(frozen=True)
class Line:
    """One line in parts, so that the page can colour it without markup in the text."""

    lead: str
    key: str
    value: str
    look: str


def of(kind: Kind, obj: Any) -> dict[str, Any]:
    """The object as data, without who owns which field.

    Sealed fields keep their keys and lose their values, also in kubectl's own copy of it.
    """
    data: dict[str, Any] = types.to_data(obj)
    data["metadata"].pop("managedFields", None)
    if not kind.sealed:
        return data
    return _masked(kind, data)


def text(kind: Kind, obj: Any) -> str:
    """The object as people read it."""
    return as_yaml(of(kind, obj))


def _masked(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    hidden = {*kind.sealed, *(("stringData",) if "data" in kind.sealed else ())}
    shown = {key: _without_values(value) if key in hidden else value for key, value in data.items()}
    annotations = shown.get("metadata", {}).get("annotations", {})
    if APPLIED in annotations:
        shown["metadata"]["annotations"] = annotations | {APPLIED: _applied(kind, annotations[APPLIED])}
    return shown


def _without_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: MASK for key in value}
    return MASK


def _applied(kind: Kind, text: str) -> str:
    """kubectl apply keeps what it sent in an annotation, a secret's values too."""
    try:
        data = json.loads(text)
    except ValueError:
        return MASK
    return json.dumps(_masked(kind, data)) if isinstance(data, dict) else MASK


def as_yaml(data: dict[str, Any], *, flow: bool = False) -> str:
    """``flow`` writes all of it on one line, in braces."""
    width = 10**6 if flow else 1000
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=flow
    )
    return text


def lines(text: str) -> Iterator[Line]:
    """The text's lines with the key apart from the value."""
    for line in text.rstrip("\n").split("\n"):
        found = _KEY.match(line)
        if found:
            yield Line(found[1], f"{found[2]}:", found[3], _kind_of_value(found[3].strip()))
        else:
            yield Line("", "", line, _kind_of_value(line.strip().removeprefix("- ")))


def _kind_of_value(value: str) -> str:
    if MASK in value:
        return "masked"
    if re.fullmatch(r"-?[0-9.]+|true|false|null", value):
        return "value"
    return "text"


class _Dumper(yaml.SafeDumper):
    """Lists indented as people write them; long texts as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _TURNS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
