"""The kinds Job and CronJob: pods that run to their end, once or by the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, refusals, schedules, templates
from apps.cluster.kinds.pod_defaults import default_spec
from apps.cluster.kinds.transaction import Transaction
from apps.cluster.registry import Column, Kind, register
from apps.cluster.selectors import LabelSelector
from apps.cluster.types import Problem

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
NAME_LABEL: Final = "batch.kubernetes.io/job-name"
OLD_LABELS: Final = {"controller-uid": UID_LABEL, "job-name": NAME_LABEL}
"""What clients of older versions select by."""
TRACKED: Final = "batch.kubernetes.io/job-tracking"
"""The finalizer that keeps a pod until its end was counted."""
RETRIES = 6
ENDING = ("Never", "OnFailure")
POLICIES = ("Allow", "Forbid", "Replace")
KEEP_SUCCESSFUL, KEEP_FAILED = 3, 1
LONGEST_NAME, LONGEST_CRON_NAME = 63, 52
"""Names become labels of pods; those of jobs that begin by the clock get a number behind."""


def finished(job: types.Job) -> types.Condition | None:
    """The condition that says how a job ended, once it has."""
    return next((c for c in job.status.conditions if c.type in {COMPLETE, FAILED} and c.status == "True"), None)


def _default_spec(spec: types.JobSpec) -> None:
    if spec.completions is None and spec.parallelism is None:
        spec.completions = 1
    if spec.parallelism is None:
        spec.parallelism = 1
    if spec.backoff_limit is None:
        spec.backoff_limit = RETRIES
    spec.completion_mode = spec.completion_mode or "NonIndexed"
    spec.suspend = bool(spec.suspend)
    default_spec(spec.template.spec)


def _default(job: types.Job) -> None:
    _default_spec(job.spec)


def _problems(job: types.Job) -> Iterator[Problem]:
    if len(job.metadata.name) > LONGEST_NAME:
        yield refusals.too_long("metadata.name", LONGEST_NAME, "characters")
    yield from _spec_problems(job.spec, "spec")


def _spec_problems(spec: types.JobSpec, path: str) -> Iterator[Problem]:
    for name in (
        "parallelism", "completions", "backoff_limit", "active_deadline_seconds", "ttl_seconds_after_finished",
    ):  # fmt: skip
        yield from refusals.between(f"{path}.{types.wire_name(name)}", getattr(spec, name), 0, templates.MOST)
    yield from refusals.one_of(f"{path}.completionMode", spec.completion_mode or "NonIndexed", ("NonIndexed",))
    yield from templates.problems(spec.template, ENDING, f"{path}.template")


def _update_problems(old: types.Job, new: types.Job) -> Iterator[Problem]:
    for name in ("completions", "completion_mode", "selector", "template"):
        before, after = getattr(old.spec, name), getattr(new.spec, name)
        if name == "template":
            before, after = _labelled(before, old), _labelled(after, old)
        if before != after and not (name == "selector" and after is None):
            yield refusals.invalid(f"spec.{types.wire_name(name)}", types.to_data(after), "field is immutable")


def _select(tx: Transaction, old: types.Job | None, new: types.Job) -> None:
    """A job's pods are known by labels of its own; nobody chooses them."""
    if old is None:
        _refuse_foreign(new)
    known = old or new
    new.spec.selector = types.LabelSelector(match_labels={UID_LABEL: known.metadata.uid})
    new.spec.template = _labelled(new.spec.template, known)


def _labels(job: types.Job) -> dict[str, str]:
    mine = {UID_LABEL: job.metadata.uid, NAME_LABEL: job.metadata.name}
    return {**mine, **{older: mine[label] for older, label in OLD_LABELS.items()}}


def _labelled(template: types.PodTemplateSpec, job: types.Job) -> types.PodTemplateSpec:
    """The template with the labels of the job's own; those that a client sends along stand."""
    return replace(
        template, metadata=replace(template.metadata, labels={**_labels(job), **template.metadata.labels})
    )


def _refuse_foreign(job: types.Job) -> None:
    labels, given = _labels(job), job.spec.template.metadata.labels
    if job.spec.selector is not None:
        templates.refuse(job, refusals.forbidden("spec.selector", "is made by the server: leave it out"))
    foreign = [key for key, value in labels.items() if given.get(key, value) != value]
    if foreign:
        path = f"spec.template.metadata.labels[{foreign[0]}]"
        templates.refuse(job, refusals.forbidden(path, "is set by the server: leave it out"))


def _selected(job: types.Job) -> LabelSelector:
    return LabelSelector.meant_by(job.spec.selector) if job.spec.selector is not None else LabelSelector()


