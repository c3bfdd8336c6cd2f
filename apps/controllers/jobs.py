"""Runs the pods of each Job until enough have succeeded, or too many have failed.

A finalizer holds each pod until its end was counted, and the count is written with the finalizer's removal: no end is
counted twice or lost, whoever deletes pods meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from apps.catalog import pins
from apps.cluster import types
from apps.cluster.errors import ApiError
from apps.cluster.kinds import JOB, POD
from apps.cluster.kinds.jobs import COMPLETE, FAILED, NAME_LABEL, SUSPENDED, TRACKED, finished
from apps.cluster.log import Change
from apps.cluster.selectors import LabelSelector
from apps.controllers import pods as pod_facts
from apps.controllers.actions import (
    Actions,
    Create,
    Delete,
    Fingerprint,
    Note,
    Update,
    condition,
    earliest,
    fingerprint,
    told_status,
    with_condition,
)
from apps.controllers.base import Controller
from apps.controllers.owners import concerned, controller_of, noted, pod_of, pod_removal
from apps.controllers.reading import Reader, namespaced

BURST = 100
"""The most pods made in one transaction."""
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=10), timedelta(minutes=6)
"""How long after a failure the next pod is made; each further failure doubles it."""


@dataclass(frozen=True)
class View:
    """A job (None when it is gone) and all pods that carry its name or are its own."""

    job: types.Job | None
    pods: tuple[types.Pod, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.job,), self.pods)


@dataclass(frozen=True)
class Work:
    """A job's pods, by how they stand; ``counted`` of the ended ones are in the status already."""

    active: tuple[types.Pod, ...] = ()
    stopping: tuple[types.Pod, ...] = ()
    succeeded: tuple[types.Pod, ...] = ()
    failed: tuple[types.Pod, ...] = ()
    strays: tuple[types.Pod, ...] = field(default=())
    """Held by a job that is no more."""


def sort(view: View) -> Work:
    """Which of the pods run, which have ended and how. One that is deleted before its end has failed."""
    uid = view.job.metadata.uid if view.job is not None else ""
    found: dict[str, list[types.Pod]] = {name: [] for name in ("active", "stopping", "succeeded", "failed", "strays")}
    for pod in view.pods:
        owner = controller_of(pod)
        if owner is None or owner.uid != uid:
            if owner is not None and owner.kind == JOB.name and TRACKED in pod.metadata.finalizers:
                found["strays"].append(pod)
        elif pod.status.phase == "Succeeded":
            found["succeeded"].append(pod)
        elif pod.status.phase == "Failed" or pod.metadata.deletion_timestamp is not None:
            found["failed"].append(pod)
            if pod.status.phase != "Failed":
                found["stopping"].append(pod)
        else:
            found["active"].append(pod)
    return Work(**{name: tuple(pods) for name, pods in found.items()})


def plan(view: View, now: datetime) -> Actions:
    """Pure."""
    job, work = view.job, sort(view)
    free = tuple(map(_released, work.strays))
    if job is None or job.metadata.deletion_timestamp is not None:
        return Actions(updates=(*free, *map(_released, _held((*work.active, *work.succeeded, *work.failed)))))
    fresh = _held((*work.succeeded, *work.failed))
    pin = pins.held(job, (*work.active, *work.succeeded, *work.failed))
    updates = (*free, *map(_released, fresh), *noted(job, pin))
    if finished(job) is not None:
        return _afterwards(job, work, updates, now)
    status = _counted(job, work, now)
    ending = _ending(job, status, work, now)
    if ending is not None:
        return _ended(job, status, ending, work, updates, now)
    wanted = _wanted(job, status, len(work.active))
    waits_until = _waits_until(work)
    missing = min(wanted - len(work.active), BURST) if waits_until is None or waits_until <= now else 0
    surplus = sorted(work.active, key=_uselessness)[: max(len(work.active) - wanted, 0)]
    status = _suspended(job, status, now)
    status = replace(status, active=len(work.active) + max(missing, 0) - len(surplus))
    return Actions(
        updates=updates,
        creates=_pods(job, missing, pin),
        deletes=tuple(pod_removal(pod, job) for pod in surplus),
        statuses=told_status(job, status),
        again=earliest(
            waits_until if waits_until is not None and waits_until > now and wanted > len(work.active) else None,
            _deadline(job, status),
        ),
    )


