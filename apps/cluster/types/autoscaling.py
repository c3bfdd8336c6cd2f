"""How many pods a workload is to have, by what they use: the group autoscaling, version 2."""

from datetime import datetime

from msgspec import field

from apps.cluster.types.base import Quantity, Wire
from apps.cluster.types.meta import Condition, Resource


class CrossVersionObjectReference(Wire):
    kind: str
    name: str
    api_version: str = ""


class MetricTarget(Wire):
    type: str
    value: Quantity | None = None
    average_value: Quantity | None = None
    average_utilization: int | None = None


class ResourceMetricSource(Wire):
    name: str
    target: MetricTarget


class MetricSpec(Wire):
    type: str
    resource: ResourceMetricSource | None = None


class HPAScalingPolicy(Wire):
    type: str
    value: int
    period_seconds: int


class HPAScalingRules(Wire):
    stabilization_window_seconds: int | None = None
    select_policy: str | None = None
    policies: list[HPAScalingPolicy] = []


class HorizontalPodAutoscalerBehavior(Wire):
    scale_up: HPAScalingRules | None = None
    scale_down: HPAScalingRules | None = None


class HorizontalPodAutoscalerSpec(Wire):
    scale_target_ref: CrossVersionObjectReference
    max_replicas: int
    min_replicas: int | None = None
    metrics: list[MetricSpec] = []
    behavior: HorizontalPodAutoscalerBehavior | None = None


class MetricValueStatus(Wire):
    value: Quantity | None = None
    average_value: Quantity | None = None
    average_utilization: int | None = None


class ResourceMetricStatus(Wire):
    name: str
    current: MetricValueStatus


class MetricStatus(Wire):
    type: str
    resource: ResourceMetricStatus | None = None


class HorizontalPodAutoscalerStatus(Wire):
    observed_generation: int = 0
    last_scale_time: datetime | None = None
    current_replicas: int = 0
    desired_replicas: int = 0
    current_metrics: list[MetricStatus] = []
    conditions: list[Condition] = []


class HorizontalPodAutoscaler(Resource, kw_only=True):
    spec: HorizontalPodAutoscalerSpec
    status: HorizontalPodAutoscalerStatus = field(default_factory=HorizontalPodAutoscalerStatus)
