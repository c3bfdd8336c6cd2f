"""New objects from YAML: all documents in one write, so that a mistake in one creates none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.cluster import absent, store, types
from apps.cluster import documents as yaml_text
from apps.cluster.actors import Actor
from apps.cluster.errors import ApiError, BadRequest, invalid
from apps.cluster.registry import Kind, UnknownKind, kind_named
from apps.cluster.transaction import Transaction
from apps.dashboard import access, pages, paths, reading

LONGEST = 512 * 1024
MOST_DOCUMENTS = 100


@dataclass(frozen=True)
class Wanted:
    """One document, read and typed."""

    kind: Kind
    obj: Any


@pages.page("GET", "POST")
def create(request: HttpRequest, who: Actor) -> HttpResponse:
    text = request.POST.get("text", "")
    namespace = request.POST.get("namespace", "") or request.GET.get("namespace", "") or "default"
    context: dict[str, Any] = {"text": text, "namespace": namespace, "namespaces": reading.namespaces(who)}
    status = 200
    if request.method == "POST":
        check = request.POST.get("do") == "check"
        try:
            made = _create(who, text, namespace, check=check)
        except ApiError as refusal:
            context |= {"refusal": refusal}
            status = refusal.code
        else:
            context |= {"made": made, "checked": check}
    answer = pages.show(request, "dashboard/create.html", context, status=status, here="create")
    if "made" in context and not context["checked"]:
        told = (
            "1 object created." if len(context["made"]) == 1 else f"{len(context['made'])} objects created."
        )
        answer["HX-Trigger"] = json.dumps({"toast": {"text": told, "tone": "ok"}})
    return answer


def _create(who: Actor, text: str, namespace: str, *, check: bool) -> list[tuple[Kind, str, str, str]]:
    wanted = documents(text, namespace)
    for each in wanted:
        meta = each.obj.metadata
        access.require(who, "create", each.kind, meta.namespace, meta.name)

    def change(tx: Transaction) -> list[Any]:
        copies = [(each.kind, types.decode(each.kind.schema, types.encode(each.obj))) for each in wanted]
        return [(kind, tx.create(kind, obj)) for kind, obj in copies]

    made = store.write(who, change, dry_run=check)
    named = [(kind, obj.metadata.namespace, obj.metadata.name) for kind, obj in made]
    return [(kind, place, name, paths.of_object(kind, place, name)) for kind, place, name in named]


def documents(text: str, namespace: str) -> list[Wanted]:
    """The objects that a YAML text describes. Raises BadRequest or Invalid, naming the line or the field."""
    if len(text) > LONGEST:
        raise BadRequest(f"This text is too long: at most {LONGEST // 1024} KiB.")
    try:
        found = [each for each in yaml_text.read(text.encode("utf-8", "replace")) if each is not None]
    except yaml_text.Unreadable as error:
        raise BadRequest(f"This text {error}") from None
    items = [item for document in found for item in _items(document)]
    if not items:
        raise BadRequest("There is nothing to create: paste the YAML of one or more objects.")
    if len(items) > MOST_DOCUMENTS:
        raise BadRequest(f"At most {MOST_DOCUMENTS} objects can be created at once; these are {len(items)}.")
    return [_typed(item, namespace) for item in items]


def _items(document: Any) -> list[Any]:
    if (
        isinstance(document, dict)
        and document.get("kind") == "List"
        and isinstance(document.get("items"), list)
    ):
        items: list[Any] = document["items"]
        return items
    return [document]


def _typed(data: Any, namespace: str) -> Wanted:
    if not isinstance(data, dict):
        raise BadRequest("Each document must be an object with apiVersion and kind.")
    version, name = data.get("apiVersion"), data.get("kind")
    if not isinstance(version, str) or not isinstance(name, str):
        missing = "apiVersion" if not isinstance(version, str) else "kind"
        raise BadRequest(f"{missing}: Required value: each document says what it is.")
    kind = _kind(version, name)
    data = types.prune_nulls(data)
    label = str(data.get("metadata", {}).get("name", "")) if isinstance(data.get("metadata"), dict) else ""
    problems = types.problems(kind.schema, data)
    if problems:
        raise invalid(kind.name, label, problems, group=kind.group)
    obj = types.convert(kind.schema, data)
    if kind.namespaced and not obj.metadata.namespace:
        obj.metadata.namespace = namespace
    return Wanted(kind, obj)


def _kind(version: str, name: str) -> Kind:
    group = version.rpartition("/")[0]
    try:
        kind = kind_named(name, group)
    except UnknownKind:
        known = absent.find(version, name)
        unknown = f'There is no kind "{name}" in version "{version}" here.'
        raise BadRequest(known.sentence if known else unknown) from None
    if kind.api_version != version:
        raise BadRequest(f'{name} has version "{kind.api_version}" here, not "{version}".')
    return kind
