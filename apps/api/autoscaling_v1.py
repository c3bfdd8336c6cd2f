"""Requests at ``/apis/autoscaling/v1``: autoscalers as kubectl up to 1.32 makes them, said in version 2 and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson

from apps.api import applying, bodies
from apps.api.calls import NOT_ALLOWED
from apps.api.messages import Answer, Query, Request, Stream
from apps.api.paths import UNKNOWN, Resource
from apps.api.writing import patch_type, patched
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest, MethodNotAllowed, NotFound
from apps.cluster.kinds import HORIZONTAL_POD_AUTOSCALER as KIND

VERSION = "autoscaling/v1"
VERBS = ("create", "delete", "get", "list", "patch", "update")
METHODS = {True: frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"}), False: frozenset({"GET", "HEAD", "POST"})}
PERCENT, USED = "targetCPUUtilizationPercentage", "currentCPUUtilizationPercentage"

Ask = Callable[[Actor, Request], Answer | Stream]


def serves(target: Resource) -> bool:
    return (target.group, target.version, target.plural) == (KIND.group, "v1", KIND.plural)


def answer(actor: Actor, request: Request, target: Resource, ask: Ask) -> Answer:
    """What the request of version 2 is answered, in version 1; ``ask`` is the core."""
    if target.subresource:
        raise NotFound(UNKNOWN)
    if request.method not in METHODS[bool(target.name)] or request.query.flag("watch"):
        raise MethodNotAllowed(f"{NOT_ALLOWED}: ask {KIND.api_version}")
    path = request.path.replace(f"/{VERSION}/", f"/{KIND.api_version}/", 1)
    method, body, media_type = request.method, b"", bodies.JSON
    if method == "DELETE":
        body, media_type = request.body, request.content_type
    elif method == "POST":
        body = orjson.dumps(newer(bodies.read(request.content_type, request.body), {}))
    elif method == "PATCH" and bodies.media_type(request.content_type) in applying.MEDIA_TYPES:
        applied = bodies.read("application/yaml", request.body)
        body, media_type = orjson.dumps(newer(applied, {})), request.content_type
    elif method in {"PUT", "PATCH"}:
        current = _asked(ask, actor, Request("GET", path, Query([]), {"accept": bodies.JSON}, b"", request.id))
        if current.code != HTTPStatus.OK:
            return current
        method, body = "PUT", orjson.dumps(_changed(request, orjson.loads(current.body)))
    headers = {"content-type": media_type, "accept": bodies.JSON}
    answered = _asked(ask, actor, Request(method, path, Query(request.query.pairs), headers, body, request.id))
    data = orjson.loads(answered.body)
    if data.get("kind") == f"{KIND.name}List":
        data = {**data, "apiVersion": VERSION, "items": [older(item) for item in data["items"]]}
    elif data.get("kind") == KIND.name:
        data = older(data)
    return replace(answered, body=orjson.dumps(data))


def _asked(ask: Ask, actor: Actor, request: Request) -> Answer:
    answered = ask(actor, request)
    assert isinstance(answered, Answer)
    return answered


def _changed(request: Request, current: dict[str, Any]) -> dict[str, Any]:
    """The whole object, in version 2, that a PUT or PATCH in version 1 asks for."""
    if request.method == "PUT":
        return newer(bodies.read(request.content_type, request.body), current["spec"])
    media_type = patch_type(request.content_type)
    wanted = patched(media_type, older(current), bodies.read_json(request.body), KIND.schema)
    return newer(wanted, current["spec"])


def newer(data: Any, before: dict[str, Any]) -> dict[str, Any]:
    """In version 2, with what version 1 cannot say as it was before. Raises BadRequest for another version."""
    given = data.get("spec", {}) if isinstance(data, dict) else None
    if not isinstance(given, dict) or data.get("apiVersion", VERSION) != VERSION:
        raise BadRequest(f"the body must be a {KIND.name} of {VERSION}")
    spec = {key: value for key, value in given.items() if key != PERCENT}
    metrics = [metric for metric in before.get("metrics", []) if _of_cpu([metric], "target") is None]
    percent = given.get(PERCENT)
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        metrics.insert(0, {"type": "Resource", "resource": {"name": "cpu", "target": target}})
    kept = {key: value for key, value in data.items() if key != "status"}
    unsaid = {key: value for key, value in (("behavior", before.get("behavior")), ("metrics", metrics)) if value}
    whole = {"spec": {**spec, **unsaid}} if "spec" in data else {}
    return {**kept, "apiVersion": KIND.api_version, **whole}


def older(data: dict[str, Any]) -> dict[str, Any]:
    """Metrics other than cpu are left out: version 1 knows none."""
    spec, status = dict(data.get("spec", {})), dict(data.get("status", {}))
    percent = _of_cpu(spec.pop("metrics", []), "target")
    spec.pop("behavior", None)
    used = _of_cpu(status.pop("currentMetrics", []), "current")
    status.pop("conditions", None)
    return {
        **data,
        "apiVersion": VERSION,
        "spec": {**spec, **({PERCENT: percent} if percent is not None else {})},
        "status": {"currentReplicas": 0, "desiredReplicas": 0, **status, **({USED: used} if used is not None else {})},
    }


def _of_cpu(metrics: list[dict[str, Any]], field: str) -> int | None:
    for metric in metrics:
        source = metric.get("resource", {})
        if source.get("name") == "cpu":
            percent: int | None = source.get(field, {}).get("averageUtilization")
            return percent
    return None
