"""Work that ends: jobs, and those that begin by the clock: the group batch."""

from datetime import datetime

from msgspec import field

from apps.cluster.types.base import Wire
from apps.cluster.types.meta import Condition, LabelSelector, ObjectMeta, ObjectReference, Resource
from apps.cluster.types.pods import PodTemplateSpec


class JobSpec(Wire):
    template: PodTemplateSpec
    parallelism: int | None = None
    completions: int | None = None
    active_deadline_seconds: int | None = None
    backoff_limit: int | None = None
    selector: LabelSelector | None = None
    ttl_seconds_after_finished: int | None = None
    completion_mode: str | None = None
    suspend: bool | None = None


class JobStatus(Wire):
    conditions: list[Condition] = []
    start_time: datetime | None = None
    completion_time: datetime | None = None
    active: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0


class Job(Resource, kw_only=True):
    spec: JobSpec
    status: JobStatus = field(default_factory=JobStatus)


class JobTemplateSpec(Wire):
    spec: JobSpec
    metadata: ObjectMeta = field(default_factory=ObjectMeta)


class CronJobSpec(Wire):
    schedule: str
    job_template: JobTemplateSpec
    time_zone: str | None = None
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = ""
    suspend: bool | None = None
    successful_jobs_history_limit: int | None = None
    failed_jobs_history_limit: int | None = None


class CronJobStatus(Wire):
    active: list[ObjectReference] = []
    last_schedule_time: datetime | None = None
    last_successful_time: datetime | None = None


class CronJob(Resource, kw_only=True):
    spec: CronJobSpec
    status: CronJobStatus = field(default_factory=CronJobStatus)
