"""Kinds that keep pods of a template running and replace them when it changes: the group apps."""

from msgspec import field

from apps.cluster.types.base import Wire
from apps.cluster.types.meta import Condition, LabelSelector, Resource
from apps.cluster.types.pods import IntOrString, PodTemplateSpec, ReplicationControllerStatus


class ReplicaSetSpec(Wire):
    selector: LabelSelector
    template: PodTemplateSpec
    replicas: int | None = None
    min_ready_seconds: int = 0


class ReplicaSetStatus(ReplicationControllerStatus, omit_defaults=False):
    """Counts as a ReplicationController's does."""


class ReplicaSet(Resource, kw_only=True):
    spec: ReplicaSetSpec
    status: ReplicaSetStatus = field(default_factory=ReplicaSetStatus)


class RollingUpdateDeployment(Wire):
    """How far an update may stray from the wanted number of pods: counts, or shares such as "25%"."""

    max_unavailable: IntOrString | None = None
    max_surge: IntOrString | None = None


class DeploymentStrategy(Wire):
    type: str = ""
    rolling_update: RollingUpdateDeployment | None = None


class DeploymentSpec(Wire):
    selector: LabelSelector
    template: PodTemplateSpec
    replicas: int | None = None
    strategy: DeploymentStrategy = field(default_factory=DeploymentStrategy)
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None
    paused: bool = False
    progress_deadline_seconds: int | None = None


class DeploymentStatus(Wire):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    conditions: list[Condition] = []
    collision_count: int | None = None


class Deployment(Resource, kw_only=True):
    spec: DeploymentSpec
    status: DeploymentStatus = field(default_factory=DeploymentStatus)
