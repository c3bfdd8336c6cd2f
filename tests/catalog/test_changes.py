"""What lies between two revisions, and what it costs to go from one to the other."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog import changes
from apps.catalog.changes import NO_NEWLINE, Field, Impact
from apps.catalog.types import RevisionSpec
from tests.catalog.plans import made, shop


def spec(given: dict[str, Any] | None = None, **how: Any) -> RevisionSpec:
    rendered = made(shop(**how), given)
    return RevisionSpec(
        application="acme", number=1, objects=list(rendered.objects), secrets=list(rendered.recipes),
        parameters=given or {},
    )  # fmt: skip


def told(old: RevisionSpec | None, new: RevisionSpec | None) -> list[str]:
    return [f"{one.verb} {one.kind} {one.name}" for one in changes.between(old, new)]


def test_equal_revisions_have_nothing_between_them() -> None:
    assert told(spec(), spec()) == []
    assert changes.impact_of(spec(), spec()) == ()


def test_a_first_revision_makes_everything() -> None:
    assert "create Deployment acme-web" in told(None, spec())
    assert not [line for line in told(None, spec()) if not line.startswith("create ")]


def test_a_changed_field_is_told_with_its_values() -> None:
    (one,) = changes.between(spec(), spec(components__web__image="shop:2"))
    assert one.fields == (Field("spec.template.spec.containers[web].image", "shop:1.2", "shop:2"),)


def test_a_changed_file_is_told_by_its_lines_and_not_by_what_holds_it() -> None:
    old, new = ("first\n" * 9 + f"{word}\nlast" for word in ("one", "two"))
    path = "/etc/nginx/site.conf"
    (one,) = changes.between(
        spec(components__web__files={path: {"content": old}}),
        spec(components__web__files={path: {"content": new}}),
    )
    assert (one.verb, one.kind, one.name, one.component) == ("change", "File", f"web:{path}", "web")
    assert one.fields == ()
    assert one.lines == ("@@ -7,5 +7,5 @@", " first", " first", " first", "-one", "+two", " last", NO_NEWLINE)
    impact = changes.impact_of(
        spec(components__web__files={path: {"content": old}}),
        spec(components__web__files={path: {"content": new}}),
    )
    assert [each.restarts for each in impact] == [2], "its pods are exchanged all the same"


def test_files_that_come_go_or_only_change_their_mode_leave_their_objects_out_of_it() -> None:
    files = {"/a": {"content": "a"}, "/b": {"content": "b"}}
    others = {"/b": {"content": "b", "mode": "0400"}, "/c": {"content": "c"}}
    found = changes.between(spec(components__web__files=files), spec(components__web__files=others))
    assert [(one.verb, one.name, one.fields) for one in found] == [
        ("change", "web:/b", (Field("mode", "0444", "0400"),)), ("create", "web:/c", ()), ("remove", "web:/a", ()),
    ]  # fmt: skip
    assert told(spec(components__web__files=None), spec()) == ["create File web:/etc/title"]


def test_a_file_that_takes_a_secret_into_it_is_the_same_file() -> None:
    (one,) = changes.between(
        spec(components__web__files={"/f": {"content": "open\n"}}),
        spec(components__web__files={"/f": {"content": "${params.password}\n"}}),
    )
    assert one.lines == ("@@ -1 +1 @@", "-open", "+<secret password>")


def test_a_variable_mixed_with_a_secret_is_told_by_its_value() -> None:
    (one,) = changes.between(spec(), spec(components__web__env__URL="redis://:${params.password}@elsewhere"))
    assert one.fields == (
        Field("spec.template.spec.containers[web].env[URL].value",
              "redis://:<secret password>@acme-db", "redis://:<secret password>@elsewhere"),
    )  # fmt: skip


def test_a_secret_that_is_exchanged_shows_where_it_is_used() -> None:
    rendered = made(shop(), None, password=1)
    new = RevisionSpec(
        application="acme", number=2, objects=list(rendered.objects), secrets=list(rendered.recipes)
    )
    found = changes.between(spec(), new)
    assert {(one.verb, one.name) for one in found} == {("change", "acme-db"), ("change", "acme-web")}
    assert {field.after for one in found for field in one.fields} == {"password=1"}


def test_a_secret_shows_as_the_name_of_its_parameter() -> None:
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
