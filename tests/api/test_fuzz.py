"""Whatever is sent to whichever address: never a 500, and a refusal has changed nothing at all.

A fixed choice of examples runs each time; DROVER_FUZZ_EXAMPLES asks for so many others over all kinds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.db import transaction
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from apps.api import core
from apps.api.discovery import REVIEWS
from apps.api.messages import Answer, Query, Request, Stream
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.kinds import POD
from apps.cluster.registry import Kind, all_kinds
from tests.api import hostile
from tests.api.test_contract import place
from tests.builders import build

ROOT = Actor("root", frozenset({"system:masters"}))
ASKED = int(os.environ.get("DROVER_FUZZ_EXAMPLES") or 0)
EXAMPLES = -(-ASKED // (len(all_kinds()) + 2)) if ASKED else 60
PATCHES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
TYPES = (*["application/json"] * 16, "", "application/yaml", "application/vnd.kubernetes.protobuf", "text/plain")
MANIFESTS = Path(__file__).parents[2] / "examples" / "v1beta1"
ARTICLES = (
    ("pods", json.loads((MANIFESTS / "redis.json").read_text())),
    ("replicationControllers", json.loads((MANIFESTS / "redisController.json").read_text())),
)
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize=not ASKED,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.target) if ASKED else (Phase.explicit, Phase.generate),
    suppress_health_check=[*HealthCheck],
    print_blob=False,
)


@pytest.fixture(autouse=True)
def samples(cluster: None) -> None:
    """One object of each kind, so that updates and patches have something to hit."""
    for kind in all_kinds():
        made = ask(Request("POST", place(kind), body=types.encode(build(kind))))
        assert isinstance(made, Answer) and made.code == 201, made


def ask(request: Request) -> Answer | Stream:
    return core.handle(ROOT, request)


@contextmanager
def forgotten() -> Iterator[None]:
    """What happens inside has not happened afterwards: each example finds the same cluster."""
    with transaction.atomic():
        point = transaction.savepoint()
        try:
            yield
        finally:
            transaction.savepoint_rollback(point)


def digest() -> str:
    """Of every row of every table of ours."""
    found = hashlib.sha256()
    for label in ("cluster", "accounts", "nodes"):
        for model in apps.get_app_config(label).get_models():
            found.update(repr([*model._default_manager.order_by("pk").values_list()]).encode())
    return found.hexdigest()


@st.composite
def requests(draw: st.DrawFn, kind: Kind) -> Request:
    """One request about a kind: any verb it could have, on an object, the collection or a part."""
    data = types.to_data(build(kind))
    part = draw(st.sampled_from((*[""] * 12, *sorted(kind.subresources), *sorted(kind.subresources), "odd")))
    method = draw(st.sampled_from(("POST", "PUT", "PATCH", "PATCH", "PATCH", "DELETE", "GET", "HEAD")))
    named = part or method in {"PUT", "PATCH"} or (method != "POST" and draw(st.booleans()))
    name = draw(st.sampled_from((*["sample"] * 20, "other", "Ä b", "a" * 300))) if named else ""
    path = f"{place(kind, name)}/{part}" if part else place(kind, name)
    media_type = draw(st.sampled_from(PATCHES if method == "PATCH" else TYPES))
    body = b""
    if method == "PATCH":
        patches = hostile.json_patches(data) if media_type == PATCHES[0] else hostile.merge_patches(data)
        if media_type == PATCHES[3]:
            patches = hostile.spoiled(data)
        body = draw(hostile.broken(hostile.encoded(draw(patches))))
    elif method == "DELETE":
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
                   "propagationPolicy": "Foreground"}  # fmt: skip
        if draw(st.booleans()):
            options["preconditions"] = {"uid": "x"}
        body = draw(st.just(b"") | hostile.spoiled(options).map(hostile.encoded))
    elif method in {"POST", "PUT"}:
        sample = _part_sample(part, data)
        if method == "POST" and not part:
            sample["metadata"]["name"] = draw(st.sampled_from(("new", "sample")))
        body = draw(hostile.broken(hostile.encoded(draw(hostile.spoiled(sample)))))
    pairs = draw(hostile.queries)
    if media_type == PATCHES[3]:
        pairs = [*pairs, ("fieldManager", "fuzz"), ("force", "true")]
    return Request(method, path, Query(pairs), {"content-type": media_type, "accept": draw(hostile.accepts)}, body)


def _part_sample(part: str, data: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": "sample", "namespace": data["metadata"].get("namespace", "")}
    meta = {key: value for key, value in meta.items() if value}
    match part:
        case "scale":
            return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": {"replicas": 3}}
        case "binding":
            return {"kind": "Binding", "apiVersion": "v1", "metadata": meta, "target": {"name": "sample"}}
        case "eviction":
            return {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": meta}
        case "status":
            status = {"phase": "Running", "podIP": "10.64.0.9", "replicas": 1, "capacity": {"cpu": "1"},
                      "conditions": [{"type": "Ready", "status": "True"}]}  # fmt: skip
            return {**data, "status": status}
    return data


@st.composite
def old_requests(draw: st.DrawFn) -> Request:
    """The same for the first articles' API."""
    plural, sample = draw(st.sampled_from(ARTICLES))
    method = draw(st.sampled_from(("POST", "POST", "POST", "PUT", "GET", "DELETE", "PATCH")))
    name = draw(st.sampled_from(("", "sample", "redisController", "é", "..")))
    path = f"/api/v1beta1/{plural}/{name}" if name and method != "POST" else f"/api/v1beta1/{plural}"
    body = b""
    if method in {"POST", "PUT"}:
        body = draw(hostile.broken(hostile.encoded(draw(hostile.spoiled(sample)))))
    return Request(method, path, Query(draw(hostile.queries)), {"accept": draw(hostile.accepts)}, body)


