"""Which nodes a pod cannot run on, and why: one function per reason. The order of the tuple is the order of
reasons."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from apps.cluster.selectors import LabelSelector, Operator, Requirement
from apps.scheduler.needs import HostPort, PodNeeds, Taint
from apps.scheduler.relations import HOSTNAME, NODE_NAME, Crowd, NodeTerm, PodTerm, Spread
from apps.scheduler.snapshot import Amounts, Mask, Snapshot

Refusals = Iterator[tuple[Mask, str]]
"""Nodes, and why they are refused, in words that can follow "2 nodes are ..."."""


@dataclass(frozen=True)
class Filter:
    """``refuses`` yields nothing for a pod that it does not concern; ``helps`` says what to do about it.

    ``fixed``: does not depend on which pods run where.
    """

    name: str
    refuses: Callable[[PodNeeds, Snapshot], Refusals]
    helps: str
    fixed: bool = False


def _cordoned(pod: PodNeeds, nodes: Snapshot) -> Refusals:  # noqa: ARG001
    yield nodes.cordoned, "cordoned"


def _not_ready(pod: PodNeeds, nodes: Snapshot) -> Refusals:  # noqa: ARG001
    yield ~nodes.ready, "not ready"


def _node_selector(pod: PodNeeds, nodes: Snapshot) -> Refusals:
    for key, value in pod.selector:
        yield ~nodes.labelled(NodeTerm(LabelSelector.of({key: value}))), f"without the label {key}={value}"


def _node_affinity(pod: PodNeeds, nodes: Snapshot) -> Refusals:
    if pod.relations is None or pod.relations.node_terms is None:
        return
    terms = pod.relations.node_terms
    if len(terms) == 1 and terms[0].wanted:
        for each in terms[0].wanted.requirements:
            if each.key == NODE_NAME:
                yield ~nodes.labelled(terms[0]), "not named as its node affinity asks"
            else:
                yield ~nodes.labelled(NodeTerm(LabelSelector((each,)))), _lacking(each)
        return
    fitting = np.zeros(len(nodes.nodes), dtype=np.bool_)
    for term in terms:
        fitting |= nodes.labelled(term)
    yield ~fitting, "meeting none of its node affinity's terms"


def _lacking(each: Requirement) -> str:
    """What a node's labels are that does not meet the requirement."""
    if each.operator is Operator.EXISTS:
        return f"without the label {each.key}"
    if each.operator is Operator.ABSENT:
        return f"with the label {each.key}"
    if each.operator is Operator.NOT_IN:
        return f"with the label {Requirement(each.key, Operator.IN, each.values)}"
    return f"without the label {each}"


def tolerates(pod: PodNeeds, taint: Taint) -> bool:
    key, value, effect = taint
    return any(
        (not wanted_effect or wanted_effect == effect)
        and (not wanted_key or wanted_key == key)
        and (operator == "Exists" or (bool(wanted_key) and wanted_value == value))
        for wanted_key, operator, wanted_value, wanted_effect in pod.tolerations
    )


def _taints(pod: PodNeeds, nodes: Snapshot) -> Refusals:
    for taint, tainted in nodes.tainted().items():
        if not tolerates(pod, taint):
            key, value, effect = taint
            yield tainted, f"tainted {key}={value}:{effect}" if value else f"tainted {key}:{effect}"


def clash(one: HostPort, other: HostPort) -> bool:
    """Whether two host ports exclude each other; no address means every address."""
    same = one[0] == other[0] and one[2] == other[2]
    return same and (one[1] == other[1] or not one[1] or not other[1])


def _port_taken(pod: PodNeeds, nodes: Snapshot) -> Refusals:
    for wanted in pod.ports:
        taken = np.zeros(len(nodes.nodes), dtype=np.bool_)
        for at, used in nodes.ports.items():
            taken[at] = any(clash(wanted, there) for there in used)
        yield taken, f"with host port {wanted[2]} taken"


def _no_room(needed: int, used: Amounts, room: Amounts, words: str) -> Refusals:
    """Asking for nothing always fits, even where too much was promised before."""
    if needed:
        yield used + needed > room, words


def place_of(topology: str) -> str:
    """What nodes that share the label are, in a word."""
    return "node" if topology == HOSTNAME else topology.rpartition("/")[2]


def _whom(crowd: Crowd) -> str:
    return " and ".join(str(selector) for selector in crowd.selectors if selector) or "any kind"


def _without_place(topology: str, nodes: Snapshot) -> tuple[Mask, str]:
    at, nowhere = nodes.neighbours.places(topology)
    lacking: Mask = at == nowhere
    return lacking, f"without a {place_of(topology)} label"


def _near(pod: PodNeeds, nodes: Snapshot) -> Refusals:
    """Every term asks for a pod that all terms mean. The first of a group that wants to be together may begin."""
    terms = pod.relations.near if pod.relations is not None else ()
    if not terms:
        return
    crowd = _together(terms, nodes)
    counts = nodes.neighbours.counts(crowd)
    alone = crowd.holds(pod) and not counts.any()
    for term in terms:
        yield _without_place(term.topology, nodes)
        if not alone:
            place = place_of(term.topology)
            words = f"without a pod of {_whom(crowd)}"
            words = words if place == "node" else f"in a {place} {words}"
            yield nodes.neighbours.around(counts, term.topology) == 0, words


