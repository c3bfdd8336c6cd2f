"""What the work on a pod needs from the rest of the agent, each behind a Protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from apps.cluster import types
from apps.cluster.types.agent import EventReport, PodReport
from node_agent.ended import EndedLogs
from node_agent.images import Images
from node_agent.names import Names
from node_agent.network import PodNetwork
from node_agent.pods.env import Place
from node_agent.probes.prober import Prober
from node_agent.runtime.base import Runtime
from node_agent.volumes import Volumes


class ClusterView(Protocol):
    """What the server told the node, as far as pods need it. Safe to ask from any thread."""

    @property
    def number(self) -> int: ...

    def config_map(self, namespace: str, name: str) -> types.ConfigMap | None: ...

    def secret(self, namespace: str, name: str) -> types.Secret | None: ...

    def services(self) -> Iterable[types.Service]: ...

    def token(self, pod: types.Pod, audience: str, seconds: int) -> str: ...

    def claim(self, namespace: str, name: str) -> types.PersistentVolumeClaim | None: ...

    def volume(self, name: str) -> types.PersistentVolume | None: ...


class Reports(Protocol):
    """The way to the server; never blocks."""

    def status(self, report: PodReport) -> None: ...

    def event(self, report: EventReport) -> None: ...

    def pending(self, uid: str) -> bool: ...


class AlarmClock(Protocol):
    def at(self, moment: datetime, call: Callable[[], None]) -> None: ...


class StartGate(Protocol):
    def enter(self, rank: int) -> AbstractContextManager[None]: ...


@dataclass(slots=True)
class Node:
    """This node, as its pods see it."""

    name: str
    address: str
    allocatable: dict[str, types.Quantity]
    memory: int
    lowest_oom_score: int = 0
    network_up: bool = False

    def place(self, pod_ip: str) -> Place:
        return Place(node=self.name, host_ip=self.address, pod_ip=pod_ip, allocatable=self.allocatable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Handed to every pod's worker."""

    names: Names
    node: Node
    runtime: Runtime
    network: PodNetwork
    images: Images
    volumes: Volumes
    view: ClusterView
    reports: Reports
    alarms: AlarmClock
    gate: StartGate
    prober: Prober
    ended: EndedLogs
    resolv_conf: Callable[[], str]  # the machine's, as it is now
    dns: str  # where this node answers names
    moved: Callable[[], None]  # a pod with ports on the machine has another address
    farewell: Callable[[str], bool] = lambda uid: True  # whether no node sends new requests to the pod any more