@st.composite
def reviews(draw: st.DrawFn) -> Request:
    """Questions about oneself."""
    plural, ((group, version), kind) = draw(st.sampled_from(sorted(REVIEWS.items())))
    spec = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
    sample = {"kind": kind, "apiVersion": f"{group}/{version}", "spec": spec}
    body = draw(hostile.broken(hostile.encoded(draw(hostile.spoiled(sample)))))
    headers = {"accept": draw(hostile.accepts), "content-type": draw(st.sampled_from(TYPES))}
    return Request("POST", f"/apis/{group}/{version}/{plural}", Query(draw(hostile.queries)), headers, body)


ASKED_ABOUT: list[Any] = [
    *(pytest.param(requests(kind), kind, id=kind.key) for kind in all_kinds()),
    pytest.param(old_requests(), POD, id="v1beta1"),
    pytest.param(reviews(), POD, id="reviews"),
]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("asking", "kind"), ASKED_ABOUT)
def test_hostile_requests_are_refused_without_a_trace(
    asking: st.SearchStrategy[Request], kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    before = digest()

    @fuzzed
    @given(asking)
    def refused_or_done(request: Request) -> None:
        caplog.clear()
        with forgotten():
            answer = ask(request)
            if isinstance(answer, Stream):
                return
            event(f"{request.method} {answer.code}")
            # Kubernetes' own answer, and its clients', to a version that this cluster has not reached.
            awaited = answer.code == 504 and b"Too large resource version" in answer.body
            assert answer.code < 500 or awaited, (answer.body, caplog.text)
            if answer.code >= 400:
                assert digest() == before, f"{answer.code} left a trace"
            elif request.method not in {"GET", "HEAD"}:
                _still_read(kind)
            if answer.body and answer.content_type == "application/json":
                orjson.loads(answer.body)

    refused_or_done()
    assert digest() == before


def _still_read(kind: Kind) -> None:
    """What was let in does not break those who read it."""
    for accept in ("", TABLE):
        listed = ask(Request("GET", place(kind), headers={"accept": accept}))
        assert isinstance(listed, Answer) and listed.code == 200, listed
        orjson.loads(listed.body)
