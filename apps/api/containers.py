"""Which of a pod's containers a request means."""

from apps.cluster import types
from apps.cluster.errors import BadRequest

DEFAULT = "kubectl.kubernetes.io/default-container"
"""The annotation by which a pod names the one meant when none is."""


def named(pod: types.Pod, asked: str) -> str:
    """The container asked for by name, the only one, or the pod's default. Raises BadRequest with the choice."""
    names = [container.name for container in pod.spec.containers]
    name = pod.metadata.name
    if not asked and len(names) == 1:
        return names[0]
    if not asked:
        default = pod.metadata.annotations.get(DEFAULT, "")
        if default in names:
            return default
        raise BadRequest(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        )
    if asked not in {each.name for each in pod.spec.all_containers()}:
        raise BadRequest(f"container {asked} is not valid for pod {name}, choose one of: [{' '.join(names)}]")
    return asked
