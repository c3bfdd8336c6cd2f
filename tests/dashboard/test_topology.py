"""The picture of an application: nothing in it hides what another part says."""

from __future__ import annotations

import pytest

from apps.catalog import bundled
from apps.catalog.types import ApplicationStatus, ApplicationTemplate
from apps.dashboard import topology

every_template = pytest.mark.parametrize("template", bundled.templates(), ids=lambda one: one.metadata.name)


@every_template
def test_no_box_lies_over_another_or_over_the_name_of_a_port(template: ApplicationTemplate) -> None:
    picture = topology.of_application(template.spec, ApplicationStatus(), {}, "/here")
    for box in picture.boxes:
        across, down = range(box.x, box.right), range(box.y, box.y + box.height)
        hidden = [line.label for line in picture.lines if line.label and line.x in across and line.y in down]
        assert hidden == [], box.title
        others = [other for other in picture.boxes if other != box and other.x in across and other.y in down]
        assert others == [], box.title
    assert all(box.right < picture.width and box.y + box.height < picture.height for box in picture.boxes)
