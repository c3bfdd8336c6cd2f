"""What a node's agent may do: see and report its own, and nothing of another node. No role can widen this."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db.models import QuerySet

from apps.accounts.rules import Ask
from apps.accounts.scope import EVERYTHING, NOTHING, Scope
from apps.cluster import models, types
from apps.cluster.registry import Kind
from apps.cluster.types import ways

READS = frozenset({"get", "list", "watch"})
WRITES_STATUS = frozenset({"update", "patch"})
SLICES = "endpointslices.discovery.k8s.io"
INGRESSES = "ingresses.networking.k8s.io"
FOR_EVERY_NODE = frozenset({"services", SLICES})
OF_ITS_PODS = frozenset({"secrets", "configmaps", "persistentvolumeclaims"})

FOR_THE_EDGE = frozenset({INGRESSES, "ingressclasses.networking.k8s.io"})

Reference = tuple[str, str, str]
"""Kind key, namespace and name."""


def references(user: types.Pod | types.Ingress) -> frozenset[Reference]:
    """The secrets, config maps and claims that a pod uses: what its node must be given with it. Of an Ingress, what
    the edge is given."""
    if isinstance(user, types.Ingress):
        used: Iterator[tuple[str, str]] = (("secrets", name) for name in ways.secrets_of(user))
    else:
        used = _used(user.spec)
    return frozenset((kind, user.metadata.namespace, name) for kind, name in used if name)


def references_of_node(node: str, *, on_edge: bool) -> frozenset[Reference]:
    """The same for all pods bound to a node, and on the edge for all Ingresses, from the store."""
    return _of_pods(node) | (_of_ingresses() if on_edge else frozenset())


def may_hand_out(secret_type: str) -> bool:
    """Whether the edge is given secrets of this type that nothing but an Ingress names: whoever may write one names
    what he likes."""
    return secret_type == ways.TLS


def is_edge(node: str) -> bool:
    """Whether the outside reaches the cluster by this node: without any that is labelled so, by every one."""
    labelled = models.Index.objects.filter(key=f"l:{ways.EDGE_LABEL}", object__kind="nodes").exclude(value="false")
    names = set(labelled.values_list("object__name", flat=True))
    return not names or node in names


def _of_pods(node: str) -> frozenset[Reference]:
    return _read(types.Pod, models.Object.objects.filter(kind="pods", node=node))


def _of_ingresses() -> frozenset[Reference]:
    return _read(types.Ingress, models.Object.objects.filter(kind=INGRESSES))


def _read(cls: type[types.Pod] | type[types.Ingress], found: QuerySet[models.Object]) -> frozenset[Reference]:
    texts = found.values_list("text", flat=True)
    return frozenset(reference for text in texts for reference in references(types.decode_lenient(cls, text)))


def _readable(node: str) -> frozenset[Reference]:
    """What the node's own pods use, and on the edge the certificates of Ingresses."""
    if not is_edge(node):
        return _of_pods(node)
    certificates = models.Index.objects.filter(key="f:type", value=ways.TLS, object__kind="secrets")
    there = {("secrets", *pair) for pair in certificates.values_list("object__namespace", "object__name")}
    return _of_pods(node) | (_of_ingresses() & there)


def refusal(node: str, ask: Ask) -> str | None:
    """Why a node may not do this; None when it may."""
    judge = _JUDGES.get(f"{ask.resource}.{ask.group}" if ask.group else ask.resource)
    return judge(node, ask) if judge else "a node's agent has no business with these"


def scope(node: str, kind: Kind) -> Scope:
    """Which objects of a kind a node may see."""
    if kind.key in FOR_EVERY_NODE:
        return EVERYTHING
    if kind.key in FOR_THE_EDGE and is_edge(node):
        return EVERYTHING
    if kind.group:
        return NOTHING
    if kind.plural == "nodes":
        return Scope(names=frozenset({node}))
    if kind.plural in {"pods", "persistentvolumes"}:
        return Scope(node=node)
    if kind.plural in OF_ITS_PODS:
        used = _readable(node)
        return Scope(pairs=frozenset((space, name) for key, space, name in used if key == kind.key))
    return NOTHING


def _about_services(node: str, ask: Ask) -> str | None:
    return None if ask.verb in READS and not ask.subresource else "a node may only read these"


