"""Begins a Job for each moment of each CronJob's schedule, and keeps no more of the ended ones than it is to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.errors import AlreadyExists, ApiError
from apps.cluster.kinds import CRON_JOB, JOB
from apps.cluster.kinds.jobs import COMPLETE, finished
from apps.cluster.kinds.schedules import times
from apps.cluster.log import Change
from apps.controllers.actions import Actions, Create, Delete, Fingerprint, Note, fingerprint, told_status
from apps.controllers.base import Controller
from apps.controllers.owners import concerned, controller_of, reference
from apps.controllers.reading import Reader, namespaced

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MOST_MISSED = 100
"""Of more moments than these that were missed, only the last ones are looked at."""


@dataclass(frozen=True)
class View:
    """A cron job and the jobs that it began."""

    cron: types.CronJob
    jobs: tuple[types.Job, ...]

    @property
    def fingerprint(self) -> Fingerprint:
        return fingerprint((self.cron,), self.jobs)


def plan(view: View, now: datetime) -> Actions:
    """Pure."""
    cron, spec = view.cron, view.cron.spec
    if cron.metadata.deletion_timestamp is not None:
        return Actions()
    running = [job for job in view.jobs if finished(job) is None and job.metadata.deletion_timestamp is None]
    status = replace(
        cron.status, active=[_named(job) for job in running], last_successful_time=_last_success(cron, view.jobs)
    )
    old = tuple(_removal(cron, job, told=False) for job in _outlived(cron, view.jobs))
    if spec.suspend:
        return Actions(deletes=old, statuses=told_status(cron, status))
    due, following = _moments(cron, now)
    if due is None or (spec.concurrency_policy == "Forbid" and running):
        return Actions(deletes=old, statuses=told_status(cron, status), again=following)
    replaced = tuple(_removal(cron, job) for job in running) if spec.concurrency_policy == "Replace" else ()
    made = _job(cron, due)
    kept = () if replaced else status.active
    told = Note(about=cron, reason="SuccessfulCreate", message=f"Created job {made.metadata.name}")
    return Actions(
        creates=(Create(kind=JOB, obj=made, told=told),),
        deletes=(*old, *replaced),
        statuses=told_status(cron, replace(status, last_schedule_time=due, active=list(kept))),
        again=following,
    )


def _moments(cron: types.CronJob, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The last moment that is due and was not used, and the one that follows. Older ones that were missed are not
    made up for."""
    spec = cron.spec
    since = cron.status.last_schedule_time or cron.metadata.creation_timestamp or now
    if spec.starting_deadline_seconds is not None:
        since = max(since, now - timedelta(seconds=spec.starting_deadline_seconds))
    due = None
    for count, moment in enumerate(times(spec.schedule, spec.time_zone, since)):
        if moment > now:
            return due, moment
        due = moment
        if count >= MOST_MISSED:  # this clock stood still for long: begin near the present
            recent = next((each for each in times(spec.schedule, spec.time_zone, now)), None)
            return due, recent
    return due, None


def _job(cron: types.CronJob, due: datetime) -> types.Job:
    """The job of one moment; its name is the moment's, so that it is never made twice."""
    template = types.decode(types.JobTemplateSpec, types.encode(cron.spec.job_template))
    return types.Job(
        api_version="batch/v1",
        kind="Job",
        metadata=types.ObjectMeta(
            name=f"{cron.metadata.name}-{int(due.timestamp() // 60)}",
            namespace=cron.metadata.namespace,
            labels=template.metadata.labels,
            annotations={**template.metadata.annotations, SCHEDULED_AT: due.strftime("%Y-%m-%dT%H:%M:%SZ")},
            owner_references=[reference(cron)],
        ),
        spec=template.spec,
    )


def _named(job: types.Job) -> types.ObjectReference:
    meta = job.metadata
    return types.ObjectReference(
        kind="Job", api_version="batch/v1", namespace=meta.namespace, name=meta.name, uid=meta.uid
    )


def _last_success(cron: types.CronJob, jobs: Sequence[types.Job]) -> datetime | None:
    known = [cron.status.last_successful_time, *(job.status.completion_time for job in jobs)]
    return max((each for each in known if each is not None), default=None)


def _outlived(cron: types.CronJob, jobs: Sequence[types.Job]) -> list[types.Job]:
    """Ended jobs beyond those that are kept, the oldest first."""
    gone: list[types.Job] = []
    for good, limit in (
        (True, cron.spec.successful_jobs_history_limit),
        (False, cron.spec.failed_jobs_history_limit),
    ):
        ended = [job for job in jobs if (end := finished(job)) is not None and (end.type == COMPLETE) is good]
        ended = [job for job in ended if job.metadata.deletion_timestamp is None]
        ended.sort(key=lambda job: (str(job.status.start_time), job.metadata.name))
        gone += ended[: max(len(ended) - (limit or 0), 0)] if limit is not None else []
    return gone


def _removal(cron: types.CronJob, job: types.Job, *, told: bool = True) -> Delete:
    meta = job.metadata
    note = Note(about=cron, reason="SuccessfulDelete", message=f"Deleted job {meta.name}")
    return Delete(
        kind=JOB, namespace=meta.namespace, name=meta.name, uid=meta.uid, propagation="Background",
        told=note if told else None,
    )  # fmt: skip


class CronJobs(Controller[View]):
    """One key per CronJob: its namespace and name."""

    name = "cronjob"
    component = "cronjob-controller"
    watches = (CRON_JOB, JOB)

    def keys(self, change: Change, read: Reader) -> Iterable[str]:
        return concerned(CRON_JOB, change, read)

    def all_keys(self, read: Reader) -> Iterable[str]:
        return read.keys(CRON_JOB)

    def look(self, read: Reader, key: str) -> View | None:
        namespace, name = namespaced(key)
        cron = read.find(CRON_JOB, namespace, name)
        if cron is None:
            return None
        uid = cron.metadata.uid
        jobs = [job for job in read.owned(JOB, uid) if (owner := controller_of(job)) and owner.uid == uid]
        return View(cron, tuple(jobs))

    def plan(self, view: View, now: datetime) -> Actions:
        return plan(view, now)

    def refused(self, view: View, error: ApiError, now: datetime) -> Actions:
        """A job of that moment is there already, or may not be made: the moment is over either way."""
        due, _ = _moments(view.cron, now)
        taken, why = isinstance(error, AlreadyExists), f"Error creating job: {error.message}"
        told = Note(about=view.cron, reason="FailedCreate", message=why, warning=True)
        status = replace(view.cron.status, last_schedule_time=due or view.cron.status.last_schedule_time)
        return Actions(statuses=told_status(view.cron, status), events=() if taken else (told,))
