"""``docs/templates.md``: every example is a template that can be installed, every answer is the one that is given."""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from apps.catalog import parameters
from apps.catalog.kinds import APPLICATION_TEMPLATE
from apps.catalog.render import Identity, render
from apps.catalog.schema import schema
from apps.catalog.types import ApplicationTemplate
from apps.cluster import types

PAGE = (Path(__file__).parents[2] / "docs/templates.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WHOLE = [yaml.safe_load(block) for block in BLOCKS if block.startswith("apiVersion:")]
PIECES = [block for block in BLOCKS if not block.startswith("apiVersion:")]
ANSWERS = re.findall(r"^\| `([a-z]+: .*)` \| `(.*)` \|$", PAGE, re.MULTILINE)
SHOP = WHOLE[0]


def over(base: Any, piece: Any) -> Any:
    """``piece`` put over ``base``: maps are merged, anything else is replaced."""
    if isinstance(base, dict) and isinstance(piece, dict):
        return {**base, **{key: over(base.get(key), value) for key, value in piece.items()}}
    return piece


def shop_with(piece: str) -> dict[str, Any]:
    data: dict[str, Any] = types.prune_nulls(over(deepcopy(SHOP), {"spec": yaml.safe_load(piece)}))
    return data


def answers(data: dict[str, Any]) -> list[str]:
    found = types.problems(ApplicationTemplate, data) or [
        *APPLICATION_TEMPLATE.validate(types.convert(ApplicationTemplate, data))
    ]
    return [f"{problem.path}: {problem.message}" for problem in found]


@pytest.mark.parametrize("piece", ["{}", *PIECES], ids=lambda piece: re.sub(r"\W+", " ", piece)[:40])
def test_an_example_is_sound_and_renders(piece: str) -> None:
    data = shop_with(piece)
    assert answers(data) == []
    assert list(jsonschema.Draft202012Validator(schema()).iter_errors(data)) == []
    template = types.convert(ApplicationTemplate, data)
    values, problems = parameters.resolve(template.spec.parameters, {})
    assert problems == []
    assert render(Identity("default", "shop", "uid"), template.spec, values).objects


@pytest.mark.parametrize(("written", "told"), ANSWERS)
def test_an_answer_is_the_one_that_is_given(written: str, told: str) -> None:
    assert any(told in answer for answer in answers(shop_with(written))), answers(shop_with(written))


def test_the_page_shows_every_part_of_the_format() -> None:
    shown = {key for block in BLOCKS for key in re.findall(r"(?:^|[{ ,])([A-Za-z]+):", block, re.MULTILINE)}
    in_words = set(re.findall(r"`([A-Za-z]+)`", PAGE))
    parts = ("TemplateSpec", "Component", "Endpoint", "Check", "Probe", "Parameter", "Resources", "Security")
    taught = {field for part in parts for field in schema()["$defs"][part]["properties"]}
    assert taught - shown - in_words == set()
    assert len(ANSWERS) > 5
