"""Manifest files: the objects in them, and each brought to the API as its own request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from apps.api import bodies, core, discovery
from apps.api.messages import Answer, Request
from apps.api.v1beta1 import convert, present
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest


@dataclass(frozen=True)
class Made:
    """What became of one object: ``what`` as kubectl writes it, ``error`` empty when it was made."""

    what: str
    error: str = ""
    warnings: tuple[str, ...] = ()


def objects(text: bytes) -> Iterator[Any]:
    """Every object of a file, JSON or YAML documents, lists taken apart. Raises BadRequest."""
    for document in bodies.manifest(text):
        items = document.get("items") if isinstance(document, dict) else None
        if isinstance(items, list) and str(document.get("kind", "")).endswith("List"):
            yield from items
        elif document is not None:
            yield document


def create(actor: Actor, data: Any, namespace: str) -> Made:
    """Create one object, as a client of the REST API would."""
    try:
        path, what = _place(data, namespace)
    except BadRequest as refusal:
        return Made("", f"error: {refusal.message}")
    headers = {"content-type": bodies.JSON}
    answer = core.handle(actor, Request("POST", path, headers=headers, body=orjson.dumps(data)))
    assert isinstance(answer, Answer)
    told = orjson.loads(answer.body)
    if answer.code >= 400:
        return Made(what, f"Error from server ({told.get('reason', '')}): {told.get('message', '')}")
    warnings = tuple(
        value.split('"', 1)[1].rstrip('"') for name, value in answer.headers if name == "warning"
    )
    meta = told.get("metadata", {})
    name = meta.get("name") or convert.legal_name(str(told.get("id", "")))
    return Made(f"{what}/{name}", "", warnings)


def _place(data: Any, namespace: str) -> tuple[str, str]:
    """The collection that an object belongs to, and its kind in kubectl's spelling."""
    if not isinstance(data, dict):
        raise BadRequest("a manifest must be an object with a kind and an apiVersion")
    meta = data.get("metadata")
    said = meta.get("namespace") if isinstance(meta, dict) else data.get("namespace")
    where = said if isinstance(said, str) and said and "/" not in said else namespace
    if old := convert.kind_said(data):
        return f"/api/{convert.VERSION}/namespaces/{where}/{present.COLLECTIONS[old]}", old.lower()
    kind_name, version = data.get("kind"), data.get("apiVersion")
    if not isinstance(kind_name, str) or not isinstance(version, str):
        raise BadRequest("a manifest must say its kind and its apiVersion")
    found = discovery.collection(version, kind_name)
    if found is None:
        raise BadRequest(f'no matches for kind "{kind_name[:60]}" in version "{version[:60]}"')
    plural, namespaced = found
    group = version.rpartition("/")[0]
    root = f"/apis/{version}" if group else f"/api/{version}"
    inside = f"/namespaces/{where}" if namespaced else ""
    singular = kind_name.lower()
    return f"{root}{inside}/{plural}", f"{singular}.{group}" if group else singular
