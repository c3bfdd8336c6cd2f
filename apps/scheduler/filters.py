"""Which nodes a pod cannot run on, and why: one function per reason. The order of the tuple is the order of
reasons."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from apps.scheduler.needs import HostPort, PodNeeds
from apps.scheduler.snapshot import Amounts, Mask, Snapshot


@dataclass(frozen=True)
class Filter:
    """``refuses`` marks nodes, ``words`` say why. ``fixed``: does not depend on which pods run where."""

    words: str | Callable[[PodNeeds, Snapshot, int], str]
    refuses: Callable[[PodNeeds, Snapshot], Mask]
    fixed: bool = False

    def reason(self, pod: PodNeeds, nodes: Snapshot, at: int) -> str:
        return self.words if isinstance(self.words, str) else self.words(pod, nodes, at)


def _no_selector_match(pod: PodNeeds, nodes: Snapshot) -> Mask:
    if not pod.selector:
        return np.zeros(len(nodes.nodes), dtype=np.bool_)
    return np.array(
        [any(node.labels.get(key) != value for key, value in pod.selector) for node in nodes.nodes],
        dtype=np.bool_,
    )


def _selector_words(pod: PodNeeds, nodes: Snapshot, at: int) -> str:
    labels = nodes.nodes[at].labels
    wrong = next(f"{key}={value}" for key, value in pod.selector if labels.get(key) != value)
    return f"without the label {wrong}"


def tolerates(pod: PodNeeds, taint: tuple[str, str, str]) -> bool:
    key, value, effect = taint
    return any(
        (not wanted_effect or wanted_effect == effect)
        and (not wanted_key or wanted_key == key)
        and (operator == "Exists" or (bool(wanted_key) and wanted_value == value))
        for wanted_key, operator, wanted_value, wanted_effect in pod.tolerations
    )


def _untolerated(pod: PodNeeds, nodes: Snapshot) -> Mask:
    return np.array(
        [any(not tolerates(pod, taint) for taint in node.taints) for node in nodes.nodes], dtype=np.bool_
    )


def _taint_words(pod: PodNeeds, nodes: Snapshot, at: int) -> str:
    key, value, effect = next(taint for taint in nodes.nodes[at].taints if not tolerates(pod, taint))
    return f"tainted {key}={value}:{effect}" if value else f"tainted {key}:{effect}"


def clash(one: HostPort, other: HostPort) -> bool:
    """Whether two host ports exclude each other; no address means every address."""
    same = one[0] == other[0] and one[2] == other[2]
    return same and (one[1] == other[1] or not one[1] or not other[1])


def _port_taken(pod: PodNeeds, nodes: Snapshot) -> Mask:
    taken = np.zeros(len(nodes.nodes), dtype=np.bool_)
    if pod.ports:
        for at, used in nodes.ports.items():
            taken[at] = any(clash(wanted, there) for wanted in pod.ports for there in used)
    return taken


def _port_words(pod: PodNeeds, nodes: Snapshot, at: int) -> str:
    used = nodes.ports.get(at, set())
    taken = next(wanted for wanted in pod.ports if any(clash(wanted, there) for there in used))
    return f"with host port {taken[2]} taken"


def _no_room(needed: int, used: Amounts, room: Amounts) -> Mask:
    """Asking for nothing always fits, even where too much was promised before."""
    if needed == 0:
        return np.zeros(len(used), dtype=np.bool_)
    full: Mask = used + needed > room
    return full


cordoned = Filter("cordoned", lambda pod, nodes: nodes.cordoned, fixed=True)
not_ready = Filter("not ready", lambda pod, nodes: ~nodes.ready, fixed=True)
node_selector = Filter(_selector_words, _no_selector_match, fixed=True)
taints = Filter(_taint_words, _untolerated, fixed=True)
pod_count = Filter("full of pods", lambda pod, nodes: _no_room(1, nodes.used_pods, nodes.room_pods))
cpu = Filter("short of cpu", lambda pod, nodes: _no_room(pod.cpu, nodes.used_cpu, nodes.room_cpu))
memory = Filter(
    "short of memory", lambda pod, nodes: _no_room(pod.memory, nodes.used_memory, nodes.room_memory)
)
host_ports = Filter(_port_words, _port_taken)

DEFAULT = tuple(
    f"apps.scheduler.filters.{name}"
    for name in (
        "cordoned",
        "not_ready",
        "node_selector",
        "taints",
        "pod_count",
        "cpu",
        "memory",
        "host_ports",
    )
)
