"""The group coordination.k8s.io: until when somebody may be taken to be there."""

from datetime import datetime

from msgspec import field

from apps.cluster.types.base import Wire
from apps.cluster.types.meta import Resource


class LeaseSpec(Wire):
    holder_identity: str = ""
    lease_duration_seconds: int | None = None
    renew_time: datetime | None = None


class Lease(Resource, kw_only=True):
    spec: LeaseSpec = field(default_factory=LeaseSpec)