def _together(terms: tuple[PodTerm, ...], nodes: Snapshot) -> Crowd:
    """The pods that all terms mean."""
    crowds = [nodes.neighbours.meant(term) for term in terms]
    named = [crowd.namespaces for crowd in crowds if crowd.namespaces is not None]
    return Crowd(
        frozenset.intersection(*named) if named else None,
        tuple(selector for crowd in crowds for selector in crowd.selectors),
    )


def _far(pod: PodNeeds, nodes: Snapshot) -> Refusals:
    for term in pod.relations.far if pod.relations is not None else ():
        crowd = nodes.neighbours.meant(term)
        words = f"already running a pod of {_whom(crowd)}"
        place = place_of(term.topology)
        words = words if place == "node" else f"in a {place} {words}"
        yield nodes.neighbours.around(nodes.neighbours.counts(crowd), term.topology) > 0, words


def _kept_away(pod: PodNeeds, nodes: Snapshot) -> Refusals:
    """Whoever runs and wants no such pod around is not asked to bear one later."""
    for weight, topology, counts in nodes.neighbours.claims(pod):
        if weight is None:
            place = place_of(topology)
            words = "running a pod that keeps pods like this one away"
            words = words if place == "node" else f"in a {place} {words}"
            yield nodes.neighbours.around(counts, topology) > 0, words


def countable(pod: PodNeeds, spread: Spread, nodes: Snapshot) -> Mask:
    """The nodes over which a pod's like is spread."""
    at, nowhere = nodes.neighbours.places(spread.topology)
    open_: Mask = at != nowhere
    if spread.by_affinity:
        for mask, _ in (*_node_selector(pod, nodes), *_node_affinity(pod, nodes)):
            open_ = open_ & ~mask
    if spread.by_taints:
        for mask, _ in _taints(pod, nodes):
            open_ = open_ & ~mask
    return open_


def lying(pod: PodNeeds, spread: Spread, nodes: Snapshot) -> tuple[Amounts, Amounts]:
    """How many pods of its like there are in each node's place, and in the places that count."""
    at, nowhere = nodes.neighbours.places(spread.topology)
    open_ = countable(pod, spread, nodes)
    counts = nodes.neighbours.counts(spread.crowd)
    sums = np.bincount(at[open_], weights=counts[open_], minlength=nowhere + 1).astype(np.int64)
    there = np.bincount(at[open_], minlength=nowhere + 1) > 0
    return sums[at], sums[there]


def _uneven(pod: PodNeeds, nodes: Snapshot) -> Refusals:
    for spread in pod.relations.spreads if pod.relations is not None else ():
        if not spread.hard:
            continue
        yield _without_place(spread.topology, nodes)
        around, places = lying(pod, spread, nodes)
        least = int(places.min()) if len(places) and len(places) >= spread.places else 0
        own = int(spread.crowd.holds(pod))
        words = f"in a {place_of(spread.topology)} with too many pods of {_whom(spread.crowd)} (max skew {spread.most})"
        yield around + own - least > spread.most, words


cordoned = Filter("cordoned", _cordoned, "Uncordon it.", fixed=True)
not_ready = Filter("not ready", _not_ready, "Look at the machine, its network and its agent.", fixed=True)
node_selector = Filter(
    "node selector", _node_selector, "Label the node so, or change the pod's node selector.", fixed=True
)
node_affinity = Filter(
    "node affinity", _node_affinity, "Label the node so, or change the pod's node affinity.", fixed=True
)
taints = Filter("taints", _taints, "Give the pod a toleration, or remove the taint.", fixed=True)
pod_count = Filter(
    "pod count",
    lambda pod, nodes: _no_room(1, nodes.used_pods, nodes.room_pods, "full of pods"),  # noqa: ARG005
    "Remove pods from it.",
)
cpu = Filter(
    "cpu",
    lambda pod, nodes: _no_room(pod.cpu, nodes.used_cpu, nodes.room_cpu, "short of cpu"),
    "Lower the pod's cpu request, or free some there.",
)
memory = Filter(
    "memory",
    lambda pod, nodes: _no_room(pod.memory, nodes.used_memory, nodes.room_memory, "short of memory"),
    "Lower the pod's memory request, or free some there.",
)
host_ports = Filter("host ports", _port_taken, "Free the host port, or let the pod do without it.")
near = Filter("pod affinity", _near, "Let the pods it wants run there, or relax its pod affinity.")
far = Filter("pod anti-affinity", _far, "Move the other pod, or relax this pod's anti-affinity.")
kept_away = Filter(
    "others' anti-affinity", _kept_away, "Move the pod that is there, or relax its anti-affinity."
)
uneven = Filter("topology spread", _uneven, "Add room in the emptier places, or raise maxSkew.")

DEFAULT = (
    *(
        f"apps.scheduler.filters.{name}"
        for name in (
            "cordoned", "not_ready", "node_selector", "node_affinity", "taints", "pod_count", "cpu", "memory",
            "host_ports", "near", "far", "kept_away", "uneven",
        )
    ),
    "apps.scheduler.volumes.volume_data",
)  # fmt: skip
