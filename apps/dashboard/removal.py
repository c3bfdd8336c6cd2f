"""What deleting an object takes with it and what stays: said before it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from apps.cluster import types
from apps.cluster.kinds import NAMESPACE
from apps.dashboard import paths, reading
from apps.dashboard.panels.base import Subject
from apps.dashboard.panels.configuration import users
from apps.dashboard.panels.controllers import versions_of

NAMED = 12


@dataclass(frozen=True)
class Removal:
    """``goes`` and ``stays`` are lines; ``names`` lists what goes by name."""

    goes: tuple[str, ...]
    stays: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    more: int = 0
    keeps: str = ""
    """Words of the choice to leave what it owns; "" when it owns nothing."""
    type_name: bool = False
    """Ask for the name to be typed: data is lost for good."""


def of(subject: Subject) -> Removal:
    tell = _TOLD.get(subject.kind.key, _anything)
    return tell(subject)


def _anything(subject: Subject) -> Removal:
    owned = [
        f"{row.kind.name.lower()} {row.name}" for row in reading.dependents(subject.who, subject.stored.uid)
    ]
    return Removal(
        goes=(f"{subject.kind.name} {subject.name}",),
        names=tuple(owned[:NAMED]),
        more=max(0, len(owned) - NAMED),
        keeps="Keep what it owns" if owned else "",
    )


def _pod(subject: Subject) -> Removal:
    pod: types.Pod = subject.obj
    grace = pod.spec.termination_grace_period_seconds or 0
    containers = _count(len(pod.spec.containers), "container")
    goes = [f"Pod {subject.name} and its {containers}, after at most {grace} s to stop by themselves"]
    lost = [volume.name for volume in pod.spec.volumes if volume.empty_dir]
    if lost:
        goes.append(f"What is in its empty directories: {', '.join(lost)}")
    owner = next((ref for ref in reading.owners(pod) if ref.controller), None)
    stays = (
        (f"{owner.kind} {owner.name} stays and makes a new pod at once",)
        if owner
        else ("Nothing makes it again: no controller owns it",)
    )
    return Removal(tuple(goes), stays)


def _controller(subject: Subject) -> Removal:
    pods = [row.name for row in reading.dependents(subject.who, subject.stored.uid) if row.kind.key == "pods"]
    what = "Controller" if subject.kind.key == "replicationcontrollers" else subject.kind.name
    return Removal(
        goes=(f"{what} {subject.name}", *([f"Its {_count(len(pods), 'pod')}"] if pods else [])),
        stays=("Services stay, and lead nowhere until other pods carry their labels",) if pods else (),
        names=tuple(pods[:NAMED]),
        more=max(0, len(pods) - NAMED),
        keeps="Keep its pods running, without a controller" if pods else "",
    )


def _deployment(subject: Subject) -> Removal:
    sets = versions_of(subject)
    pods = sum(row.object.status.replicas for row in sets)
    told = [f"Its {_count(len(sets), 'version')}: there is no way back to them"] if sets else []
    return Removal(
        goes=(f"Deployment {subject.name}", *told, *([f"Its {_count(pods, 'pod')}"] if pods else [])),
        stays=("Services stay, and lead nowhere until other pods carry their labels",) if pods else (),
        names=tuple(row.name for row in sets[:NAMED]),
        more=max(0, len(sets) - NAMED),
        keeps="Keep its pods running, without a deployment" if pods else "",
    )


def _claim(subject: Subject) -> Removal:
    claim: types.PersistentVolumeClaim = subject.obj
    pods, bound = users(subject), claim.spec.volume_name
    waits = (f"{_count(len(pods), 'pod')} that use it: it goes once they are gone",) if pods else ()
    data = ("What it holds, for good, unless its class keeps volumes",) if bound else ()
    return Removal((f"Claim {subject.name}", *data), waits, tuple(pods[:NAMED]), max(0, len(pods) - NAMED),
                   type_name=bool(bound))  # fmt: skip


def _service(subject: Subject) -> Removal:
    service: types.Service = subject.obj
    ports = [str(port.node_port) for port in service.spec.ports if port.node_port]
    goes = [
        f"Service {subject.name}, its address {service.spec.cluster_ip} and its name in DNS",
        "Its endpoints",
    ]
    if ports:
        goes.append(f"The way in from outside on port {', '.join(ports)}")
    return Removal(tuple(goes), ("The pods behind it stay and keep running",))


def _namespace(subject: Subject) -> Removal:
    counted = reading.inside(subject.who, subject.name)
    names = tuple(f"{count} {paths.word(kind, count)}" for kind, count in counted)
    return Removal(
        (f"Namespace {subject.name} and everything in it, for good",), names=names, type_name=bool(counted)
    )


def _node(subject: Subject) -> Removal:
    pods = [pod.metadata.name for pod in reading.pods_on(subject.who, subject.name)]
    goes = [f"Node {subject.name}, its identity and its network for pods: its agent takes down what runs there"]
    if pods:
        goes.append(f"{_count(len(pods), 'pod')} on it, which their controllers make again elsewhere")
    stays = ("The machine, its images and files; it joins again with a new line",)
    more = max(0, len(pods) - NAMED)
    return Removal(tuple(goes), stays, tuple(pods[:NAMED]), more, type_name=bool(pods))


def _held(subject: Subject) -> Removal:
    pods = users(subject)
    told = f"{_count(len(pods), 'pod')} that read it now keep running; new ones cannot start without it"
    keys = len(subject.obj.data)
    return Removal(
        (f"{subject.kind.name} {subject.name} and its {_count(keys, 'key')}, for good",),
        (told,) if pods else (),
        tuple(pods[:NAMED]),
        max(0, len(pods) - NAMED),
        type_name=subject.kind.key == "secrets",
    )


_TOLD: dict[str, Callable[[Subject], Removal]] = {
    "pods": _pod,
    "replicationcontrollers": _controller,
    "replicasets.apps": _controller,
    "deployments.apps": _deployment,
    "persistentvolumeclaims": _claim,
    "services": _service,
    NAMESPACE.key: _namespace,
    "nodes": _node,
    "configmaps": _held,
    "secrets": _held,
}


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
