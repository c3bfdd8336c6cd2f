"""Cancelling what is under way: a change, a rollback, an installation; twice, too late, and when there is nothing."""

from __future__ import annotations

import pytest

from apps.catalog.kinds import APPLICATION
from apps.catalog.types import ApplicationSpec
from apps.cluster import store, types
from apps.cluster.errors import Invalid
from apps.cluster.kinds import DEPLOYMENT, POD
from tests.catalog.plans import shop
from tests.controllers.shop import PLAIN, app, change, get, install, revision
from tests.harness import add_nodes, delete, edit, objects, roll, settle

pytestmark = pytest.mark.usefixtures("ruled")


def cancel(number: int) -> None:
    change(lambda spec: setattr(spec, "cancel", number))


def break_it() -> None:
    """A change under way that never becomes ready."""
    change(lambda spec: setattr(spec, "definition", shop(**PLAIN, components__web__image="shop:broken")))
    roll(sound)


def sound(pod: types.Pod) -> bool:
    return "broken" not in pod.spec.containers[0].image


@pytest.mark.usefixtures("running")
def test_a_cancelled_change_goes_back_to_the_last_good_revision() -> None:
    break_it()
    cancel(2)
    roll(sound)
    assert (revision(2).status.phase, revision(2).status.message) == ("Cancelled", "cancelled by system:test")
    assert (app().spec.revision, app().spec.cancel, app().status.revision) == (3, None, 3)
    assert revision(3).spec.why == "revision 2 was cancelled"
    assert app().status.phase == "Running"
    assert get(DEPLOYMENT, "acme-web").spec.template.spec.containers[0].image == "shop:1.2"


@pytest.mark.usefixtures("running")
def test_a_rollback_under_way_can_be_cancelled_too() -> None:
    break_it()
    change(lambda spec: spec.parameters.update(copies=3))
    roll(sound)
    change(lambda spec: setattr(spec, "rollback_to", 2))
    cancel(4)
    roll(sound)
    assert [revision(number).status.phase for number in (2, 3, 4, 5)] == [
        "Superseded", "Superseded", "Cancelled", "Ready",
    ]  # fmt: skip
    assert revision(5).spec.parameters == revision(1).spec.parameters


@pytest.mark.usefixtures("running")
def test_cancelling_twice_changes_nothing_more() -> None:
    break_it()
    cancel(2)
    before = store.clock()
    cancel(2)
    assert store.clock() == before
    roll()
    cancel(2)
    assert app().spec.revision == 3


NOT_UNDER_WAY = "spec.cancel: Invalid value: "


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "revision 1 is not under way: revision 1 is ready"),
        (7, "revision 7 is not under way: revision 1 is ready"),
    ],
)
def test_cancelling_when_nothing_is_under_way_says_so(number: int, words: str) -> None:
    before = store.clock()
    with pytest.raises(Invalid, match=f"{NOT_UNDER_WAY}{number}: {words}"):
        cancel(number)
    assert store.clock() == before


@pytest.mark.usefixtures("running")
def test_the_way_back_is_not_cancelled_and_says_so() -> None:
    break_it()
    cancel(2)
    with pytest.raises(Invalid, match=f"{NOT_UNDER_WAY}3: it is the way back to revision 1 already"):
        cancel(3)
    roll()
    assert (revision(3).status.phase, app().status.phase) == ("Ready", "Running")


def test_a_cancelled_installation_stops_says_what_stays_and_is_taken_up_again_when_asked() -> None:
    add_nodes("node-1")
    install()
    settle()
    cancel(1)
    roll()
    status = app().status
    assert status.phase == "Cancelled"
    made = "1 ConfigMap, 1 Deployment, 1 Secret, 3 Services"
    assert status.message == (
        f"Revision 1 was cancelled. What was made stays: {made}. `kubectl -n default delete app acme` removes it; "
        "a change, or going back to revision 1, goes on."
    )
    assert {one.metadata.name for one in objects(DEPLOYMENT)} == {"acme-db"}
    assert {one.type: one.status for one in status.conditions}["Progressing"] == "False"
    edit(APPLICATION, "acme", lambda found: found.metadata.annotations.update(note="x"))
    roll()
    assert app().status.phase == "Cancelled"
    change(lambda spec: setattr(spec, "rollback_to", 1))
    roll()
    assert (app().status.phase, app().status.revision) == ("Running", 2)


def test_a_cancelled_installation_can_be_changed_and_deleted() -> None:
    add_nodes("node-1")
    install()
    settle()
    cancel(1)
    settle()
    change(lambda spec: spec.parameters.update(copies=1))
    roll()
    assert (app().status.phase, app().status.revision) == ("Running", 2)
    delete(APPLICATION, "acme", propagation_policy="Background")
    roll()
    assert [objects(kind) for kind in (APPLICATION, DEPLOYMENT, POD)] == [[], [], []]


@pytest.mark.usefixtures("running")
def test_cancel_and_rollback_in_one_are_refused() -> None:
    break_it()

    def both(spec: ApplicationSpec) -> None:
        spec.cancel, spec.rollback_to = 2, 1

    with pytest.raises(Invalid, match="spec.cancel: Forbidden: going back ends what is under way already"):
        change(both)