def _status(job: types.Job, now: datetime) -> str:
    ended = finished(job)
    if ended is not None:
        return ended.type
    if job.metadata.deletion_timestamp is not None:
        return "Terminating"
    held = any(each.type == SUSPENDED and each.status == "True" for each in job.status.conditions)
    return SUSPENDED if held else "Running"


def _completions(job: types.Job, now: datetime) -> str:
    if job.spec.completions is not None:
        return f"{job.status.succeeded}/{job.spec.completions}"
    parallelism = job.spec.parallelism or 0
    return f"{job.status.succeeded}/1 of {parallelism}" if parallelism > 1 else f"{job.status.succeeded}/1"


def _duration(job: types.Job, now: datetime) -> str:
    began, ended = job.status.start_time, job.status.completion_time
    return "" if began is None else ages.human((ended or now) - began)


def _containers(job: types.Job) -> list[types.Container]:
    return job.spec.template.spec.containers


JOB = register(
    Kind(
        group="batch",
        name="Job",
        plural="jobs",
        categories=("all",),
        schema=types.Job,
        subresources=frozenset({"status"}),
        default=_default,
        validate=meta.checked(names.dns_subdomain_problem, _problems),
        validate_update=meta.checked_update(_update_problems),
        admit=(_select, templates.let_in("jobs")),
        fields={"status.successful": lambda job: str(job.status.succeeded)},
        selects=_selected,
        columns=(
            ages.NAME,
            Column("Status", _status, description="How it ended, or that it runs."),
            Column("Completions", _completions, description="Pods that succeeded, of those wanted."),
            Column("Duration", _duration, description="How long it ran."),
            ages.AGE,
            *templates.columns(_selected, _containers),
        ),
    )
)


def _default_cron(cron: types.CronJob) -> None:
    spec = cron.spec
    spec.concurrency_policy = spec.concurrency_policy or POLICIES[0]
    spec.suspend = bool(spec.suspend)
    if spec.successful_jobs_history_limit is None:
        spec.successful_jobs_history_limit = KEEP_SUCCESSFUL
    if spec.failed_jobs_history_limit is None:
        spec.failed_jobs_history_limit = KEEP_FAILED
    _default_spec(spec.job_template.spec)


def _cron_problems(cron: types.CronJob) -> Iterator[Problem]:
    spec = cron.spec
    if len(cron.metadata.name) > LONGEST_CRON_NAME:
        yield refusals.too_long("metadata.name", LONGEST_CRON_NAME, "characters")
    yield from schedules.problems(spec.schedule, spec.time_zone)
    yield from refusals.one_of("spec.concurrencyPolicy", spec.concurrency_policy, POLICIES)
    for name in ("starting_deadline_seconds", "successful_jobs_history_limit", "failed_jobs_history_limit"):
        yield from refusals.between(f"spec.{types.wire_name(name)}", getattr(spec, name), 0, templates.MOST)
    template = spec.job_template
    yield from meta.label_problems(template.metadata.labels, "spec.jobTemplate.metadata.labels")
    yield from meta.annotation_problems(template.metadata.annotations, "spec.jobTemplate.metadata.annotations")
    if template.spec.selector is not None:
        yield refusals.forbidden("spec.jobTemplate.spec.selector", "is made by the server: leave it out")
    yield from _spec_problems(template.spec, "spec.jobTemplate.spec")


def _last(cron: types.CronJob, now: datetime) -> str:
    last = cron.status.last_schedule_time
    return "<none>" if last is None else ages.since(last, now)


def _template_of(cron: Any) -> types.PodTemplateSpec:
    template: types.PodTemplateSpec = cron.spec.job_template.spec.template
    return template


CRON_JOB = register(
    Kind(
        group="batch",
        name="CronJob",
        plural="cronjobs",
        short=("cj",),
        categories=("all",),
        schema=types.CronJob,
        subresources=frozenset({"status"}),
        default=_default_cron,
        validate=meta.checked(names.dns_subdomain_problem, _cron_problems),
        validate_update=meta.checked_update(),
        admit=(templates.let_in("cronjobs", _template_of, "spec.jobTemplate.spec.template"),),
        columns=(
            ages.NAME,
            Column("Schedule", lambda cron, now: cron.spec.schedule, description="When it begins a job."),
            Column("Timezone", lambda cron, now: cron.spec.time_zone or "<none>", description="Whose clock counts."),
            Column("Suspend", lambda cron, now: str(bool(cron.spec.suspend)), "boolean",
                   description="Whether it begins none for now."),
            templates.count("Active", lambda cron: len(cron.status.active), "Jobs that run."),
            Column("Last Schedule", _last, description="When it last began one."),
            ages.AGE,
            *templates.columns(lambda _: "<none>", lambda cron: _template_of(cron).spec.containers),
        ),
    )
)  # fmt: skip
