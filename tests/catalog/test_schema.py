"""The published schema of the format against the server's own checks: what it refuses, the server refuses too."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import jsonschema
import pytest
from django.test import Client
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.catalog import bundled
from apps.catalog.kinds import APPLICATION_TEMPLATE
from apps.catalog.schema import PATH, schema
from apps.catalog.types import ApplicationTemplate
from apps.cluster import documents, types
from tests.catalog.plans import put, shop
from tests.catalog.test_checking import BROKEN

VALIDATOR = jsonschema.Draft202012Validator(schema())
ELSEWHERE = (
    "Not found: ", "Duplicate value: ", "is no regular expression", "must be at most 5", "no parameter ", "in a circle",
    "is db's already", "no other component", "a job is waited for", "no port", "did you mean", "is taken by",
    "must be declared", "no component", "one endpoint is", "names none of", "must begin with one of", "a secret may",
    "is known only", "must say which versions", "address wants", "a component has host", "is no reference",
)  # fmt: skip
"""Words of refusals that look beyond one place, or read what is inside a text: only the server gives these."""


def template(**changes: Any) -> dict[str, Any]:
    """A template that uses every part of the format, as its file is read."""
    spec = types.to_data(shop())
    data = {
        "apiVersion": "drover.dev/v1", "kind": "ApplicationTemplate", "metadata": {"name": "shop"},
        "spec": {"version": "1.0.0", "title": "Shop", "summary": "A shop.", **spec},
    }  # fmt: skip
    for path, value in changes.items():
        put(data["spec"], path.split("__"), value)
    return data


def refusals(data: Any) -> list[str]:
    """What the server says of it."""
    found = types.problems(ApplicationTemplate, data) or APPLICATION_TEMPLATE.validate(
        types.convert(ApplicationTemplate, data)
    )
    return [problem.message for problem in found]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", sorted(bundled.BUNDLE.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_bundled_template_is_of_the_schema(path: Any) -> None:
    for document in documents.read(path.read_bytes()):
        assert [error.message for error in VALIDATOR.iter_errors(document)] == []


def test_what_the_server_serves_is_of_the_schema() -> None:
    """Whoever edits what ``kubectl get`` gave has no error to begin with."""
    served = types.to_data(types.convert(ApplicationTemplate, template()))
    assert [error.message for error in VALIDATOR.iter_errors(served)] == []


MORE: list[tuple[dict[str, Any], str]] = [
    ({"version": ""}, "Required value"),
    ({"upgrades": [{"from": "before 2", "note": "x"}]}, "must say which versions"),
    ({"links": {"docs": "http://example.org"}}, "https"),
    ({"components__web__replicsa": 2}, "unknown field"),
    ({"parameters__title__lable": "x"}, "unknown field"),
    ({"y-note": "only x-"}, "unknown field"),
    ({"parameters__title__type": "strnig"}, "supported values"),
    ({"components__web__replicas": True}, "must be"),
    ({"components__web__image": None}, "Required value"),
    ({"components__web__env": ["A=1"]}, "must be an object"),
]


@pytest.mark.parametrize(
    ("changes", "words"),
    [*[(row[0], row[2]) for row in BROKEN], *MORE],
    ids=[*[f"{row[1]}: {row[2][:30]}" for row in BROKEN], *[next(iter(row[0])) for row in MORE]],
)
def test_a_wrong_template_is_refused_by_both(changes: dict[str, Any], words: str) -> None:
    data = template(**changes)
    assert any(words in told for told in refusals(data)), refusals(data)
    looks_elsewhere = any(part in words for part in ELSEWHERE) and "unknown field" not in words
    assert VALIDATOR.is_valid(data) == looks_elsewhere


def places(data: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in plain data."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, item in inner:
        yield (*way, step)
        yield from places(item, (*way, step))


WHOLE = template(
    requires={"nodes": 1, "cpu": "100m", "memory": "1Gi", "privileges": ["capabilities"]},
    links={"docs": "https://example.org"}, upgrades=[{"from": "<1.0", "note": "Long ago."}],
    components__worker={
        "image": "shop:1.2", "autoscale": {"min": 1, "max": "${params.copies}", "cpu": 70},
        "update": {"maxSurge": "25%"},
        "ports": {"web": {"port": 80, "protocol": "TCP"}}, "stopTimeout": "5s", "nodes": {"disk": "fast"},
        "probes": {"live": {"exec": ["true"], "every": "5s", "failures": 3}, "start": {"tcp": "web", "wait": "1s"}},
        "resources": {"cpu": "100m", "limits": {"memory": "1Gi"}},
        "security": {"runAsUser": 1, "capabilities": ["KILL"]},
    },
    components__seed={"image": "shop:1.2", "kind": "job", "workingDir": "/srv", "after": {"db": "started"}},
    endpoints__more={"component": "worker", "port": "web", "via": "nodePort", "nodePort": 30080, "path": "/x"},
    checks=[{"name": "pings", "exec": {"component": "db", "command": ["ping"]}, "within": "5s"}],
)  # fmt: skip
WORDS = st.sampled_from([
    "", "/", "/a", "/a/../b", "${params.copies}", "5s", "1Gi", "ready", "TCP", "http", "image:1", "image:latest",
    "secret", "enum", "reach == 'a'", "x y", "0444", "rolling", "https://x", "internal", "deployment", "-", "a" * 64,
])  # fmt: skip
ANYTHING = st.one_of(
    WORDS, st.integers(-2, 70000), st.booleans(), st.lists(WORDS, max_size=1),
    st.dictionaries(st.sampled_from(["a", "A_B", "x-a", "type", "http", "/f", "secret", "port"]), WORDS, max_size=2),
)  # fmt: skip


def test_what_uses_every_part_is_of_the_schema() -> None:
    assert refusals(WHOLE) == []
    assert [error.message for error in VALIDATOR.iter_errors(WHOLE)] == []


@settings(max_examples=150)
@given(way=st.sampled_from([*places(WHOLE["spec"])]), value=ANYTHING)
@example(way=("components", "web", "x-note"), value={"any": ["thing", None]})
def test_what_the_schema_refuses_the_server_refuses_too(way: tuple[str | int, ...], value: Any) -> None:
    data = deepcopy(WHOLE)
    place = data["spec"]
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = value
    if not VALIDATOR.is_valid(data):
        assert refusals(data), [error.message for error in VALIDATOR.iter_errors(data)]


def test_an_authors_own_keys_are_kept_where_they_stand() -> None:
    own = {"x-note": {"any": ["thing", 1, "${"]}, "x-*": {"replicas": 7}}
    data = template(
        **{
            "x-made-by": "Ana",
            "components__web__x-note": own,
            "components__web__ports__http": {"port": 80, "x-a": 1},
        }
    )
    made = types.convert(ApplicationTemplate, data)
    assert VALIDATOR.is_valid(data)
    assert list(APPLICATION_TEMPLATE.validate(made)) == []
    assert types.decode(ApplicationTemplate, types.encode(made)) == made
    served = types.to_data(made)["spec"]
    assert served["x-made-by"] == "Ana"
    assert served["components"]["web"]["x-note"] == own
    assert served["components"]["web"]["ports"]["http"] == {"port": 80, "x-a": 1}


def test_everybody_may_read_it(client: Client) -> None:
    answer = client.get(f"/{PATH}")
    assert answer.status_code == 200
    assert answer.json() == schema()
    assert answer["Content-Type"] == "application/schema+json"
