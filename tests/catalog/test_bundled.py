"""The catalog that comes with Drover: every template is sound, renders with its defaults, and comes in once."""

from __future__ import annotations

import pytest

from apps.catalog import bundled, parameters
from apps.catalog.kinds import APPLICATION_TEMPLATE
from apps.catalog.render import Identity, render
from apps.catalog.types import ApplicationTemplate
from apps.cluster import store, types
from apps.cluster.registry import kind_named
from tests.harness import TESTER

every_template = pytest.mark.parametrize("template", bundled.templates(), ids=lambda one: one.metadata.name)


@every_template
def test_a_template_is_sound(template: ApplicationTemplate) -> None:
    assert list(APPLICATION_TEMPLATE.validate(template)) == []
    assert template.spec.title and template.spec.summary


@every_template
def test_its_defaults_make_objects_that_this_cluster_knows(template: ApplicationTemplate) -> None:
    values, problems = parameters.resolve(template.spec.parameters, {})
    assert problems == []
    for manifest in render(Identity("default", "it", "uid"), template.spec, values).objects:
        kind = kind_named(manifest["kind"], manifest["apiVersion"].rpartition("/")[0])
        obj = types.convert(kind.schema, manifest)
        kind.default(obj)
        assert list(kind.validate(obj)) == []


@every_template
def test_its_programs_can_be_read(template: ApplicationTemplate) -> None:
    """Whether they work is found on three nodes."""
    for component in template.spec.components.values():
        for path, file in component.files.items():
            if path.endswith(".py"):
                compile(file.content, path, "exec")


@every_template
def test_its_card_says_how_it_was_tried_and_nothing_else(template: ApplicationTemplate) -> None:
    assert bundled.stamp(template) == "", "only what the platform itself brought in is believed"
    template.metadata.labels = {**bundled.LABELS}
    assert bundled.stamp(template) in bundled.STAMPS.values()
    template.metadata.annotations[bundled.VERIFIED] = "by me"
    assert bundled.stamp(template) == ""


def test_they_come_in_once(cluster: None) -> None:
    bundled.bring_in(TESTER)
    number = store.clock()
    bundled.bring_in(TESTER)
    assert store.clock() == number
    assert {row.name for row in store.list(APPLICATION_TEMPLATE).rows} == {
        one.metadata.name for one in bundled.templates()
    }
