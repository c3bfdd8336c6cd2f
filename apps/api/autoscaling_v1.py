"""Requests at ``/apis/autoscaling/v1``: autoscalers as kubectl up to 1.32 makes them, said in version 2 and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from apps.api import bodies
from apps.api.calls import NOT_ALLOWED
from apps.api.messages import Answer, Query, Request, Stream
from apps.api.paths import UNKNOWN, Resource
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest, MethodNotAllowed, NotFound
from apps.cluster.kinds import HORIZONTAL_POD_AUTOSCALER as KIND

VERSION = "autoscaling/v1"
METHODS = {True: frozenset({"GET", "HEAD", "PUT", "DELETE"}), False: frozenset({"GET", "HEAD", "POST"})}
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
    body = b""
    if request.method in {"POST", "PUT"}:
        body = orjson.dumps(newer(bodies.read(request.content_type, request.body)))
    elif request.method == "DELETE":
        body = request.body
    media_type = request.content_type if request.method == "DELETE" else bodies.JSON
    headers = {"content-type": media_type, "accept": bodies.JSON}
    path = request.path.replace(f"/{VERSION}/", f"/{KIND.api_version}/", 1)
    answered = ask(actor, Request(request.method, path, Query(request.query.pairs), headers, body, request.id))
    assert isinstance(answered, Answer)
    data = orjson.loads(answered.body)
    if data.get("kind") == f"{KIND.name}List":
        data = {**data, "apiVersion": VERSION, "items": [older(item) for item in data["items"]]}
    elif data.get("kind") == KIND.name:
        data = older(data)
    return replace(answered, body=orjson.dumps(data))


def newer(data: Any) -> dict[str, Any]:
    """Raises BadRequest for what says another version."""
    given = data.get("spec") if isinstance(data, dict) else None
    if not isinstance(given, dict) or data.get("apiVersion", VERSION) != VERSION:
        raise BadRequest(f"the body must be a {KIND.name} of {VERSION}")
    spec = {key: value for key, value in given.items() if key != PERCENT}
    percent = given.get(PERCENT)
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    kept = {key: value for key, value in data.items() if key != "status"}
    return {**kept, "apiVersion": KIND.api_version, "spec": spec}


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