def _about_the_edge(node: str, ask: Ask) -> str | None:
    return _about_services(node, ask) if is_edge(node) else "this node is not on the edge"


def _about_events(node: str, ask: Ask) -> str | None:
    return None if ask.verb in {"create", "patch", "update"} else "a node may only report events"


def _about_a_node(node: str, ask: Ask) -> str | None:
    if ask.name and ask.name != node:
        return "a node speaks for itself only"
    if ask.subresource == "status" or not ask.subresource:
        return None if ask.verb in READS | WRITES_STATUS | {"create"} else "a node may not do this to itself"
    return "a node may not use this of itself"


def _about_a_pod(node: str, ask: Ask) -> str | None:
    allowed = READS | WRITES_STATUS if ask.subresource == "status" else READS | {"delete"}
    if ask.subresource not in {"", "status"} or ask.verb not in allowed:
        return "a node may read its pods, report their status and finish their deletion"
    if not ask.name:
        return None if ask.verb in READS else "a node names the pod it means"
    bound = models.Object.objects.filter(kind="pods", namespace=ask.namespace, name=ask.name)
    return None if bound.filter(node=node).exists() else "the pod is not bound to this node"


def _about_a_volume(node: str, ask: Ask) -> str | None:
    if ask.verb not in READS or ask.subresource:
        return "a node may only read these"
    if not ask.name:
        return None
    there = models.Object.objects.filter(kind="persistentvolumes", name=ask.name, node=node)
    return None if there.exists() else "the volume is not on this node"


def _about_configuration(node: str, ask: Ask) -> str | None:
    if ask.verb not in READS or ask.subresource:
        return "a node may only read these"
    if not ask.name:
        return None
    used = (ask.resource, ask.namespace, ask.name) in _readable(node)
    return None if used else "no pod of this node uses it"


def _used(spec: types.PodSpec) -> Iterator[tuple[str, str]]:
    for pull in spec.image_pull_secrets:
        yield "secrets", pull.name
    for volume in spec.volumes:
        if volume.secret is not None:
            yield "secrets", volume.secret.secret_name
        if volume.config_map is not None:
            yield "configmaps", volume.config_map.name
        if volume.persistent_volume_claim is not None:
            yield "persistentvolumeclaims", volume.persistent_volume_claim.claim_name
        for projection in volume.projected.sources if volume.projected is not None else ():
            if projection.secret is not None:
                yield "secrets", projection.secret.name
            if projection.config_map is not None:
                yield "configmaps", projection.config_map.name
    for container in spec.all_containers():
        yield from _used_by_variables(container)


def _about_an_account(node: str, ask: Ask) -> str | None:
    if (ask.verb, ask.subresource) != ("create", "token"):
        return "a node may only ask for tokens that its pods mount"
    texts = models.Object.objects.filter(kind="pods", namespace=ask.namespace, node=node)
    pods = (types.decode_lenient(types.Pod, text) for text in texts.values_list("text", flat=True))
    used = any(pod.spec.service_account_name == ask.name for pod in pods)
    return None if used else "no pod of this node runs as this service account"


def _used_by_variables(container: types.Container) -> Iterator[tuple[str, str]]:
    for source in container.env_from:
        if source.secret_ref is not None:
            yield "secrets", source.secret_ref.name
        if source.config_map_ref is not None:
            yield "configmaps", source.config_map_ref.name
    for variable in container.env:
        given = variable.value_from
        if given is not None and given.secret_key_ref is not None:
            yield "secrets", given.secret_key_ref.name
        if given is not None and given.config_map_key_ref is not None:
            yield "configmaps", given.config_map_key_ref.name


_JUDGES: dict[str, Callable[[str, Ask], str | None]] = {
    "services": _about_services,
    SLICES: _about_services,
    **dict.fromkeys(FOR_THE_EDGE, _about_the_edge),
    "events": _about_events,
    "nodes": _about_a_node,
    "pods": _about_a_pod,
    "secrets": _about_configuration,
    "configmaps": _about_configuration,
    "persistentvolumeclaims": _about_configuration,
    "persistentvolumes": _about_a_volume,
    "serviceaccounts": _about_an_account,
}
