"""What a pod wants of its node's labels and of the pods around it, read once per version of the pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from apps.cluster import types
from apps.cluster.selectors import EXPRESSED_OF_NODES, LabelSelector, Operator, Requirement

HOSTNAME = "kubernetes.io/hostname"
NODE_NAME = "metadata.name"


class Sorted(Protocol):
    """What has a namespace and labels."""

    @property
    def namespace(self) -> str: ...

    @property
    def labels(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """Requirements that a node's labels meet, all of them; its name counts as one more label."""

    wanted: LabelSelector

    def matches(self, labels: Mapping[str, str], name: str) -> bool:
        # A term that asks for nothing selects nothing.
        return bool(self.wanted) and all(
            each.matches({NODE_NAME: name} if each.key == NODE_NAME else labels)
            for each in self.wanted.requirements
        )


@dataclass(frozen=True, slots=True)
class Crowd:
    """Pods of some namespaces (None: of all) that several selectors all mean. ``staying``: those that leave count
    no more."""

    namespaces: frozenset[str] | None
    selectors: tuple[LabelSelector, ...]
    staying: bool = False

    def holds(self, pod: Sorted) -> bool:
        if self.namespaces is not None and pod.namespace not in self.namespaces:
            return False
        return all(selector.matches(pod.labels) for selector in self.selectors)


@dataclass(frozen=True, slots=True)
class PodTerm:
    """Some pods, near or far by ``topology``: the label that nodes of one place share."""

    topology: str
    selector: LabelSelector | None
    """None means no pod at all."""
    namespaces: frozenset[str]
    where: LabelSelector | None = None
    """Further namespaces, by their labels."""

    def crowd(self, namespaces: Mapping[str, Mapping[str, str]]) -> Crowd:
        """``namespaces`` are the labels of all there are."""
        if self.selector is None:
            return Crowd(frozenset(), ())
        if self.where is None:
            return Crowd(self.namespaces, (self.selector,))
        if not self.where:
            return Crowd(None, (self.selector,))
        chosen = {name for name, labels in namespaces.items() if self.where.matches(labels)}
        return Crowd(self.namespaces | chosen, (self.selector,))


@dataclass(frozen=True, slots=True)
class Spread:
    """Pods like this one lie evenly over the places of ``topology``."""

    topology: str
    most: int
    """How much fuller than the emptiest a place may be."""
    crowd: Crowd
    hard: bool
    places: int = 1
    """While there are fewer places than this, the emptiest counts as empty."""
    by_affinity: bool = True
    """Only nodes that the pod's selector and node affinity allow count,"""
    by_taints: bool = False
    """and only those whose taints it tolerates."""


@dataclass(frozen=True, slots=True)
class Relations:
    """Everything a pod says of nodes' labels and of other pods, beyond its node selector."""

    node_terms: tuple[NodeTerm, ...] | None = None
    """One of them must hold."""
    node_wishes: tuple[tuple[int, NodeTerm], ...] = ()
    near: tuple[PodTerm, ...] = ()
    far: tuple[PodTerm, ...] = ()
    wishes: tuple[tuple[int, PodTerm], ...] = ()
    """With a negative weight where the pod would rather be far."""
    spreads: tuple[Spread, ...] = ()

    def held(self) -> Iterator[tuple[int | None, PodTerm]]:
        """What counts for others too once the pod runs: its weighted wishes, and, without a weight, whom it refuses."""
        yield from ((None, term) for term in self.far)
        yield from self.wishes


def relations_of(pod: types.Pod) -> Relations | None:
    """None for the many pods that say nothing."""
    spec = pod.spec
    if spec.affinity is None and not spec.topology_spread_constraints:
        return None
    affinity = spec.affinity or types.Affinity()
    nodes = affinity.node_affinity or types.NodeAffinity()
    near, far = (
        affinity.pod_affinity or types.PodAffinity(),
        affinity.pod_anti_affinity or types.PodAntiAffinity(),
    )
    required = nodes.required_during_scheduling_ignored_during_execution
    return Relations(
        node_terms=tuple(map(_node_term, required.node_selector_terms)) if required is not None else None,
        node_wishes=tuple(
            (each.weight, _node_term(each.preference))
            for each in nodes.preferred_during_scheduling_ignored_during_execution
        ),
        near=_pod_terms(near.required_during_scheduling_ignored_during_execution, pod),
        far=_pod_terms(far.required_during_scheduling_ignored_during_execution, pod),
        wishes=(*_wishes(near, pod, 1), *_wishes(far, pod, -1)),
        spreads=tuple(_spread(each, pod) for each in spec.topology_spread_constraints),
    )


def _node_term(term: types.NodeSelectorTerm) -> NodeTerm:
    said = [*term.match_expressions, *term.match_fields]
    return NodeTerm(
        LabelSelector(
            tuple(
                Requirement(each.key, EXPRESSED_OF_NODES[each.operator], frozenset(each.values))
                for each in said
            )
        )
    )


def _wishes(affinity: types.PodAffinity, pod: types.Pod, sign: int) -> Iterator[tuple[int, PodTerm]]:
    for each in affinity.preferred_during_scheduling_ignored_during_execution:
        yield sign * each.weight, _pod_term(each.pod_affinity_term, pod)


def _pod_terms(terms: Sequence[types.PodAffinityTerm], pod: types.Pod) -> tuple[PodTerm, ...]:
    return tuple(_pod_term(term, pod) for term in terms)


def _pod_term(term: types.PodAffinityTerm, pod: types.Pod) -> PodTerm:
    own = () if term.namespaces or term.namespace_selector is not None else (pod.metadata.namespace,)
    labels = pod.metadata.labels
    return PodTerm(
        topology=term.topology_key,
        selector=_meant(term.label_selector, labels, term.match_label_keys, term.mismatch_label_keys),
        namespaces=frozenset((*own, *term.namespaces)),
        where=None if term.namespace_selector is None else LabelSelector.meant_by(term.namespace_selector),
    )


def _meant(
    selector: types.LabelSelector | None,
    labels: Mapping[str, str],
    same: Sequence[str],
    other: Sequence[str] = (),
) -> LabelSelector | None:
    """The selector, narrowed to pods whose labels ``same`` are as this pod's, and whose labels ``other`` are not."""
    if selector is None:
        return None
    added = [
        Requirement(key, operator, frozenset((labels[key],)))
        for keys, operator in ((same, Operator.IN), (other, Operator.NOT_IN))
        for key in keys
        if key in labels
    ]
    return LabelSelector((*LabelSelector.meant_by(selector).requirements, *added))


def _spread(each: types.TopologySpreadConstraint, pod: types.Pod) -> Spread:
    selector = _meant(each.label_selector, pod.metadata.labels, each.match_label_keys)
    like = (
        Crowd(frozenset((pod.metadata.namespace,)), (selector,), staying=True)
        if selector is not None
        else None
    )
    return Spread(
        topology=each.topology_key,
        most=each.max_skew,
        crowd=like or Crowd(frozenset(), (), staying=True),
        hard=each.when_unsatisfiable == "DoNotSchedule",
        places=each.min_domains or 1,
        by_affinity=each.node_affinity_policy != "Ignore",
        by_taints=each.node_taints_policy == "Honor",
    )
