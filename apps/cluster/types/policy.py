"""The group policy: how many pods of a kind may be asked to leave at once."""

from msgspec import field

from apps.cluster.types.base import Wire
from apps.cluster.types.meta import Condition, LabelSelector, Resource
from apps.cluster.types.pods import IntOrString


class PodDisruptionBudgetSpec(Wire):
    """One of the two numbers: pods, or a share such as "50%"."""

    min_available: IntOrString | None = None
    max_unavailable: IntOrString | None = None
    selector: LabelSelector | None = None
    unhealthy_pod_eviction_policy: str | None = None


class PodDisruptionBudgetStatus(Wire, omit_defaults=False):
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    observed_generation: int = 0
    conditions: list[Condition] = []


class PodDisruptionBudget(Resource, kw_only=True):
    spec: PodDisruptionBudgetSpec = field(default_factory=PodDisruptionBudgetSpec)
    status: PodDisruptionBudgetStatus = field(default_factory=PodDisruptionBudgetStatus)
