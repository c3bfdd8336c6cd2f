"""Kinds that are not built: there are none of them, and none can be made.

They stand in discovery without a verb, so that clients ask here and read what to use instead; kubectl alone would say
that a definition is missing. The answers are the same for everybody and tell nothing of the cluster.
"""

from __future__ import annotations

from apps.api.accepts import Form, choose
from apps.api.calls import NOT_ALLOWED, warned
from apps.api.messages import Answer, Request
from apps.api.paths import UNKNOWN, Resource
from apps.cluster import types
from apps.cluster.absent import ABSENT
from apps.cluster.errors import MethodNotAllowed, NotFound

_BY_PLACE = {(one.group, one.version, one.plural): one for one in ABSENT}


def serves(target: Resource) -> bool:
    return (target.group, target.version, target.plural) in _BY_PLACE


def answer(request: Request, target: Resource) -> Answer:
    """An empty list to who reads; raises NotFound for one of them, MethodNotAllowed to who would make one."""
    absent = _BY_PLACE[target.group, target.version, target.plural]
    if target.subresource or (target.namespace is not None and not absent.namespaced):
        raise NotFound(UNKNOWN)
    if request.method in {"POST", "PUT", "PATCH"}:
        raise MethodNotAllowed(absent.sentence, kind=target.plural, group=target.group)
    if target.name:
        raise NotFound(
            f'{target.plural}.{target.group} "{target.name}" not found: {absent.sentence}',
            name=target.name,
            kind=target.plural,
            group=target.group,
        )
    if request.method == "DELETE" or request.query.flag("watch"):
        raise MethodNotAllowed(NOT_ALLOWED)
    if choose(request.headers.get("accept", "")).form is Form.TABLE:
        table = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": [], "rows": []}
        # Said to people only: what prunes or mirrors a namespace lists these as well.
        return Answer(200, types.encode(table), headers=warned((absent.sentence,)))
    api_version = f"{absent.group}/{absent.version}"
    return Answer(
        200,
        types.encode({"kind": f"{absent.kind}List", "apiVersion": api_version, "metadata": {}, "items": []}),
    )
