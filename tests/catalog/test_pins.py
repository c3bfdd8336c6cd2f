"""Which very image a component runs: what is recorded, when a pin is needed to go back, and when it is left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.catalog import changes, pins, rollout
from apps.catalog.types import (
    ApplicationRevision,
    ApplicationSpec,
    RevisionSpec,
    RevisionStatus,
    TemplateReference,
)
from apps.cluster import types
from apps.cluster.revisions import HELD
from tests.catalog.plans import made, shop

ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
PINNED = f"shop:1.2@{ONE}"
DAWN = datetime(2026, 5, 1, tzinfo=UTC)


def parts(**changes: Any) -> pins.Parts:
    return rollout.parts(made(shop(**changes)).objects)


def pod(
    run: str, *, minutes: int = 0, leaving: bool = False, held: str = "", pinned: str = "", **changes: Any
) -> types.Pod:
    """A pod of web as a plan with these changes makes it, which runs an image of this id: ``held`` when it was made,
    or of a template that was ``pinned``."""
    template = types.convert(types.PodTemplateSpec, parts(**changes)["web"]["spec"]["template"])
    template = pins.holding(template, held) if held else template
    template.spec.containers[0].image = pinned or template.spec.containers[0].image
    found = types.Pod(metadata=template.metadata, spec=template.spec)
    found.metadata.name, found.metadata.creation_timestamp = "web", DAWN + timedelta(minutes=minutes)
    found.metadata.deletion_timestamp = DAWN if leaving else None
    image = found.spec.containers[0].image
    found.status.container_statuses = [types.ContainerStatus(name="web", image=image, image_id=run)]
    return found


@pytest.mark.parametrize(
    ("image", "image_id", "told"),
    [
        ("shop:1.2", f"shop@{ONE}", PINNED),
        ("shop", f"shop@{ONE}", f"shop@{ONE}"),
        ("docker.io/library/shop:1.2", f"shop@{ONE}", f"docker.io/library/shop:1.2@{ONE}"),
        ("host:5000/shop", f"host:5000/shop@{ONE}", f"host:5000/shop@{ONE}"),
        ("shop:1.2", f"docker://{ONE}", f"docker://{ONE}"),
        ("shop:1.2", f"host:5000/aside@{ONE}", f"host:5000/aside@{ONE}"),
        (PINNED, f"shop@{ONE}", PINNED),
    ],
)
def test_an_image_is_told_with_its_name_and_its_digest(image: str, image_id: str, told: str) -> None:
    assert pins.exact(image, image_id) == told


@pytest.mark.parametrize(
    ("pods", "told"),
    [
        ([], None),
        ([pod("")], None),
        ([pod(f"shop@{ONE}")], PINNED),
        ([pod(f"shop@{OTHER}", leaving=True), pod(f"shop@{ONE}")], PINNED),
        ([pod(f"shop@{OTHER}"), pod(f"shop@{ONE}", minutes=1)], PINNED),
        ([pod(f"shop@{ONE}"), pod(f"shop@{ONE}"), pod(f"shop@{OTHER}", minutes=1)], PINNED),
        ([pod(f"shop@{OTHER}", components__web__image="shop:2"), pod(f"shop@{ONE}")], PINNED),
        ([pod(f"shop@{OTHER}", minutes=1), pod(f"shop@{ONE}", held=PINNED), pod(f"shop@{ONE}")], PINNED),
    ],
    ids=["no pod", "not started", "one", "one leaves", "the newest", "most", "another image's", "some are held"],
)
def test_what_a_revision_ran_is_what_most_of_its_pods_run(
    pods: Sequence[types.Pod], told: str | None
) -> None:
    assert pins.ran(parts(), pods).get("web") == told


OLD: dict[str, Any] = {"components__web__env__TITLE": "before"}


@pytest.mark.parametrize(
    ("pods", "needed"),
    [
        ([pod(f"shop@{ONE}"), pod(f"shop@{ONE}")], False),
        ([pod(f"shop@{ONE}"), pod("", leaving=True)], False),
        ([pod(f"shop@{ONE}"), pod(f"shop@{OTHER}", **OLD)], False),
        ([pod(f"shop@{ONE}"), pod(f"shop@{ONE}", held=PINNED)], False),
        ([pod(f"shop@{OTHER}", held=f"shop:1.2@{OTHER}")], True),
        ([pod(f"shop@{ONE}", pinned=PINNED)], True),
        ([pod(f"shop@{OTHER}")], True),
        ([pod(f"shop@{ONE}"), pod(f"shop@{OTHER}")], True),
        ([pod(f"shop@{ONE}", **OLD)], True),
        ([pod("")], True),
        ([], True),
    ],
    ids=[
        "all run it", "one that leaves does not count", "others are as another revision asks",
        "one is held to it", "held to something else", "pinned by a plan that stays", "the tag was moved",
        "one ran on after the tag was moved", "the pods are exchanged anyway", "nobody knows yet", "no pods",
    ],
)  # fmt: skip
def test_a_pin_is_needed_where_pods_would_not_stay_or_run_something_else(
    pods: Sequence[types.Pod], needed: bool
) -> None:
    assert pins.needed(parts(), {"web": PINNED}, pods, ()) == ({"web": PINNED} if needed else {})


def replicas(noted: str = "", by: str = "drover", policy: str = "IfNotPresent", **changes: Any) -> types.ReplicaSet:
    template = types.convert(types.PodTemplateSpec, parts(**changes)["web"]["spec"]["template"])
    template.spec.containers[0].image_pull_policy = policy
    labels = {**template.metadata.labels, "app.kubernetes.io/managed-by": by}
    spec = types.ReplicaSetSpec(template=template, selector=types.LabelSelector(match_labels=labels))
    notes = {HELD: noted} if noted else {}
    return types.ReplicaSet(metadata=types.ObjectMeta(labels=labels, annotations=notes), spec=spec)


MOVED = pod(f"shop@{OTHER}")


@pytest.mark.parametrize(
    ("found", "ready", "pin"),
    [
        (replicas(), [], ""),
        (replicas(), [pod(f"shop@{ONE}")], PINNED),
        (replicas(), [pod(f"shop@{ONE}"), MOVED, pod(f"shop@{ONE}", held=PINNED)], PINNED),
        (replicas(PINNED), [], PINNED),
        (replicas(PINNED), [MOVED], PINNED),
        (replicas(f"shop:1.1@{ONE}"), [MOVED], f"shop:1.2@{OTHER}"),
        (replicas("nonsense"), [MOVED], f"shop:1.2@{OTHER}"),
        (replicas(policy="Always"), [MOVED], f"shop:1.2@{OTHER}"),
        (replicas(PINNED, policy="Never"), [MOVED], ""),
        (replicas(PINNED, by="Helm"), [MOVED], ""),
        (replicas(), [pod(f"docker://{ONE}")], ""),
        (replicas(), [pod(f"host:5000/aside@{ONE}")], ""),
        (replicas(components__web__image=PINNED), [pod(f"shop@{ONE}", pinned=PINNED)], ""),
    ],
    ids=[
        "none is ready", "first", "what most run", "it is known", "it is known and another ran on", "of another image",
        "no pin", "pulled each time", "never pulled", "not an application's", "known to a node alone",
        "from another repository", "a digest already",
    ],
)  # fmt: skip
def test_pods_that_are_made_later_are_held_to_what_ran_first(
    found: types.ReplicaSet, ready: Sequence[types.Pod], pin: str
) -> None:
    assert pins.held(found, ready) == pin


def test_a_job_that_is_there_does_not_run_again_for_a_pin() -> None:
    job = {"components__web": None, "endpoints": None, "checks": None, "notes": None}
    plan = parts(**job, components__once={"kind": "job", "image": "shop:1.2"})
    name = plan["once"]["metadata"]["name"]
    assert pins.needed(plan, {"once": PINNED}, (), [name]) == {}
    assert pins.needed(plan, {"once": PINNED}, (), []) == {"once": PINNED}


def test_a_component_that_the_plan_gives_another_image_is_not_pinned() -> None:
    assert pins.needed(parts(components__web__image="shop:2"), {"web": PINNED, "gone": PINNED}, (), ()) == {}


def app(template: str = "", **given: str) -> ApplicationSpec:
    return ApplicationSpec(template=TemplateReference("shop", template) if template else None, pins=given)


@pytest.mark.parametrize(
    ("before", "after", "image", "kept"),
    [
        (app(web=PINNED), app(web=PINNED), "shop:1.2", True),
        (app(web=PINNED), app(web=PINNED), "shop:1.3", False),
        (app("1", web=PINNED), app("1", web=PINNED), "shop:1.2", True),
        (app("1", web=PINNED), app("2", web=PINNED), "shop:1.2", False),
        (app("1"), app("2", web=PINNED), "shop:1.2", True),
        (app(web=PINNED), app(), "shop:1.2", False),
        (None, app(web=PINNED), "shop:1.2", True),
    ],
    ids=[
        "no change",
        "another tag",
        "the same template",
        "another version",
        "asked for with it",
        "taken out",
        "new",
    ],
)
def test_a_pin_holds_until_the_plan_or_somebody_says_otherwise(
    before: ApplicationSpec | None, after: ApplicationSpec, image: str, kept: bool
) -> None:
    plan = parts(components__web__image=image)
    assert pins.kept(plan, before, after) == ({"web": PINNED} if kept else {})
    assert not [*pins.problems(plan, before, after)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"wbe": PINNED}, "spec.pins[wbe]: no component wbe"),
        ({"web": "shop:1.2"}, "spec.pins[web]: Invalid value: "),
        ({"web": f"shop:1.3@{ONE}"}, "must be shop:1.2@sha256: and 64 digits: the plan's image"),
    ],
)
def test_a_pin_that_cannot_be_one_is_refused(given: dict[str, str], words: str) -> None:
    (problem,) = pins.problems(parts(), None, app(**given))
    assert words in f"{problem.path}: {problem.message}"


def revision(pinned: str = "", ran: str = "") -> ApplicationRevision:
    """One of the shop that was pinned, and ran, as said."""
    from_plan = made(shop()) if not pinned else made(shop(components__web__image=pinned))
    spec = RevisionSpec(
        application="acme", number=1, objects=list(from_plan.objects), pins={"web": pinned} if pinned else {}
    )
    return ApplicationRevision(spec=spec, status=RevisionStatus(images={"web": ran} if ran else {}))


@pytest.mark.parametrize(
    ("old", "new", "fields"),
    [
        (revision(ran=PINNED), revision(), []),
        (revision(ran=PINNED), revision(PINNED), []),
        (revision(ran=PINNED), revision(ran=PINNED), []),
        (revision(PINNED), revision(ran=PINNED), []),
        (revision(ran=PINNED), revision(ran=f"shop:1.2@{OTHER}"), [(PINNED, f"shop:1.2@{OTHER}")]),
        (revision(ran=f"shop:1.2@{OTHER}"), revision(PINNED), [(f"shop:1.2@{OTHER}", PINNED)]),
        (revision(PINNED), revision(), [(PINNED, "shop:1.2")]),
        (revision(ran=f"docker://{ONE}"), revision(), []),
    ],
    ids=[
        "not yet run", "pinned to what it ran", "both ran it", "the pin is left and runs it", "the tag was moved",
        "back over a moved tag", "the pin is left", "known to a node alone",
    ],
)  # fmt: skip
def test_a_difference_is_told_where_the_content_differs(
    old: ApplicationRevision, new: ApplicationRevision, fields: list[tuple[str, str]]
) -> None:
    found = changes.between(*pins.compared(old, new))
    assert [(field.before, field.after) for one in found for field in one.fields] == fields
    assert all(one.component == "web" for one in found)


def test_what_is_compared_is_a_copy() -> None:
    given = revision(ran=PINNED)
    pins.compared(given, given)
    assert (
        rollout.parts(given.spec.objects)["web"]["spec"]["template"]["spec"]["containers"][0]["image"]
        == "shop:1.2"
    )
