"""Checks: what is asked of which pod, and which answers will do."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog import checks
from apps.catalog.checks import Question
from apps.catalog.types import Application, ApplicationSpec
from apps.cluster import types
from tests.catalog.plans import shop

PAGE = Question("answers", contains="", patience=60, writes=False, component="web", port=8080, expect=200)
COMMAND = Question("pings", contains="PONG", patience=60, writes=False, component="db", command=("ping",))


def asked(**check: Any) -> Question:
    spec = ApplicationSpec(definition=shop(checks=[{"name": "it", **check}]), parameters={"title": "Böcker"})
    (found,) = checks.questions(
        Application(metadata=types.ObjectMeta(name="my", namespace="default"), spec=spec)
    )
    return found


def test_a_page_is_asked_of_the_component_behind_its_endpoint() -> None:
    found = asked(http="${endpoints.web.internalUrl}find?q=${params.copies}", expect=204, within="2m")
    assert found == Question(
        "it", contains="", patience=120, writes=False, component="web", expect=204, port=8080, host="my-web:8080",
        path="/find?q=2",
    )  # fmt: skip


def test_a_command_must_end_well_and_say_what_is_expected() -> None:
    found = asked(
        exec={"component": "db", "command": ["echo", "${params.title}"]},
        contains="${params.title}",
        writes=True,
    )
    assert (found.command, found.contains, found.expect, found.writes) == (
        ("echo", "Böcker"),
        "Böcker",
        0,
        True,
    )


@pytest.mark.parametrize(
    ("question", "code", "text", "trouble"),
    [
        (PAGE, 200, "", ""),
        (PAGE, 404, "not here", "answered 404"),
        (COMMAND, 0, "PONG\n", ""),
        (COMMAND, 0, "nothing", "did not say 'PONG'"),
        (COMMAND, 1, "refused\n", "ended with 1: refused"),
    ],
)
def test_an_answer_will_do_or_is_told_in_words(
    question: Question, code: int, text: str, trouble: str
) -> None:
    assert checks.trouble(question, code, text) == trouble
