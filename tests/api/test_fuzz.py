"""Whatever is sent to whichever address: never a 500, and a refusal has changed nothing at all.

A fixed choice of examples runs each time; DROVER_FUZZ_EXAMPLES asks for so many others over all kinds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.db import transaction
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from apps.api import core
from apps.api.messages import Answer, Query, Request, Stream
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.registry import Kind, all_kinds
from tests.api import hostile
from tests.api.test_contract import place
from tests.builders import build

ROOT = Actor("root", frozenset({"system:masters"}))
ASKED = int(os.environ.get("DROVER_FUZZ_EXAMPLES") or 0)
EXAMPLES = -(-ASKED // len(all_kinds())) if ASKED else 60
PATCHES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
TYPES = ("application/json", "", "application/yaml", "application/vnd.kubernetes.protobuf", "text/plain")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"

fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize=not ASKED,
    database=None,
    deadline=None,
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
    part = draw(st.sampled_from(("", "", "", *sorted(kind.subresources), "odd")))
    method = draw(st.sampled_from(("POST", "PUT", "PATCH", "PATCH", "PATCH", "DELETE", "GET", "HEAD")))
    named = part or method in {"PUT", "PATCH"} or draw(st.booleans())
    name = draw(st.sampled_from(("sample", "sample", "sample", "other", "Ä b", "a" * 300))) if named else ""
    path = f"{place(kind, name)}/{part}" if part else place(kind, name)
    media_type = draw(st.sampled_from(PATCHES if method == "PATCH" else TYPES))
    body = b""
    if method == "PATCH":
        patches = hostile.json_patches(data) if media_type == PATCHES[0] else hostile.merge_patches(data)
        body = draw(hostile.broken(hostile.encoded(draw(patches))))
    elif method == "DELETE":
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
                   "preconditions": {"uid": "x"}, "propagationPolicy": "Foreground"}  # fmt: skip
        body = draw(st.just(b"") | hostile.spoiled(options).map(hostile.encoded))
    elif method in {"POST", "PUT"}:
        sample = _part_sample(part, data)
        if method == "POST" and not part:
            sample["metadata"]["name"] = draw(st.sampled_from(("new", "sample")))
        body = draw(hostile.broken(hostile.encoded(draw(hostile.spoiled(sample)))))
    query = Query(draw(hostile.queries))
    return Request(method, path, query, {"content-type": media_type, "accept": draw(hostile.accepts)}, body)


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


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.key)
def test_hostile_requests_are_refused_without_a_trace(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    before = digest()

    @fuzzed
    @given(requests(kind))
    def refused_or_done(request: Request) -> None:
        caplog.clear()
        with forgotten():
            answer = ask(request)
            if isinstance(answer, Stream):
                return
            event(f"{request.method} {answer.code}")
            assert answer.code < 500, (answer.body, caplog.text)
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