def _held(pods: Iterable[types.Pod]) -> list[types.Pod]:
    return [pod for pod in pods if TRACKED in pod.metadata.finalizers]


def _released(pod: types.Pod) -> Update:
    left = [each for each in pod.metadata.finalizers if each != TRACKED]
    return Update(kind=POD, obj=replace(pod, metadata=replace(pod.metadata, finalizers=left)), part="metadata")


def _counted(job: types.Job, work: Work, now: datetime) -> types.JobStatus:
    """The status with the ends that were not counted before."""
    status = job.status
    began = status.start_time or (None if job.spec.suspend else now.replace(microsecond=0))
    return replace(
        status,
        start_time=began,
        active=len(work.active),
        ready=sum(map(pod_facts.is_ready, work.active)),
        terminating=len(work.stopping),
        succeeded=status.succeeded + len(_held(work.succeeded)),
        failed=status.failed + len(_held(work.failed)),
    )


def _wanted(job: types.Job, status: types.JobStatus, active: int) -> int:
    """How many pods are to run now. Without a number of completions one success is enough, and begins the end."""
    if job.spec.suspend:
        return 0
    parallelism = job.spec.parallelism or 0
    if job.spec.completions is None:
        return min(active, parallelism) if status.succeeded else parallelism
    return min(parallelism, max(job.spec.completions - status.succeeded, 0))


