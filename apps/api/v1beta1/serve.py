"""Requests at ``/api/v1beta1``: each becomes the v1 request it means, answered by one core and said back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apps.api import bodies
from apps.api.calls import NOT_ALLOWED, warned
from apps.api.messages import Answer, Query, Request, Stream
from apps.api.paths import UNKNOWN, Resource
from apps.api.v1beta1 import convert, present
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest, MethodNotAllowed, NotFound

PLURALS = {
    "pods": ("pods", convert.POD),
    "replicationControllers": ("replicationcontrollers", convert.CONTROLLER),
    "replicationcontrollers": ("replicationcontrollers", convert.CONTROLLER),
}
QUERY = {"labels": "labelSelector", "dryRun": "dryRun"}
METHODS = {True: frozenset({"GET", "HEAD", "PUT", "DELETE"}), False: frozenset({"GET", "HEAD", "POST"})}

Ask = Callable[[Actor, Request], Answer | Stream]


def serves(target: Resource) -> bool:
    return (target.group, target.version) == ("", convert.VERSION)


def answer(actor: Actor, request: Request, target: Resource, ask: Ask) -> Answer:
    """What the v1 request is answered, in v1beta1; ``ask`` is the core."""
    if target.plural not in PLURALS or target.subresource:
        raise NotFound(UNKNOWN)
    if request.method not in METHODS[bool(target.name)]:
        raise MethodNotAllowed(NOT_ALLOWED)
    if request.query.flag("watch"):
        raise BadRequest(f"watch: {convert.VERSION} is served without it: watch /api/v1")
    plural, kind = PLURALS[target.plural]
    body, said = b"", ""
    obj: dict[str, Any] = {}
    if request.method in {"POST", "PUT"}:
        obj, said = _converted(request, kind)
        body = orjson.dumps(obj)
    namespace = target.namespace or request.query.get("namespace") or _namespace(obj) or "default"
    if "/" in namespace:
        raise BadRequest(f"namespace: Invalid value: {namespace[:60]!r}")
    path = f"/api/v1/namespaces/{namespace}/{plural}"
    if target.name:
        path = f"{path}/{convert.legal_name(target.name) or target.name}"
    pairs = [(QUERY[key], value) for key, value in request.query.pairs if key in QUERY]
    headers = {"content-type": bodies.JSON, "accept": bodies.JSON}
    asked = Request(request.method, path, Query(pairs), headers, body, request.id)
    answered = ask(actor, asked)
    assert isinstance(answered, Answer)
    return _shown(answered, request.path, said)


def _converted(request: Request, kind: str) -> tuple[dict[str, Any], str]:
    """The v1 object that a body means, and a warning when it gets another name."""
    data = bodies.read(request.content_type, request.body)
    if convert.kind_said(data) not in {kind, ""}:
        raise BadRequest(f"the body must be a {kind} in version {convert.VERSION}")
    try:
        obj = convert.to_v1(data)
    except convert.Unconvertible as refusal:
        raise BadRequest(
            f"{kind} in version {convert.VERSION} cannot be said in v1: {refusal}", causes=refusal.problems
        ) from None
    identity = obj["metadata"].get("annotations", {}).get(convert.ID_ANNOTATION, "")
    return obj, f"id {identity} is no legal name: it is called {obj['metadata']['name']}" if identity else ""


def _namespace(obj: dict[str, Any]) -> str:
    said: str = obj.get("metadata", {}).get("namespace", "")
    return said


def _shown(answered: Answer, link: str, said: str) -> Answer:
    data = orjson.loads(answered.body)
    if data.get("kind") == "Status":
        data["apiVersion"] = convert.VERSION
    elif "items" in data:
        data = present.shown_list(data, link)
    else:
        data = present.shown(data)
    headers = [*answered.headers, *(warned((said,)) if said else ())]
    return Answer(answered.code, orjson.dumps(data), headers=headers)
