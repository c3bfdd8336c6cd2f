"""Whatever stands wherever in an object: the answer is an object or a refusal, never an internal error."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import pytest

from apps.api import core
from apps.api.messages import Answer, Query, Request
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.registry import Kind, all_kinds
from tests.api.test_contract import place
from tests.builders import build

ROOT = Actor("root", frozenset({"system:masters"}))
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 2**63 - 1, 2**64, 1.5, 1e300, "", "x", "A_b", "a" * 300, "é\x00\n", "10Gi", "-1",
    [], [None], [[]], [1], ["a", "a"], [{}], {}, {"": ""}, {"a": None}, {"a": {"b": []}}, {"$patch": "delete"},
)  # fmt: skip

Way = tuple[str | int, ...]


def ways(data: Any, way: Way = ()) -> Iterator[Way]:
    """Every place in an object."""
    if way:
        yield way
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in pairs:
        yield from ways(value, (*way, step))


def replaced(data: Any, way: Way, value: Any) -> Any:
    changed = copy.deepcopy(data)
    target = changed
    for step in way[:-1]:
        target = target[step]
    target[way[-1]] = value
    return changed


def asked(method: str, path: str, body: Any, content_type: str = "application/json") -> Answer:
    bare, _, query = path.partition("?")
    headers = {"content-type": content_type}
    answer = core.handle(ROOT, Request(method, bare, Query.parse(query), headers, json.dumps(body).encode()))
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.key)
def test_odd_values_are_refused_or_taken(cluster: None, kind: Kind) -> None:
    sample = types.to_data(build(kind))
    made = asked("POST", place(kind), sample)
    assert made.code == 201, made.body
    stored = json.loads(made.body)
    for owned in ("resourceVersion", "uid"):
        del stored["metadata"][owned]
    other = replaced(stored, ("metadata", "name"), "other")
    applied = replaced(stored, ("metadata", "managedFields"), [])
    requests = (
        ("POST", place(kind), other, "application/json"),
        ("PUT", place(kind, "sample"), stored, "application/json"),
        ("PATCH", place(kind, "sample"), stored, "application/strategic-merge-patch+json"),
        ("PATCH", place(kind, "sample"), applied, "application/apply-patch+yaml"),
    )
    query = "?dryRun=All&fieldManager=x"
    # Every value at every place, by one kind of request after the other: all four of them take as many minutes.
    each = 1 if os.environ.get("DROVER_TEST_EXAMPLES") else len(requests)
    failures = [
        (method, way, odd, answer.body)
        for turn, (method, path, body, content_type) in enumerate(requests)
        for way, odd in islice(product(ways(body), ODD), turn % each, None, each)
        if (answer := asked(method, path + query, replaced(body, way, odd), content_type)).code >= 500
    ]
    assert not failures, f"{len(failures)}: {failures[:5]}"
