"""Nodes and pods as the scheduler sees them; a test says only what matters to it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils.module_loading import import_string

from apps.cluster import types
from apps.cluster.kinds import POD
from apps.scheduler import filters, scores
from apps.scheduler.needs import NodeFacts, PodNeeds, needs_of
from apps.scheduler.place import Decision, place
from apps.scheduler.relations import HOSTNAME
from apps.scheduler.snapshot import Snapshot
from tests.builders import build

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GIB = 2**30
FILTERS = tuple(import_string(path) for path in filters.DEFAULT)
SCORES = tuple(import_string(path) for path in scores.DEFAULT)
ZONE = "topology.kubernetes.io/zone"


def node(name: str = "node-1", zone: str = "", **changes: Any) -> NodeFacts:
    facts: dict[str, Any] = {"cpu": 4000, "memory": 8 * GIB, "pods": 110}
    labels = {HOSTNAME: name, **({ZONE: zone} if zone else {}), **changes.pop("labels", {})}
    return NodeFacts(name=name, labels=labels, **(facts | changes))


def pod(name: str = "a", **changes: Any) -> PodNeeds:
    facts: dict[str, Any] = {"namespace": "default", "uid": f"uid-{name}", "labels": {}, "created": NOW}
    return PodNeeds(name=name, **(facts | changes))


def said(
    name: str = "a", app: str = "web", node: str = "", namespace: str = "default", **spec: Any
) -> PodNeeds:
    """A pod as the API has it, with the label ``app``."""
    made: types.Pod = build(POD, name=name, namespace=namespace, labels={"app": app})
    made.metadata.uid, made.metadata.creation_timestamp = f"uid-{name}", NOW
    made.spec.node_name = node
    for field, value in spec.items():
        setattr(made.spec, field, value)
    return needs_of(made)


def meaning(**labels: str) -> types.LabelSelector:
    return types.LabelSelector(match_labels=labels)


def term(topology: str = HOSTNAME, **changes: Any) -> types.PodAffinityTerm:
    return types.PodAffinityTerm(topology_key=topology, **({"label_selector": meaning(app="web")} | changes))


def near(*terms: types.PodAffinityTerm) -> types.Affinity:
    return types.Affinity(
        pod_affinity=types.PodAffinity(required_during_scheduling_ignored_during_execution=list(terms))
    )


def far(*terms: types.PodAffinityTerm) -> types.Affinity:
    return types.Affinity(
        pod_anti_affinity=types.PodAntiAffinity(
            required_during_scheduling_ignored_during_execution=list(terms)
        )
    )


def spread(topology: str = ZONE, most: int = 1, **changes: Any) -> types.TopologySpreadConstraint:
    facts: dict[str, Any] = {"when_unsatisfiable": "DoNotSchedule", "label_selector": meaning(app="web")}
    return types.TopologySpreadConstraint(max_skew=most, topology_key=topology, **(facts | changes))


def placed(
    nodes: Sequence[NodeFacts], *pods: PodNeeds, there: Sequence[PodNeeds] = (), namespaces: Any = None
) -> list[Decision]:
    return place(Snapshot(nodes, there, namespaces), pods, FILTERS, SCORES)


def only(nodes: Sequence[NodeFacts], one: PodNeeds, *there: PodNeeds) -> Decision:
    (decision,) = placed(nodes, one, there=there)
    return decision
