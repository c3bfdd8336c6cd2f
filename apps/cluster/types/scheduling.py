"""The group scheduling.k8s.io: how much pods matter against each other."""

from apps.cluster.types.meta import Resource


class PriorityClass(Resource, kw_only=True):
    value: int
    global_default: bool | None = None
    description: str = ""
    preemption_policy: str | None = None
