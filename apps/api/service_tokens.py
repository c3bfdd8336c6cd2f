"""The sub-resource serviceaccounts/token: a token for whoever may ask for it. Nothing is stored."""

from typing import Any

import msgspec

from apps.accounts import service_tokens
from apps.api.calls import Call
from apps.api.identity import metadata_of
from apps.api.messages import Answer
from apps.api.objects import checked_as
from apps.cluster import store, types
from apps.cluster.errors import BadRequest, Conflict, Forbidden, invalid
from apps.cluster.kinds import refusals
from apps.cluster.registry import by_key
from apps.cluster.types import Problem
from apps.cluster.types.tokens import BoundObjectReference, TokenRequest, TokenRequestStatus

NAME = ("TokenRequest", "authentication.k8s.io/v1")
MOST_AUDIENCES, LONGEST_AUDIENCE = 16, 1024


def create(call: Call) -> Answer:
    """The request with the token in its status. A node may ask only for what a pod of its own mounts."""
    call.require("create")
    data, _ = checked_as(TokenRequest, *NAME, call.body(), call.validation)
    meta = metadata_of(data)
    if meta.get("name", "") not in {"", call.name} or meta.get("namespace", "") not in {"", call.namespace}:
        raise BadRequest("the name and namespace of the object do not match those on the URL")
    request: TokenRequest = msgspec.convert(data, TokenRequest)
    if problems := list(_problems(request)):
        raise invalid(NAME[0], call.name, problems, group="authentication.k8s.io")
    account: types.ServiceAccount = store.get(call.kind, call.namespace, call.name).object
    bound = _bound(call, request.spec.bound_object_ref)
    issued = service_tokens.issue(
        account,
        seconds=request.spec.expiration_seconds or service_tokens.USUAL,
        audiences=request.spec.audiences,
        bound=bound,
    )
    request.kind, request.api_version = NAME
    request.metadata = types.ObjectMeta(
        name=call.name, namespace=call.namespace, creation_timestamp=types.now()
    )
    request.spec.audiences = request.spec.audiences or [service_tokens.AUDIENCE]
    request.spec.expiration_seconds = request.spec.expiration_seconds or service_tokens.USUAL
    request.status = TokenRequestStatus(
        token="" if call.dry_run else issued.text, expiration_timestamp=issued.expires_at
    )
    return Answer(201, types.encode(request))


def _problems(request: TokenRequest) -> list[Problem]:
    spec = request.spec
    shortest, longest = service_tokens.SHORTEST, 2**32
    found = list(
        refusals.between("spec.expirationSeconds", spec.expiration_seconds or None, shortest, longest)
    )
    if len(spec.audiences) > MOST_AUDIENCES:
        found.append(refusals.too_long("spec.audiences", MOST_AUDIENCES, "items"))
    for index, audience in enumerate(spec.audiences):
        found += refusals.plain(f"spec.audiences[{index}]", audience, LONGEST_AUDIENCE)
    bound = spec.bound_object_ref
    if bound is not None:
        path = "spec.boundObjectRef"
        found += refusals.one_of(f"{path}.kind", bound.kind, service_tokens.BINDABLE)
        found += refusals.one_of(f"{path}.apiVersion", bound.api_version, ("", "v1"))
        if not bound.name:
            found.append(refusals.required(f"{path}.name"))
    return found


def _bound(call: Call, reference: BoundObjectReference | None) -> service_tokens.Bound | None:
    """The object the token shall end with. Raises NotFound, or Conflict for another one of that name."""
    if reference is None:
        if call.actor.node:
            raise Forbidden("a node's request must be bound to a pod", name=call.name, kind="serviceaccounts")
        return None
    found: Any = store.get(
        by_key(service_tokens.BINDABLE[reference.kind]), call.namespace, reference.name
    ).object
    if reference.uid and reference.uid != found.metadata.uid:
        raise Conflict(
            f"the UID in the bound object reference ({reference.uid[:64]}) does not match the UID in record"
        )
    if reference.kind == "Pod" and found.spec.service_account_name != call.name:
        raise BadRequest(f'pod "{reference.name}" does not run as service account "{call.name}"')
    if call.actor.node and (reference.kind != "Pod" or found.spec.node_name != call.actor.node):
        raise Forbidden("a node may ask only for pods bound to it", name=call.name, kind="serviceaccounts")
    return service_tokens.Bound(reference.kind, reference.name, found.metadata.uid)
