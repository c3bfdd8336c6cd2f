"""What a namespace may use: quotas for the whole of it, ranges for each pod and container in it."""

from msgspec import field

from apps.cluster.types.base import Quantity, Wire
from apps.cluster.types.meta import Resource


class ResourceQuotaSpec(Wire):
    hard: dict[str, Quantity] = {}


class ResourceQuotaStatus(Wire):
    hard: dict[str, Quantity] = {}
    used: dict[str, Quantity] = {}


class ResourceQuota(Resource):
    spec: ResourceQuotaSpec = field(default_factory=ResourceQuotaSpec)
    status: ResourceQuotaStatus = field(default_factory=ResourceQuotaStatus)


class LimitRangeItem(Wire):
    type: str
    max: dict[str, Quantity] = {}
    min: dict[str, Quantity] = {}
    default: dict[str, Quantity] = {}
    default_request: dict[str, Quantity] = {}
    max_limit_request_ratio: dict[str, Quantity] = {}


class LimitRangeSpec(Wire):
    limits: list[LimitRangeItem]


class LimitRange(Resource, kw_only=True):
    spec: LimitRangeSpec