def _ending(job: types.Job, status: types.JobStatus, work: Work, now: datetime) -> types.Condition | None:
    """How the job ends with this look, or None when it goes on."""
    due = _deadline(job, status)
    if due is not None and due <= now:
        return _failure("DeadlineExceeded", "Job was active longer than specified deadline")
    limit = job.spec.backoff_limit or 0
    restarts = sum(map(pod_facts.restarts, work.active)) if _restarts_inside(job) else 0
    if status.failed > limit or (restarts and restarts >= limit):
        return _failure("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    completions = job.spec.completions
    enough = status.succeeded >= completions if completions is not None else bool(status.succeeded)
    if enough and (completions is not None or not work.active):
        return types.Condition(
            type=COMPLETE,
            status="True",
            reason="CompletionsReached",
            message="Reached expected number of succeeded pods",
        )
    return None


def _restarts_inside(job: types.Job) -> bool:
    return job.spec.template.spec.restart_policy == "OnFailure"


def _failure(reason: str, message: str) -> types.Condition:
    return types.Condition(type=FAILED, status="True", reason=reason, message=message)


def _ended(
    job: types.Job,
    status: types.JobStatus,
    ending: types.Condition,
    work: Work,
    updates: Sequence[Update],
    now: datetime,
) -> Actions:
    """What still runs is stopped; the conditions say how it ended, and that this was decided."""
    done = ending.type == COMPLETE
    decided = replace(ending, type="SuccessCriteriaMet" if done else "FailureTarget")
    conditions = with_condition(with_condition(status.conditions, decided, now), ending, now)
    status = replace(
        status,
        conditions=conditions,
        active=0,
        ready=0,
        completion_time=now.replace(microsecond=0) if done else None,
    )
    told = Note(about=job, reason="Completed" if done else ending.reason,
                message="Job completed" if done else ending.message, warning=not done)  # fmt: skip
    return Actions(
        updates=tuple(updates),
        deletes=tuple(pod_removal(pod, job) for pod in work.active),
        statuses=told_status(job, status),
        events=(told,),
        again=now,
    )


def _afterwards(job: types.Job, work: Work, updates: Sequence[Update], now: datetime) -> Actions:
    """A job that has ended makes no pods; it goes when its time is over."""
    status = replace(job.status, active=0, ready=0, terminating=len(work.stopping))
    ttl, ending = job.spec.ttl_seconds_after_finished, finished(job)
    statuses = told_status(job, status)
    if ttl is None or ending is None:
        return Actions(updates=tuple(updates), statuses=statuses)
    over = (ending.last_transition_time or now) + timedelta(seconds=ttl)
    if now < over:
        return Actions(updates=tuple(updates), statuses=statuses, again=over)
    meta = job.metadata
    gone = Delete(
        kind=JOB, namespace=meta.namespace, name=meta.name, uid=meta.uid, propagation="Background"
    )
    return Actions(updates=tuple(updates), deletes=(gone,))


def _deadline(job: types.Job, status: types.JobStatus) -> datetime | None:
    if job.spec.active_deadline_seconds is None or status.start_time is None or job.spec.suspend:
        return None
    return status.start_time + timedelta(seconds=job.spec.active_deadline_seconds)


def _waits_until(work: Work) -> datetime | None:
    """When the next pod may be made after failures in a row."""
    success = max((_end_of(pod) for pod in work.succeeded), default=None)
    ends = [end for end in map(_end_of, work.failed) if success is None or end > success]
    if not ends:
        return None
    delay: timedelta = min(FIRST_DELAY * 2 ** min(len(ends) - 1, 10), LONGEST_DELAY)
    return max(ends) + delay


def _end_of(pod: types.Pod) -> datetime:
    ended = [status.state.terminated for status in pod.status.container_statuses]
    times = [each.finished_at for each in ended if each is not None and each.finished_at is not None]
    known = (pod.metadata.deletion_timestamp, pod.metadata.creation_timestamp)
    return max(times, default=None) or next(time for time in known if time is not None)


def _suspended(job: types.Job, status: types.JobStatus, now: datetime) -> types.JobStatus:
    """The condition Suspended, once it was ever true; a job that goes on begins its time anew."""
    before = condition(status.conditions, SUSPENDED)
    if job.spec.suspend:
        told = types.Condition(type=SUSPENDED, status="True", reason="JobSuspended", message="Job suspended")
        status = replace(status, start_time=None)
    elif before is not None:
        told = types.Condition(type=SUSPENDED, status="False", reason="JobResumed", message="Job resumed")
    else:
        return status
    return replace(status, conditions=with_condition(status.conditions, told, now))


def _uselessness(pod: types.Pod) -> tuple[bool, bool, str]:
    return bool(pod.spec.node_name), pod_facts.is_ready(pod), pod.metadata.name


def _pods(job: types.Job, count: int, pin: str) -> tuple[Create, ...]:
    if count <= 0:
        return ()
    template = types.encode(pins.holding(job.spec.template, pin))
    told = Note(about=job, reason="SuccessfulCreate", message="Created pod: {name}")
    return tuple(Create(kind=POD, obj=_pod(job, template), told=told) for _ in range(count))


def _pod(job: types.Job, template: bytes) -> types.Pod:
    pod = pod_of(job, template)
    pod.metadata.finalizers = [*pod.metadata.finalizers, TRACKED]
    return pod


class Jobs(Controller[View]):
    """One key per Job: its namespace and name."""

    name = "job"
    component = "job-controller"
    watches = (JOB, POD)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        return concerned(JOB, change, read)

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(JOB)

    def look(self, read: Reader, key: str) -> View | None:
        namespace, name = namespaced(key)
        job = read.find(JOB, namespace, name)
        named = LabelSelector.of({NAME_LABEL: name})
        pods = read.labelled(POD, namespace, named, or_owned_by=job.metadata.uid if job is not None else "")
        return View(job, tuple(pods)) if job is not None or pods else None

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)

    def refused(self, view: View, error: ApiError, now: datetime) -> Actions:  # noqa: ARG002
        if view.job is None:
            return Actions()
        told = Note(about=view.job, reason="FailedCreate", message=f"Error creating: {error.message}", warning=True)
        return Actions(events=(told,))
