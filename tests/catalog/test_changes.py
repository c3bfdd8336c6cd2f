"""What lies between two revisions, and what it costs to go from one to the other."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog import changes
from apps.catalog.changes import Field, Impact
from apps.catalog.types import RevisionSpec
from tests.catalog.plans import made, shop


def spec(given: dict[str, Any] | None = None, **how: Any) -> RevisionSpec:
    rendered = made(shop(**how), given)
    return RevisionSpec(
        application="acme", number=1, objects=list(rendered.objects), secrets=list(rendered.recipes),
        parameters=given or {},
    )  # fmt: skip


def told(old: RevisionSpec | None, new: RevisionSpec | None) -> list[str]:
    return [f"{one.verb} {one.kind} {one.name.rsplit('-files-')[0]}" for one in changes.between(old, new)]


def test_equal_revisions_have_nothing_between_them() -> None:
    assert told(spec(), spec()) == []
    assert changes.impact_of(spec(), spec()) == ()


def test_a_first_revision_makes_everything() -> None:
    assert "create Deployment acme-web" in told(None, spec())
    assert not [line for line in told(None, spec()) if not line.startswith("create ")]


def test_a_changed_field_is_told_with_its_values() -> None:
    (one,) = changes.between(spec(), spec(components__web__image="shop:2"))
    assert one.fields == (Field("spec.template.spec.containers[web].image", "shop:1.2", "shop:2"),)


def test_a_file_that_changes_is_another_config_map() -> None:
    lines = told(spec(), spec({"title": "Other"}))
    assert "create ConfigMap acme-web" in lines
    assert lines[-1] == "remove ConfigMap acme-web"


def test_a_secret_shows_as_the_name_of_its_parameter() -> None:
    other = spec(components__web__env__URL="redis://:${params.password}@elsewhere")
    made_new = [one for one in changes.between(spec(), other) if one.kind == "Secret"]
    assert [one.verb for one in made_new] == ["create", "remove"]
    (field,) = [
        f for one in changes.between(spec(), spec(components__web__env__PASSWORD=None)) for f in one.fields
    ]
    assert "password" in repr(field)


@pytest.mark.parametrize(
    ("new", "impact"),
    [
        (
            {"components__web__image": "shop:2"},
            Impact("web", "web exchanges 2 pods one after the other, without a gap", 2),
        ),
        (
            {"components__db__image": "redis:8"},
            Impact("db", "db stops, then starts anew: a short gap", 1, downtime=True),
        ),
        ({"components__web__replicas": 3}, Impact("web", "web goes from 2 to 3 pods")),
        ({"components__web__replicas": 0}, Impact("web", "web goes from 2 to 0 pods", downtime=True)),
        ({"components__extra": {"image": "x:1"}}, Impact("extra", "extra starts with 1 pod")),
        ({"components__once": {"image": "x:1", "kind": "job"}}, Impact("once", "once runs once")),
    ],
)
def test_what_a_component_goes_through(new: dict[str, Any], impact: Impact) -> None:
    assert changes.impact_of(spec(), spec(**new)) == (impact,)


def test_a_removed_component_is_a_gap() -> None:
    assert changes.impact_of(spec(components__extra={"image": "x:1"}), spec()) == (
        Impact("extra", "extra is removed", downtime=True),
    )


def test_values_are_told_apart() -> None:
    assert changes.values_between(spec({"title": "A"}), spec({"title": "B", "copies": 3})) == (
        Field("title", "A", "B"), Field("copies", None, 3),
    )  # fmt: skip
