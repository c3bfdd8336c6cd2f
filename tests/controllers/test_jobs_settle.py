"""Jobs in a real store: as many pods as it takes, every end counted once, and no more after the end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import store, types
from apps.cluster.errors import Invalid
from apps.cluster.kinds import EVENT, JOB, POD
from apps.cluster.kinds.jobs import TRACKED
from apps.controllers.garbage import Garbage
from apps.controllers.jobs import FIRST_DELAY, Jobs, View, plan
from apps.controllers.owners import reference
from tests.builders import build, defaulted
from tests.harness import create, delete, edit, find, follower, objects, settle

CONTROLLERS = (Jobs(), Garbage())
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ruled = pytest.mark.usefixtures("ruled")


def run(later: float = 0) -> None:
    """Until nothing is left to do; ``later`` seconds from now."""
    if not later:
        settle(CONTROLLERS)
        return
    moment = datetime.now(UTC) + timedelta(seconds=later)
    follower(CONTROLLERS, present=lambda: moment).resync()


def job(name: str = "sample") -> types.Job:
    found = find(JOB, name)
    assert isinstance(found, types.Job)
    return found


def active() -> list[types.Pod]:
    return [pod for pod in objects(POD) if pod.status.phase == "Pending" and not pod.metadata.deletion_timestamp]


def end(pods: Iterable[types.Pod], phase: str = "Succeeded") -> None:
    for pod in pods:

        def report(stored: types.Pod) -> None:
            stored.status.phase = phase

        edit(POD, pod.metadata.name, report)


def ending() -> list[tuple[str, str]]:
    return [(each.type, each.reason) for each in job().status.conditions if each.status == "True"]


def reasons() -> set[str]:
    return {event.reason for event in objects(EVENT)}


@ruled
def test_a_job_runs_so_many_at_once_until_enough_have_succeeded() -> None:
    create(JOB, spec__completions=3, spec__parallelism=2)
    run()
    assert len(active()) == 2
    assert job().status.start_time is not None
    end(active())
    run()
    assert (len(active()), job().status.succeeded) == (1, 2)
    end(active())
    run()
    assert ending() == [("SuccessCriteriaMet", "CompletionsReached"), ("Complete", "CompletionsReached")]
    assert (job().status.succeeded, job().status.active) == (3, 0)
    assert job().status.completion_time is not None
    assert active() == []
    assert all(TRACKED not in pod.metadata.finalizers for pod in objects(POD))


@ruled
def test_settling_again_writes_nothing() -> None:
    create(JOB)
    run()
    before = store.clock()
    follower(CONTROLLERS).resync()
    assert store.clock() == before


@ruled
def test_a_failure_is_tried_again_after_a_while_and_no_more_often_than_allowed() -> None:
    create(JOB, spec__backoff_limit=1)
    run()
    end(active(), "Failed")
    run()
    assert active() == [], "not at once"
    run(later=FIRST_DELAY.total_seconds() + 1)
    assert len(active()) == 1
    end(active(), "Failed")
    run(later=60)
    assert ("Failed", "BackoffLimitExceeded") in ending()
    assert (job().status.failed, active()) == (2, [])
    assert "BackoffLimitExceeded" in reasons()


@ruled
def test_a_deleted_pod_is_counted_as_failed_once_and_does_not_stay() -> None:
    create(JOB)
    run()
    (pod,) = active()
    delete(POD, pod.metadata.name)
    run()
    assert job().status.failed == 1
    run(later=11)
    assert job().status.failed == 1
    assert find(POD, pod.metadata.name) is None
    assert len(active()) == 1


@ruled
def test_a_succeeded_pod_that_is_deleted_still_counts() -> None:
    create(JOB, spec__completions=2, spec__parallelism=1)
    run()
    (first,) = active()
    end([first])
    delete(POD, first.metadata.name, grace_period_seconds=0)
    run()
    assert job().status.succeeded == 1
    assert find(POD, first.metadata.name) is None
    assert len(active()) == 1


@ruled
def test_a_job_over_its_deadline_stops_its_pods() -> None:
    create(JOB, spec__active_deadline_seconds=5)
    run()
    run(later=6)
    assert ("Failed", "DeadlineExceeded") in ending()
    assert active() == []


@ruled
def test_a_suspended_job_runs_nothing_until_it_is_resumed() -> None:
    create(JOB, spec__suspend=True)
    run()
    assert (active(), job().status.start_time) == ([], None)
    assert ending() == [("Suspended", "JobSuspended")]

    def resume(found: types.Job) -> None:
        found.spec.suspend = False

    edit(JOB, "sample", resume)
    run()
    assert len(active()) == 1


@ruled
def test_without_a_number_one_success_ends_it_when_the_others_are_done() -> None:
    create(JOB, spec__completions=None, spec__parallelism=2)
    run()
    first, second = active()
    end([first])
    run()
    assert ending() == []
    end([second], "Failed")
    run()
    assert ("Complete", "CompletionsReached") in ending()


@ruled
def test_an_ended_job_goes_with_its_pods_when_its_time_is_over() -> None:
    create(JOB, spec__ttl_seconds_after_finished=30)
    run()
    end(active())
    run()
    assert find(JOB, "sample") is not None
    run(later=31)
    assert find(JOB, "sample") is None
    run()
    assert objects(POD) == []


@ruled
def test_a_deleted_job_takes_its_pods_along() -> None:
    create(JOB)
    run()
    assert len(active()) == 1
    delete(JOB, "sample")
    run()
    assert find(JOB, "sample") is None
    assert objects(POD) == []


@ruled
def test_a_jobs_pods_are_selected_by_labels_that_nobody_else_sets() -> None:
    create(JOB)
    uid = job().metadata.uid
    assert job().spec.selector == types.LabelSelector(match_labels={"batch.kubernetes.io/controller-uid": uid})
    assert job().spec.template.metadata.labels["job-name"] == "sample"
    with pytest.raises(Invalid, match=r"spec.selector: Forbidden: is made by the server"):
        create(JOB, name="b", spec__selector=types.LabelSelector(match_labels={"app": "sample"}))
    with pytest.raises(Invalid, match=r"spec.template.metadata.labels\[job-name\]: Forbidden"):
        create(JOB, name="b", spec__template__metadata__labels={"job-name": "another"})


def planned(drawn: list[dict[str, Any]], **changes: Any) -> View:
    """A job that is running, and pods of it in any state."""
    made: types.Job = defaulted(JOB, **changes)
    made.metadata.uid, made.metadata.resource_version, made.metadata.namespace = "job", "7", "default"
    made.spec.selector = types.LabelSelector(match_labels={"a": "b"})
    made.status.start_time = NOW - timedelta(minutes=1)
    pods = []
    for number, each in enumerate(drawn):
        pod: types.Pod = build(POD, name=f"p{number}")
        pod.metadata.uid, pod.metadata.resource_version = f"p{number}", "9"
        pod.metadata.creation_timestamp = NOW - timedelta(hours=1)
        pod.metadata.owner_references = [reference(made)]
        pod.status.phase = each["phase"]
        ended = each["phase"] in {"Succeeded", "Failed"}
        pod.metadata.finalizers = [TRACKED] if not (ended and each["counted"]) else []
        pods.append(pod)
    counted = [pod.status.phase for pod in pods if not pod.metadata.finalizers]
    made.status.succeeded, made.status.failed = counted.count("Succeeded"), counted.count("Failed")
    return View(made, tuple(pods))


some_pods = st.lists(
    st.fixed_dictionaries(
        {"phase": st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]), "counted": st.booleans()}
    ),
    max_size=10,
)


@given(some_pods, st.integers(0, 6), st.integers(0, 6))
def test_every_end_is_counted_once_and_no_more_run_than_may(
    drawn: list[dict[str, Any]], parallelism: int, completions: int
) -> None:
    view = planned(drawn, spec__parallelism=parallelism, spec__completions=completions, spec__backoff_limit=99)
    actions = plan(view, NOW)
    phases = [each["phase"] for each in drawn]
    (status,) = [update.obj.status for update in actions.statuses] or [view.job.status]  # type: ignore[union-attr]
    assert (status.succeeded, status.failed) == (phases.count("Succeeded"), phases.count("Failed"))
    running = sum(phase in {"Pending", "Running"} for phase in phases)
    left = running + len(actions.creates) - len(actions.deletes)
    assert left <= max(min(parallelism, completions - phases.count("Succeeded")), 0) or not actions.creates
    assert not (actions.creates and actions.deletes)
    released = {update.obj.metadata.uid for update in actions.updates}
    assert released == {
        pod.metadata.uid for pod in view.pods if pod.status.phase in {"Succeeded", "Failed"} and pod.metadata.finalizers
    }


@given(some_pods)
def test_a_plan_leaves_its_view_alone_and_is_the_same_each_time(drawn: list[dict[str, Any]]) -> None:
    view = planned(drawn)
    before = types.encode([view.job, *view.pods])
    assert plan(view, NOW) == plan(view, NOW)
    assert types.encode([view.job, *view.pods]) == before
