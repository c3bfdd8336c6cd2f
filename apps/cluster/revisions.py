"""The versions of a Deployment, as its ReplicaSets carry them: numbers, reasons, templates. Pure.

Annotations and labels are Kubernetes' own, so that ``kubectl rollout history`` and ``undo`` read them; one is ours.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.quantities import number_in

HASH: Final = "pod-template-hash"
PREFIX: Final = "deployment.kubernetes.io/"
REVISION: Final = f"{PREFIX}revision"
HISTORY: Final = f"{PREFIX}revision-history"
CAUSE: Final = "kubernetes.io/change-cause"
RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"
"""The annotation of a template whose only purpose is to make it another one."""
HELD: Final = "drover.dev/image"
"""The annotation of what makes an application's pods that says which content its tag meant, as a pin, and of pods made
by that pin."""


def revision(replica_set: types.ReplicaSet) -> int:
    """0 when nobody numbered it."""
    return number_in(replica_set.metadata.annotations.get(REVISION, "")) or 0


def plain(template: types.PodTemplateSpec) -> types.PodTemplateSpec:
    """A template without the label that names its version."""
    labels = {key: value for key, value in template.metadata.labels.items() if key != HASH}
    return replace(template, metadata=replace(template.metadata, labels=labels))


def bare(template: types.PodTemplateSpec) -> bytes:
    """What tells versions apart: equal ones are one version."""
    return types.encode(plain(template))


def restarted(template: types.PodTemplateSpec, at: str) -> types.PodTemplateSpec:
    """The same as another version: every pod is made anew."""
    notes = {**template.metadata.annotations, RESTARTED: at}
    return replace(template, metadata=replace(template.metadata, annotations=notes))
