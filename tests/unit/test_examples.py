"""The articles' manifests are valid as they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.cluster import types
from apps.cluster.registry import kind_named

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MANIFESTS = sorted(EXAMPLES.glob("*/*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_of_the_articles_is_valid(path: Path) -> None:
    data: dict[str, Any] = yaml.safe_load(path.read_text())
    kind = kind_named(data["kind"])
    assert types.problems(kind.schema, data) == []
    obj = types.convert(kind.schema, data)
    obj.metadata.namespace = "default"
    kind.default(obj)
    assert [*kind.validate(obj)] == []


def test_the_articles_brought_all_their_manifests() -> None:
    assert len(MANIFESTS) == 10
