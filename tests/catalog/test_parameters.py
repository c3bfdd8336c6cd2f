"""Parameters: what each type lets through, when a question is asked, and what is refused in which words."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog import parameters
from apps.catalog.format import Option, Parameter
from tests.catalog.plans import shop

GOOD_AND_BAD: list[tuple[str, list[Any], list[Any]]] = [
    ("string", ["", "a line", "ü"], ["two\nlines", 3, True]),
    ("text", ["two\nlines"], [3, "nul\0"]),
    ("integer", [0, -5, 7], ["7", 1.5, True]),
    ("boolean", [True, False], ["true", 1]),
    ("size", ["1Gi", "500M"], ["big", "1GB", 7]),
    ("duration", ["5s", "10m", "500ms"], ["5", "s", "1.5h"]),
    ("hostname", ["a.example.com"], ["A.example", "a_b", "-a"]),
    ("port", [1, 65535], [0, 65536, "80"]),
    ("imageTag", ["7.2.5", "v1"], ["latest", "a b", ":x"]),
    ("url", ["https://example.com/x"], ["ftp://a", "https://u@a", "example.com"]),
    ("email", ["a@example.com"], ["a", "a@b", "a b@c.d"]),
    ("nodeSelector", ["disk=ssd"], ["disk", "a b=c"]),
    ("existingSecret", ["my-secret"], ["My"]),
    ("existingApp", ["shop"], ["shop.x"]),
]


@pytest.mark.parametrize(("kind", "good", "bad"), GOOD_AND_BAD, ids=[row[0] for row in GOOD_AND_BAD])
def test_a_type_takes_its_own_and_nothing_else(kind: str, good: list[Any], bad: list[Any]) -> None:
    parameter = Parameter(type=kind)
    assert [value for value in good if [*parameters.value_problems(parameter, value, "p")]] == []
    assert [value for value in bad if not [*parameters.value_problems(parameter, value, "p")]] == []


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        (Parameter(type="integer", min=2), 1, "must be at least 2"),
        (Parameter(type="size", max="1Gi"), "2Gi", "must be at most 1Gi"),
        (Parameter(type="duration", min="1m"), "30s", "must be at least 1m"),
        (Parameter(type="string", min_length=3), "ab", "must be at least 3 characters"),
        (Parameter(type="string", max_length=3), "abcd", "must be at most 3 characters"),
        (Parameter(type="string", pattern="[a-z]+"), "A", "must match [a-z]+"),
        (Parameter(type="string", pattern="[a-z]+", pattern_help="small letters"), "A", "small letters"),
        (
            Parameter(type="enum", options=[Option(value="a"), Option(value="b")]),
            "c",
            "must be one of 'a', 'b'",
        ),
    ],
)
def test_limits_say_what_they_are(parameter: Parameter, value: Any, words: str) -> None:
    (problem,) = parameters.value_problems(parameter, value, "spec.parameters[x]")
    assert problem.path == "spec.parameters[x]"
    assert problem.message.endswith(words)


def test_a_pattern_that_would_take_for_ever_elsewhere_takes_no_time() -> None:
    parameter = Parameter(type="string", pattern="(a+)+b")
    assert [*parameters.value_problems(parameter, "a" * 5000, "p")]


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"titel": "x"}, "spec.parameters[titel]", 'unknown parameter; did you mean "title"?'),
        ({"reach": "ingress"}, "spec.parameters[host]", "Required value: host"),
        (
            {"password": "x"}, "spec.parameters[password]",
            "Forbidden: a secret is not written here: leave it out to have it generated, or put it into the "
            "application's Secret first",
        ),
    ],
)  # fmt: skip
def test_what_is_given_wrongly_is_named(given: dict[str, Any], path: str, message: str) -> None:
    _, problems = parameters.resolve(shop().parameters, given)
    assert [(problem.path, problem.message) for problem in problems] == [(path, message)]


def test_what_is_not_asked_for_has_no_value_and_is_not_required() -> None:
    values, problems = parameters.resolve(shop().parameters, {"host": "not a host name!"})
    assert not problems
    assert values["host"] is None


def test_a_hidden_question_hides_those_that_depend_on_it() -> None:
    chain = {
        "a": Parameter(type="boolean", default=False),
        "b": Parameter(type="boolean", default=True, show_if="a == true"),
        "c": Parameter(type="string", required=True, show_if="b == true"),
    }
    assert parameters.resolve(chain, {}) == ({"a": False, "b": None, "c": None}, [])


def test_what_is_immutable_stays() -> None:
    (problem,) = parameters.fixed_problems(shop().parameters, {"disk": "1Gi"}, {"disk": "2Gi"})
    assert (problem.path, problem.message) == (
        "spec.parameters[disk]", "Forbidden: cannot change once installed (it is '1Gi')",
    )  # fmt: skip
