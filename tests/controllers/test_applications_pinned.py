"""Going back to what ran: the digest of then where the tag was moved, and the same pods where it was not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from apps.catalog import operations
from apps.cluster import types
from apps.cluster.errors import Invalid
from apps.cluster.kinds import DEPLOYMENT, JOB, POD
from apps.cluster.revisions import HELD, restarted
from tests.catalog.plans import shop
from tests.controllers.shop import PLAIN, app, change, get, install, revision
from tests.harness import TESTER, add_nodes, delete, edit, follower, objects, roll, stop_pod

ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
PINNED = f"shop:1.2@{ONE}"
pytestmark = pytest.mark.usefixtures("ruled")


def having(digest: str) -> Callable[[types.Pod], bool]:
    """What nodes do while the tags mean this digest: pods run it unless they ask for another."""

    def ready(pod: types.Pod) -> bool:
        (container,) = pod.spec.containers
        name, _, asked = container.image.partition("@")
        if "broken" in name:
            return False
        runs = f"{name.partition(':')[0]}@{asked or digest}"
        if not pod.status.container_statuses:
            status = types.ContainerStatus(name=container.name, image=container.image, image_id=runs)
            edit(POD, pod.metadata.name, lambda found: setattr(found.status, "container_statuses", [status]))
        return True

    return ready


@pytest.fixture
def ran(ruled: None) -> None:
    """The shop, ready, while its tags meant the first digest."""
    add_nodes("node-1")
    install()
    roll(having(ONE))


def image() -> str:
    deployment: types.Deployment = get(DEPLOYMENT, "acme-web")
    return deployment.spec.template.spec.containers[0].image


def pods() -> set[str]:
    return {one.metadata.uid for one in objects(POD) if one.metadata.name.startswith("acme-web")}


def go_back(number: int) -> None:
    change(lambda spec: setattr(spec, "rollback_to", number))


def moved() -> None:
    """The tags mean something else now, and an update takes it."""
    change(lambda spec: spec.parameters.update(title="Another"))
    roll(having(OTHER))


@pytest.mark.usefixtures("ran")
def test_a_revision_tells_what_it_ran() -> None:
    assert revision(1).status.images == {"db": f"redis:7.2.5@{ONE}", "web": PINNED}


@pytest.mark.usefixtures("ran")
def test_going_back_runs_the_digest_of_then() -> None:
    moved()
    assert revision(2).status.images["web"] == f"shop:1.2@{OTHER}"
    go_back(1)
    roll(having(OTHER))
    assert (image(), app().spec.pins) == (PINNED, {"web": PINNED}), "db ran on, and stays as it is"
    assert revision(3).status.images["web"] == PINNED
    assert (app().status.phase, app().status.drift) == ("Running", [])
    assert operations.differences("default", "acme", 1, 3) == ()


@pytest.mark.usefixtures("ran")
def test_going_back_leaves_pods_that_run_the_same() -> None:
    change(lambda spec: spec.parameters.update(copies=3))
    roll(having(ONE))
    before = pods()
    go_back(1)
    roll(having(ONE))
    assert (image(), app().spec.pins) == ("shop:1.2", {})
    assert pods() < before


@pytest.mark.usefixtures("ran")
def test_the_return_of_its_own_accord_leaves_the_pods_that_were_good() -> None:
    before = pods()
    change(lambda spec: setattr(spec, "definition", shop(**PLAIN, components__web__image="shop:broken")))
    roll(having(OTHER))
    follower(present=lambda: datetime.now(UTC) + timedelta(minutes=10)).follow()
    roll(having(OTHER))
    assert (image(), app().status.revision, app().status.phase) == ("shop:1.2", 3, "Running")
    assert pods() == before


@pytest.mark.usefixtures("ran")
def test_the_return_of_its_own_accord_runs_the_digest_of_then_where_pods_are_gone() -> None:
    moved()
    change(lambda spec: setattr(spec, "definition", shop(**PLAIN, components__web__image="shop:broken")))
    roll(having(OTHER))
    for pod in objects(POD):
        if "broken" not in pod.spec.containers[0].image:
            edit(POD, pod.metadata.name, lambda found: setattr(found.status, "container_statuses", []))
    follower(present=lambda: datetime.now(UTC) + timedelta(minutes=10)).follow()
    assert app().spec.pins["web"] == f"shop:1.2@{OTHER}"


@pytest.mark.usefixtures("ran")
def test_a_change_of_something_else_keeps_the_pin_and_another_image_leaves_it() -> None:
    moved()
    go_back(1)
    roll(having(OTHER))
    change(lambda spec: spec.parameters.update(title="A third"))
    roll(having(OTHER))
    assert image() == PINNED
    change(lambda spec: setattr(spec, "definition", shop(**PLAIN, components__web__image="shop:1.3")))
    roll(having(OTHER))
    assert (image(), app().spec.pins) == ("shop:1.3", {})
    go_back(4)
    roll(having(OTHER))
    assert image() == PINNED, "a revision that was pinned is pinned when it comes back"


@pytest.mark.usefixtures("ran")
def test_the_image_that_somebody_names_anew_is_what_its_tag_means_now() -> None:
    moved()
    go_back(1)
    roll(having(OTHER))
    told = operations.set_image(TESTER, "default", "acme", "web", "shop:1.2")
    (field,) = [field for one in told.changes for field in one.fields]
    assert (field.before, field.after) == (PINNED, "shop:1.2")
    roll(having(OTHER))
    assert revision(4).status.images["web"] == f"shop:1.2@{OTHER}"


@pytest.mark.usefixtures("ran")
def test_a_pin_of_another_image_is_refused() -> None:
    with pytest.raises(Invalid, match=r"spec.pins\[web\]: Invalid value.*must be shop:1.2@sha256:"):
        change(lambda spec: spec.pins.update(web=f"other:1@{ONE}"))


def test_what_only_a_node_has_is_told_and_never_asked_of_a_registry() -> None:
    add_nodes("node-1")
    install()

    def local(pod: types.Pod) -> bool:
        (container,) = pod.spec.containers
        status = types.ContainerStatus(name=container.name, image=container.image, image_id=f"docker://{ONE}")
        edit(POD, pod.metadata.name, lambda found: setattr(found.status, "container_statuses", [status]))
        return True

    roll(local)
    assert revision(1).status.images["web"] == f"docker://{ONE}"
    change(lambda spec: spec.parameters.update(title="Another"))
    roll(local)
    go_back(1)
    roll(local)
    assert (image(), app().spec.pins) == ("shop:1.2", {})


def webs() -> list[types.Pod]:
    return [one for one in objects(POD) if one.metadata.name.startswith("acme-web")]


def runs() -> set[str]:
    """The contents that pods of web run."""
    return {one.status.container_statuses[0].image_id for one in webs()}


def lost() -> None:
    """All pods of web at once and without a word, as with their nodes; the tags mean something else by now."""
    for one in webs():
        stop_pod(one.metadata.name)
    roll(having(OTHER))


def scaled() -> None:
    change(lambda spec: spec.parameters.update(copies=4))
    roll(having(OTHER))


def stopped_and_started() -> None:
    edit(DEPLOYMENT, "acme-web", lambda found: setattr(found.spec, "replicas", 0))
    roll(having(OTHER))
    edit(DEPLOYMENT, "acme-web", lambda found: setattr(found.spec, "replicas", 2))
    roll(having(OTHER))


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("work", [lost, scaled, stopped_and_started])
def test_pods_that_are_made_later_run_what_their_revision_ran(work: Callable[[], None]) -> None:
    before = get(DEPLOYMENT, "acme-web")
    work()
    assert runs() == {f"shop@{ONE}"}
    after = get(DEPLOYMENT, "acme-web")
    assert after.spec.template == before.spec.template and HELD not in after.metadata.annotations
    assert (app().status.phase, app().status.drift, app().spec.pins) == ("Running", [], {})
    assert revision(app().spec.revision).status.images["web"] == PINNED


@pytest.mark.usefixtures("ran")
def test_pods_that_are_made_after_going_back_without_a_pin_run_the_content_of_then() -> None:
    lost()
    change(lambda spec: spec.parameters.update(copies=3))
    roll(having(OTHER))
    before = pods()
    go_back(1)
    roll(having(OTHER))
    assert pods() < before and (image(), app().spec.pins) == ("shop:1.2", {}), "what holds their tag is no other plan"
    lost()
    assert runs() == {f"shop@{ONE}"} and revision(3).status.images["web"] == PINNED


@pytest.mark.usefixtures("ran")
def test_a_restart_takes_what_the_tag_means_now_and_so_do_the_pods_that_follow() -> None:
    def restart(found: types.Deployment) -> None:
        found.metadata.annotations[HELD] = PINNED  # `kubectl rollout undo` copies those of ReplicaSets
        found.spec.template = restarted(found.spec.template, "2026-05-01T12:00:00Z")

    edit(DEPLOYMENT, "acme-web", restart)
    roll(having(OTHER))
    assert runs() == {f"shop@{OTHER}"}
    for one in webs():
        stop_pod(one.metadata.name)
    roll(having(ONE))
    assert runs() == {f"shop@{OTHER}"}


@pytest.mark.usefixtures("ran")
def test_an_application_whose_registry_dropped_what_it_runs_says_so_and_what_helps() -> None:
    def dropped(pod: types.Pod) -> bool:
        (container,) = pod.spec.containers
        if container.image != PINNED:
            return True
        words = f'Back-off pulling image "{PINNED}": manifest unknown'
        waiting = types.ContainerState(waiting=types.ContainerStateWaiting(reason="ImagePullBackOff", message=words))
        status = types.ContainerStatus(name=container.name, image=container.image, state=waiting)
        if pod.status.container_statuses != [status]:
            edit(POD, pod.metadata.name, lambda found: setattr(found.status, "container_statuses", [status]))
        return False

    stop_pod(webs()[0].metadata.name)
    roll(dropped)
    assert app().status.message == (
        "1 of 2 components are ready; web: The registry no longer has the image that this version ran with "
        "(shop:1.2, sha256:111111111111): Restart takes what the tag means now."
    )


@pytest.mark.usefixtures("ran")
def test_a_change_that_comes_back_to_an_earlier_plan_takes_what_the_tag_means_now() -> None:
    moved()
    change(lambda spec: spec.parameters.update(title="Shop"))
    roll(having(OTHER))
    assert (runs(), image()) == ({f"shop@{OTHER}"}, "shop:1.2")


def seed() -> types.Pod:
    """The one pod of the job."""
    found: types.Pod
    (found,) = (one for one in objects(POD) if one.metadata.name.startswith("acme-seed"))
    return found


def test_the_next_pod_of_a_job_runs_what_the_first_began_with_and_another_job_what_the_tag_means_then() -> None:
    add_nodes("node-1")
    install(components__seed={"image": "seed:1", "kind": "job"})
    roll(having(ONE))
    first = seed()
    assert first.spec.containers[0].image == "seed:1"
    stop_pod(first.metadata.name)  # with its node
    follower(present=lambda: datetime.now(UTC) + timedelta(minutes=1)).follow()
    roll(having(OTHER))
    second = seed()
    assert second.metadata.uid != first.metadata.uid
    assert second.status.container_statuses[0].image_id == f"seed@{ONE}"
    assert (app().status.drift, app().spec.pins) == ([], {})

    delete(JOB, second.metadata.owner_references[0].name)
    roll(having(OTHER))
    assert seed().status.container_statuses[0].image_id == f"seed@{OTHER}"
