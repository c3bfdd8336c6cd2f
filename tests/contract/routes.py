"""Every address that is served, each with a request that would do something there; made from what is registered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.api import leases
from apps.api.discovery import REVIEWS, group_versions
from apps.cluster import types
from apps.cluster.registry import Kind, all_kinds
from tests.api.test_contract import place
from tests.builders import build

NAME = "zebra"
SPACE = "shop"
DRY = "dryRun=All"
MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Route:
    """One request. ``what`` is a kind's key, perhaps with a part; ``where`` is all, inside or object."""

    method: str
    path: str
    verb: str
    what: str
    where: str = ""
    body: Any = None
    media_type: str = "application/json"
    streams: bool = False

    @property
    def id(self) -> str:
        return f"{self.verb} {self.what} {self.where}".strip()

    @property
    def headers(self) -> dict[str, str]:
        return {"content-type": self.media_type} if self.body is not None else {}


# What each part of an object answers to: method -> (verb, body). A part that is not here has not been thought about.
Requests = tuple[tuple[str, str, Any], ...]
SCALE = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": NAME}, "spec": {"replicas": 2}}
TALK: Requests = (("GET", "get", None), ("POST", "create", {}))
PARTS: dict[str, Requests] = {
    "status": (("GET", "get", None), ("PUT", "update", "own"), ("PATCH", "patch", {"metadata": {}})),
    "scale": (("GET", "get", None), ("PUT", "update", SCALE), ("PATCH", "patch", {"spec": {"replicas": 2}})),
    "binding": (("POST", "create", {"kind": "Binding", "apiVersion": "v1", "target": {"name": NAME}}),),
    "log": (("GET", "get", None),),
    "exec": TALK,
    "attach": TALK,
    "portforward": TALK,
    "eviction": (("POST", "create", {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": NAME}}),),
    "token": (("POST", "create", {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}),),
    "ephemeralcontainers": (("GET", "get", None), ("PATCH", "patch", {"metadata": {}})),
    "finalize": (),
}
PUBLIC = ("/version", "/healthz", "/livez", "/readyz")
OLD = {"pods": "pods", "replicationControllers": "replicationcontrollers"}


def of_kinds() -> Iterator[Route]:
    """Each kind's collection, object and parts."""
    for kind in all_kinds():
        yield from _of_collection(kind)
        yield from _of_object(kind)
        for part in sorted(kind.subresources):
            yield from _of_part(kind, part)


def _data(kind: Kind, name: str) -> dict[str, Any]:
    data: dict[str, Any] = types.to_data(made(kind, name))
    return data


def made(kind: Kind, name: str) -> Any:
    """A valid object in the namespace that is none of the strangers' business."""
    place: dict[str, Any] = {"namespace": SPACE} if kind.namespaced else {}
    # A pod that is given nothing on its way in: sent once more, it is what is there.
    plain = {"spec__automount_service_account_token": False} if kind.name == "Pod" else {}
    return build(kind, name=name, **place, **plain)


def _of_collection(kind: Kind) -> Iterator[Route]:
    inside, key = place(kind, namespace=SPACE), kind.key
    where = "inside" if kind.namespaced else "all"
    yield Route("GET", inside, "list", key, where)
    yield Route("GET", f"{inside}?watch=1&timeoutSeconds=1", "watch", key, where, streams=True)
    yield Route("POST", f"{inside}?{DRY}", "create", key, where, _data(kind, "new"))
    if "deletecollection" in kind.verbs:
        yield Route("DELETE", f"{inside}?{DRY}", "deletecollection", key, where)
    if kind.namespaced:
        everywhere = inside.replace(f"/namespaces/{SPACE}", "")
        yield Route("GET", everywhere, "list", key, "all")
        yield Route("GET", f"{everywhere}?watch=1&timeoutSeconds=1", "watch", key, "all", streams=True)


def _of_object(kind: Kind) -> Iterator[Route]:
    path, key = place(kind, NAME, SPACE), kind.key
    yield Route("GET", path, "get", key, "object")
    yield Route("GET", f"{path}?watch=1&timeoutSeconds=1", "watch", key, "object", streams=True)
    yield Route("PUT", f"{path}?{DRY}", "update", key, "object", _data(kind, NAME))
    yield Route("PATCH", f"{path}?{DRY}", "patch", key, "object", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    yield Route("DELETE", f"{path}?{DRY}", "delete", key, "object")


def _of_part(kind: Kind, part: str) -> Iterator[Route]:
    path, what = f"{place(kind, NAME, SPACE)}/{part}", f"{kind.key}/{part}"
    for method, verb, body in PARTS[part]:
        media_type = MERGE if method == "PATCH" else "application/json"
        sent = _data(kind, NAME) if body == "own" else body
        query = f"?{DRY}" if method != "GET" else "?command=ls&stdout=1&ports=80"
        yield Route(method, path + query, verb, what, "object", sent, media_type)


def of_leases() -> Iterator[Route]:
    """Served like a kind, but only read."""
    kind = leases.KIND
    inside = place(kind, namespace=leases.NAMESPACE)
    yield Route("GET", inside, "list", kind.key, "inside")
    yield Route("GET", inside.replace(f"/namespaces/{leases.NAMESPACE}", ""), "list", kind.key, "all")
    yield Route("GET", f"{inside}/{NAME}", "get", kind.key, "object")


def of_reviews() -> Iterator[Route]:
    for plural, ((group, version), kind) in REVIEWS.items():
        attributes = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
        body = {"kind": kind, "apiVersion": f"{group}/{version}", "spec": attributes}
        what = "review" if plural.startswith("selfsubject") else plural  # of oneself, or of others
        yield Route("POST", f"/apis/{group}/{version}/{plural}", "create", what, "all", body)


def of_documents() -> Iterator[Route]:
    for path in PUBLIC:
        yield Route("GET", path, "get", "public", path)
    named = [f"/apis/{group}/{version}" if group else f"/api/{version}" for group, version in group_versions()]
    groups = [f"/apis/{group}" for group in sorted({group for group, _ in group_versions() if group})]
    for path in ("/api", "/apis", "/openapi/v3", "/openapi/v3/api/v1", *groups, *named):
        yield Route("GET", path, "get", "document", path)


def of_v1beta1() -> Iterator[Route]:
    """The first articles' addresses mean v1 requests: same verbs, same kinds."""
    manifest = {"containers": [{"name": "a", "image": "b:1"}]}
    pod = {"id": "new", "desiredState": {"manifest": manifest}}
    template = {"desiredState": {"manifest": manifest}, "labels": {"a": "b"}}
    controller = {"id": "new", "desiredState": {"podTemplate": template}}
    for plural, key in OLD.items():
        inside = f"/api/v1beta1/{plural}?namespace={SPACE}"
        path = f"/api/v1beta1/{plural}/{NAME}?namespace={SPACE}"
        body = pod if key == "pods" else controller
        yield Route("GET", inside, "list", key, "inside")
        yield Route("POST", f"{inside}&{DRY}", "create", key, "inside", body)
        yield Route("GET", path, "get", key, "object")
        yield Route("DELETE", f"{path}&{DRY}", "delete", key, "object")


def of_api() -> list[Route]:
    return [*of_kinds(), *of_leases(), *of_reviews(), *of_documents(), *of_v1beta1()]
