"""Metadata shared by all objects, and the objects that requests and answers carry besides kinds."""

from datetime import datetime
from typing import Any

from msgspec import field

from apps.cluster.types.base import Wire


class OwnerReference(Wire):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ManagedFields(Wire):
    """The fields one client (or one part of the system) has set."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: datetime | None = None
    fields_type: str = ""
    fields_v1: Any = None
    subresource: str = ""


class ObjectMeta(Wire):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []
    finalizers: list[str] = []
    managed_fields: list[ManagedFields] = []
    self_link: str = ""


class Resource(Wire):
    """An object of a kind: what every kind's struct begins with."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = field(default_factory=ObjectMeta)


class ListMeta(Wire):
    resource_version: str = ""
    continue_: str = ""
    remaining_item_count: int | None = None


class Condition(Wire):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
    last_probe_time: datetime | None = None
    last_heartbeat_time: datetime | None = None
    last_update_time: datetime | None = None
    observed_generation: int | None = None


class LabelSelectorRequirement(Wire):
    key: str
    operator: str
    values: list[str] = []


class LabelSelector(Wire):
    """Labels that must be there, and further requirements; an empty one selects everything."""

    match_labels: dict[str, str] = {}
    match_expressions: list[LabelSelectorRequirement] = []


class LocalObjectReference(Wire):
    name: str = ""


class ObjectReference(Wire):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class StatusCause(Wire):
    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(Wire):
    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: list[StatusCause] = []
    retry_after_seconds: int = 0


class Status(Wire):
    """What a request that has no object to answer with gets: every error, and some successes."""

    kind: str = "Status"
    api_version: str = "v1"
    metadata: ListMeta = field(default_factory=ListMeta)
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails | None = None
    code: int = 0


class Preconditions(Wire):
    uid: str | None = None
    resource_version: str | None = None


class DeleteOptions(Wire):
    kind: str = ""
    api_version: str = ""
    grace_period_seconds: int | None = None
    preconditions: Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: list[str] = []


class ScaleSpec(Wire, omit_defaults=False):
    replicas: int = 0


class ScaleStatus(Wire, omit_defaults=False):
    replicas: int = 0
    selector: str = ""


class Scale(Resource):
    spec: ScaleSpec = field(default_factory=ScaleSpec)
    status: ScaleStatus = field(default_factory=ScaleStatus)


class Binding(Resource):
    target: ObjectReference = field(default_factory=ObjectReference)


class Eviction(Resource):
    """Asks that a pod leave its node."""

    delete_options: DeleteOptions | None = None
