"""exposure.drover.dev: what is reachable from outside, as far as one may see it. Read only, and no stored objects."""

from __future__ import annotations

from typing import Any

from apps.accounts import policy
from apps.api import tables
from apps.api.accepts import Form, choose
from apps.api.messages import Answer, Request
from apps.api.paths import UNKNOWN, Resource
from apps.cluster import store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import Forbidden, MethodNotAllowed, NotFound
from apps.cluster.exposure import Exposure, exposures
from apps.cluster.kinds import INGRESS, INGRESS_CLASS, NODE, POD, SERVICE

GROUP, VERSION, PLURAL, KIND = "exposure.drover.dev", "v1", "exposures", "Exposure"
VERBS = ("get", "list")
HEADS = ("Name", "Via", "Addresses", "Port", "Target", "Sources", "Why")


def answer(actor: Actor, request: Request, target: Resource) -> Answer:
    """One, the list of one namespace, or of all that one may see."""
    unnamed = target.name and target.namespace is None
    if (target.version, target.plural) != (VERSION, PLURAL) or target.subresource or unnamed:
        raise NotFound(UNKNOWN)
    if request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    verb = "get" if target.name else "list"
    decision = policy.authorize(actor, verb, GROUP, PLURAL, "", target.namespace or "", target.name)
    if not decision.allowed:
        raise Forbidden(f"{PLURAL}.{GROUP} is forbidden: {decision.reason}", kind=PLURAL, group=GROUP)
    services, pods, ingresses = (
        store.list(kind, namespace=target.namespace, sight=policy.scope(actor, kind)).objects
        for kind in (SERVICE, POD, INGRESS)
    )
    known = exposures(services, pods, store.list(NODE).objects, ingresses, store.list(INGRESS_CLASS).objects)
    found = [one for one in known if target.name in {"", _meta(one)["name"]}]
    if target.name and not found:
        raise NotFound(f'{PLURAL}.{GROUP} "{target.name}" not found', name=target.name, kind=PLURAL, group=GROUP)
    if choose(request.headers.get("accept", "")).form is Form.TABLE:
        return Answer(200, _table(found))
    items = [
        {"kind": KIND, "apiVersion": f"{GROUP}/{VERSION}", "metadata": _meta(one), "spec": one}
        for one in found
    ]
    listed = {"kind": f"{KIND}List", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}
    return Answer(200, types.encode(items[0] if target.name else listed))


def _meta(one: Exposure) -> dict[str, Any]:
    return {"name": f"{one.name}-{one.port}-{one.protocol.lower()}", "namespace": one.namespace}


def _table(found: list[Exposure]) -> bytes:
    """As kubectl prints it."""
    rows = (
        (
            [
                f"{one.kind.lower()}/{one.name}", one.via, ",".join(one.addresses) or "<none>",
                f"{one.port}/{one.protocol}", one.target, ",".join(one.source_ranges) or "<all>", one.why,
            ],
            _meta(one),
        )
        for one in found
    )  # fmt: skip
    return tables.plain(HEADS, rows, {})
