"""What clients call kinds by: the names that Kubernetes gives them."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts import tokens
from apps.api import asgi, discovery
from apps.cluster.registry import all_kinds
from apps.cluster.work import in_db
from tests.api.doors import AsgiDoor, Door

SHORT = {
    "po": "pods", "rc": "replicationcontrollers", "svc": "services", "ep": "endpoints", "ns": "namespaces",
    "no": "nodes", "cm": "configmaps", "sa": "serviceaccounts", "pvc": "persistentvolumeclaims",
    "pv": "persistentvolumes", "quota": "resourcequotas", "limits": "limitranges", "ev": "events",
    "deploy": "deployments", "rs": "replicasets", "sts": "statefulsets", "ds": "daemonsets",
    "hpa": "horizontalpodautoscalers", "cj": "cronjobs", "ing": "ingresses", "netpol": "networkpolicies",
    "sc": "storageclasses", "pc": "priorityclasses", "pdb": "poddisruptionbudgets",
    "crd": "customresourcedefinitions", "crds": "customresourcedefinitions",
}  # fmt: skip
"""As `kubectl api-resources` of Kubernetes 1.32 lists them, of the kinds that are known here."""
ALL = {
    "pods", "replicationcontrollers", "services", "deployments", "replicasets", "horizontalpodautoscalers", "jobs",
    "cronjobs",
}  # fmt: skip
"""What `kubectl get all` means, of the kinds that are built."""
OURS = "drover.dev"


def entries() -> list[dict[str, Any]]:
    """Every resource, as aggregated discovery tells of it."""
    groups = [*discovery.answer(("api",), "v2")["items"], *discovery.answer(("apis",), "v2")["items"]]
    return [one for group in groups for version in group["versions"] for one in version["resources"]]


def test_short_names_are_those_of_kubernetes() -> None:
    told = [(short, one["resource"]) for one in entries() for short in one["shortNames"]
            if one["responseKind"]["group"] != OURS]  # fmt: skip
    assert dict(told) == SHORT
    assert sorted({short for short, _ in told}) == sorted(SHORT)


def test_no_name_means_two_resources_unless_they_are_versions_of_one() -> None:
    meant: dict[str, set[tuple[str, str]]] = {}
    for one in entries():
        for name in {one["singularResource"], one["responseKind"]["kind"].lower(), *one["shortNames"]}:
            meant.setdefault(name, set()).add((one["responseKind"]["group"], one["resource"]))
    assert {name: found for name, found in meant.items() if len(found) > 1} == {}


def test_all_means_what_it_means_in_kubernetes_and_applications() -> None:
    told = {one["resource"] for one in entries() if one["categories"] == ["all"]}
    assert told == ALL | {"applications"}


def test_a_resource_has_its_kind_in_lower_case_as_its_singular_name() -> None:
    for one in entries():
        assert one["singularResource"] == one["responseKind"]["kind"].lower(), one


@pytest.mark.parametrize("name", discovery.group_versions(), ids="/".join)
def test_the_older_pieces_tell_the_same(name: tuple[str, str]) -> None:
    group, version = name
    parts = ("apis", group, version) if group else ("api", version)
    pieces = {one["name"]: one for one in discovery.answer(parts, "")["resources"]}
    whole = [
        one for one in entries() if (one["responseKind"]["group"], one["responseKind"]["version"]) == name
    ]
    names = [one["resource"] for one in whole]
    names += [f"{one['resource']}/{part['subresource']}" for one in whole for part in one["subresources"]]
    assert sorted(pieces) == sorted(names)
    for one in whole:
        piece = pieces[one["resource"]]
        assert (piece["shortNames"], piece["singularName"]) == (one["shortNames"], one["singularResource"])
        assert (piece["verbs"], piece["namespaced"]) == (one["verbs"], one["scope"] == "Namespaced")


def test_a_part_that_speaks_another_kind_names_its_group() -> None:
    pieces = {one["name"]: one for one in discovery.answer(("apis", "apps", "v1"), "")["resources"]}
    scale = pieces["deployments/scale"]
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert "group" not in pieces["deployments/status"]


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.key)
def test_a_manifest_finds_where_its_kind_is_served(kind: Any) -> None:
    assert discovery.collection(kind.api_version, kind.name) == (kind.plural, kind.namespaced)


async def test_the_root_tells_programs_of_paths_and_browsers_of_the_dashboard(admin: str) -> None:
    told = await AsgiDoor(admin).ask("GET", "/")
    assert {"/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz", "/version"} <= set(told.data["paths"])
    for path in told.data["paths"]:
        assert (await AsgiDoor(admin).ask("GET", path)).code == 200, path
    nobody = await in_db(tokens.issue, "nobody", ["system:authenticated"])
    assert (await AsgiDoor(nobody).ask("GET", "/")).code == 403
    scope = {"type": "http", "path": "/", "headers": [(b"authorization", b"Bearer x")]}
    assert asgi.serves(scope)
    assert not asgi.serves({**scope, "headers": [*scope["headers"], (b"accept", b"text/html,*/*")]})
    assert not asgi.serves({**scope, "headers": [(b"accept", b"*/*")]})
    assert not asgi.serves({**scope, "type": "websocket"})


async def test_health_tells_what_was_looked_at_when_asked_to(door: Door) -> None:
    assert (await door.ask("GET", "/readyz")).body == b"ok"
    told = await door.ask("GET", "/readyz?verbose")
    assert told.body == b"[+]ping ok\n[+]database ok\nreadyz check passed\n"
