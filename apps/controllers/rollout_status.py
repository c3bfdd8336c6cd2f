"""What a Deployment tells about itself: its counts, whether it is available and whether its update moves. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.kinds.deployments import NO_DEADLINE
from apps.controllers import rollout
from apps.controllers.actions import condition, with_condition

PROGRESSING, AVAILABLE, REPLICA_FAILURE = "Progressing", "Available", "ReplicaFailure"
CREATED, FOUND, MOVING, COMPLETE = (
    "NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated", "NewReplicaSetAvailable",
)  # fmt: skip
LATE = "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"
CREATE_ERROR = "ReplicaSetCreateError"

Told = tuple[types.DeploymentStatus, datetime | None]
"""The status, and when it changes by the mere passing of time."""


def of(
    deployment: types.Deployment,
    new: types.ReplicaSet | None,
    old: Sequence[types.ReplicaSet],
    begins: types.Condition | None,
    now: datetime,
) -> Told:
    """``new`` is the ReplicaSet of the template, if there is one; ``begins`` tells of an update that just began."""
    sets = [*old, *([new] if new is not None else [])]
    available = sum(each.status.available_replicas for each in sets)
    status = types.DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(each.status.replicas for each in sets),
        updated_replicas=new.status.replicas if new is not None else 0,
        ready_replicas=sum(each.status.ready_replicas for each in sets),
        available_replicas=available,
        unavailable_replicas=max(sum(each.spec.replicas or 0 for each in sets) - available, 0),
        conditions=deployment.status.conditions,
        collision_count=deployment.status.collision_count,
    )
    limits = rollout.bounds(deployment.spec)
    status = _with(status, _availability(available >= limits.least), now)
    status = _with_failure(status, sets, now)
    return _progress(deployment, status, new, begins, now)


def created(name: str) -> types.Condition:
    """An update began, with a ReplicaSet of its own."""
    return _progressing("True", CREATED, f'Created new replica set "{name}"')


def found(name: str) -> types.Condition:
    """An update began, to a template that has its ReplicaSet already."""
    return _progressing("True", FOUND, f'Found new replica set "{name}"')


def is_complete(deployment: types.Deployment, status: types.DeploymentStatus) -> bool:
    """Whether every wanted pod is of the newest template and available, and none of another is left."""
    desired = deployment.spec.replicas or 0
    return (
        status.updated_replicas == status.replicas == status.available_replicas == desired
        and status.observed_generation >= deployment.metadata.generation
    )


def failed(deployment: types.Deployment, why: str, now: datetime) -> types.DeploymentStatus:
    told = types.Condition(type=PROGRESSING, status="False", reason=CREATE_ERROR, message=why)
    return _with(deployment.status, told, now)


def _progress(
    deployment: types.Deployment,
    status: types.DeploymentStatus,
    newest: types.ReplicaSet | None,
    begins: types.Condition | None,
    now: datetime,
) -> Told:
    """The condition Progressing, its clock and its deadline."""
    deadline = deployment.spec.progress_deadline_seconds
    if deadline is None or deadline == NO_DEADLINE:
        kept = [each for each in status.conditions if each.type != PROGRESSING]
        return replace(status, conditions=kept), None
    before = condition(deployment.status.conditions, PROGRESSING)
    if deployment.spec.paused:
        return _with(status, _unknown(PAUSED, "Deployment is paused"), now), None
    if before is not None and before.reason == PAUSED:
        status = _with(status, _unknown(RESUMED, "Deployment is resumed"), now)
        before = condition(status.conditions, PROGRESSING)
    name = newest.metadata.name if newest is not None else ""
    told = begins or _moved(deployment, status, before, name)
    if told is not None:
        status = _with(status, told, now, again=told.reason != COMPLETE)
    current = condition(status.conditions, PROGRESSING)
    if current is None or current.reason in {COMPLETE, LATE, CREATE_ERROR}:
        return status, None
    due = (current.last_update_time or now) + timedelta(seconds=deadline)
    if now < due:
        return status, due
    late = f'ReplicaSet "{name}" has timed out progressing.'
    return _with(status, _progressing("False", LATE, late), now), None


def _moved(
    deployment: types.Deployment,
    status: types.DeploymentStatus,
    before: types.Condition | None,
    name: str,
) -> types.Condition | None:
    """What has happened since the last look, or None for nothing."""
    if is_complete(deployment, status):
        return _progressing("True", COMPLETE, f'ReplicaSet "{name}" has successfully progressed.')
    was = deployment.status
    settled = before is not None and before.reason == COMPLETE and status.replicas == status.updated_replicas
    if settled:
        return None  # scaled, or a pod is away: no update runs
    if (
        status.updated_replicas > was.updated_replicas
        or status.replicas - status.updated_replicas < was.replicas - was.updated_replicas
        or status.ready_replicas > was.ready_replicas
        or status.available_replicas > was.available_replicas
    ):
        return _progressing("True", MOVING, f'ReplicaSet "{name}" is progressing.')
    return found(name) if before is None else None


def _with(
    status: types.DeploymentStatus, wanted: types.Condition, now: datetime, *, again: bool = False
) -> types.DeploymentStatus:
    """The condition in place; its clock starts anew when its reason does, or ``again`` says so."""
    before = condition(status.conditions, wanted.type)
    same = before is not None and (before.status, before.reason) == (wanted.status, wanted.reason)
    if same and before is not None and before.message == wanted.message and not again:
        return status
    since = (
        before.last_update_time if same and before is not None and not again else now.replace(microsecond=0)
    )
    stamped = replace(wanted, last_update_time=since)
    return replace(status, conditions=with_condition(status.conditions, stamped, now))


def _with_failure(
    status: types.DeploymentStatus, sets: Sequence[types.ReplicaSet], now: datetime
) -> types.DeploymentStatus:
    """A ReplicaSet that cannot make its pods says so through its Deployment, where people look."""
    failing = [told for each in sets if (told := condition(each.status.conditions, REPLICA_FAILURE))]
    if failing:
        return _with(status, failing[-1], now)
    return replace(status, conditions=[each for each in status.conditions if each.type != REPLICA_FAILURE])


def _availability(enough: bool) -> types.Condition:
    if enough:
        return types.Condition(
            type=AVAILABLE,
            status="True",
            reason="MinimumReplicasAvailable",
            message="Deployment has minimum availability.",
        )
    return types.Condition(
        type=AVAILABLE,
        status="False",
        reason="MinimumReplicasUnavailable",
        message="Deployment does not have minimum availability.",
    )


def _progressing(status: str, reason: str, message: str) -> types.Condition:
    return types.Condition(type=PROGRESSING, status=status, reason=reason, message=message)


def _unknown(reason: str, message: str) -> types.Condition:
    return _progressing("Unknown", reason, message)
