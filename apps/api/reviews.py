"""Questions about oneself: who am I, and may I? Nothing is stored."""

from typing import Any

from apps.accounts import policy, service_tokens, tokens
from apps.api import bodies
from apps.api.discovery import REVIEWS
from apps.api.messages import Answer, Request
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest, Forbidden


def answer(actor: Actor, request: Request, plural: str) -> Answer:
    """The review that the client sent, with its answer in the status."""
    (group, version), kind = REVIEWS[plural]
    data = bodies.read(request.content_type, request.body)
    if not isinstance(data, dict) or data.get("kind", kind) != kind:
        raise BadRequest(f"the body must be a {kind}")
    spec = _object(data, "spec")
    if plural == "selfsubjectreviews":
        status: dict[str, Any] = {"userInfo": _who(actor)}
    elif plural == "selfsubjectaccessreviews":
        status = _may(actor, spec)
    elif plural == "tokenreviews":
        status = _whose(actor, spec)
    else:
        status = _rules(actor, spec)
    body = {"kind": kind, "apiVersion": f"{group}/{version}", "metadata": {}, "spec": spec, "status": status}
    if plural == "selfsubjectreviews":
        del body["spec"]
    return Answer(201, types.encode(body))


def _who(actor: Actor) -> dict[str, Any]:
    return {
        "username": actor.name,
        "groups": sorted(actor.groups),
        **({"uid": actor.uid} if actor.uid else {}),
    }


def _may(actor: Actor, spec: dict[str, Any]) -> dict[str, Any]:
    resource, path = _object(spec, "resourceAttributes"), _object(spec, "nonResourceAttributes")
    if bool(resource) is bool(path):
        raise BadRequest("spec: exactly one of resourceAttributes and nonResourceAttributes must be set")
    if path:
        decision = policy.non_resource(actor, _text(path, "verb"), _text(path, "path"))
    else:
        words = ("verb", "group", "resource", "subresource", "namespace", "name")
        decision = policy.authorize(actor, *(_text(resource, word) for word in words))
    return {"allowed": decision.allowed, "reason": decision.reason}


def _whose(actor: Actor, spec: dict[str, Any]) -> dict[str, Any]:
    """Who a token speaks for: asked by servers that take the cluster's tokens, who need a role for that."""
    decision = policy.authorize(actor, "create", "authentication.k8s.io", "tokenreviews")
    if not decision.allowed:
        raise Forbidden(f"tokenreviews.authentication.k8s.io is forbidden: {decision.reason}")
    audiences = spec.pop("audiences", None) or [service_tokens.AUDIENCE]
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        raise BadRequest("spec.audiences: must be a list of strings")
    token = _text(spec, "token")
    spec["token"] = ""  # an answer is no place for it
    found = service_tokens.check(token, audiences)
    if found is None and service_tokens.AUDIENCE in audiences:
        found = tokens.check(token)
    if found is None:
        return {"authenticated": False, "error": "the token is not known, has ended or was revoked"}
    return {"authenticated": True, "user": _who(found), "audiences": audiences}


def _rules(actor: Actor, spec: dict[str, Any]) -> dict[str, Any]:
    rules = policy.rules_of(actor, _text(spec, "namespace"))
    return {
        "resourceRules": [
            {
                "verbs": sorted(rule.verbs),
                "apiGroups": sorted(rule.groups),
                "resources": sorted(rule.resources),
                **({"resourceNames": sorted(rule.names)} if rule.names else {}),
            }
            for rule in rules
            if rule.resources
        ],
        "nonResourceRules": [
            {"verbs": sorted(rule.verbs), "nonResourceURLs": list(rule.urls)} for rule in rules if rule.urls
        ],
        "incomplete": False,
    }


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name) or {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name}: must be an object")
    return value


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name) or ""
    if not isinstance(value, str):
        raise BadRequest(f"{name}: must be a string")
    return value
