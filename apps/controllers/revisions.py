"""Makes the versions of a Deployment: what names, numbers and annotates the ReplicaSet of each template."""

import hashlib
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from apps.cluster import types
from apps.cluster.quantities import number_in
from apps.cluster.revisions import HASH, HELD, HISTORY, PREFIX, REVISION, bare, revision
from apps.controllers import rollout
from apps.controllers.owners import reference

DESIRED = f"{PREFIX}desired-replicas"
MOST = f"{PREFIX}max-replicas"
NOT_COPIED = frozenset({"kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MOST, HELD})
"""Annotations that no ReplicaSet takes from its Deployment, where ``kubectl rollout undo`` may have put another's."""
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LENGTH = 10


def template_hash(template: types.PodTemplateSpec, collisions: int) -> str:
    """Short, without vowels: no words by accident."""
    digest = hashlib.sha256(bare(template) + str(collisions).encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_LENGTH])


def desired(replica_set: types.ReplicaSet) -> int | None:
    """How many pods its Deployment wanted when it was last sized."""
    return number_in(replica_set.metadata.annotations.get(DESIRED, ""))


def sizes(deployment: types.Deployment) -> dict[str, str]:
    """What a ReplicaSet remembers of the Deployment it was sized for."""
    limits = rollout.bounds(deployment.spec)
    return {DESIRED: str(limits.desired), MOST: str(limits.most)}


def renewed(
    notes: Mapping[str, str], deployment: types.Deployment, old: Sequence[types.ReplicaSet]
) -> dict[str, str]:
    """The annotations of the newest ReplicaSet: its Deployment's, and a number above all others. A version that is
    taken up again keeps its earlier numbers as history."""
    copied = {key: value for key, value in deployment.metadata.annotations.items() if key not in NOT_COPIED}
    number = max(map(revision, old), default=0) + 1
    had = notes.get(REVISION, "")
    if (number_in(had) or 0) >= number:
        return {**notes, **copied}
    past = [each for each in notes.get(HISTORY, "").split(",") if each]
    history = {HISTORY: ",".join([*past, had])} if had else {}
    return {**notes, **copied, **history, REVISION: str(number)}


def made(deployment: types.Deployment, old: Sequence[types.ReplicaSet]) -> types.ReplicaSet:
    """The ReplicaSet of a template that has none yet, still without pods."""
    spec, meta = deployment.spec, deployment.metadata
    template = types.decode(types.PodTemplateSpec, types.encode(spec.template))
    label = {HASH: template_hash(template, deployment.status.collision_count or 0)}
    template.metadata.labels = {**template.metadata.labels, **label}
    selector = replace(spec.selector, match_labels={**spec.selector.match_labels, **label})
    return types.ReplicaSet(
        api_version="apps/v1",
        kind="ReplicaSet",
        metadata=types.ObjectMeta(
            name=f"{meta.name}-{label[HASH]}",
            namespace=meta.namespace,
            labels=template.metadata.labels,
            annotations=renewed(sizes(deployment), deployment, old),
            owner_references=[reference(deployment)],
        ),
        spec=types.ReplicaSetSpec(
            selector=selector, template=template, replicas=0, min_ready_seconds=spec.min_ready_seconds
        ),
    )
