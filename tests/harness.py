"""Runs the controllers as a worker would, without a broker: ``settle`` returns when nothing is left to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from apps.accounts import policy, roles
from apps.cluster import store, types
from apps.cluster.actors import Actor, system
from apps.cluster.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, NODE, POD
from apps.cluster.registry import Kind
from apps.cluster.transaction import Transaction
from apps.controllers.follow import Follower, Follows, configured
from apps.controllers.lock import Lock
from tests.builders import build

TESTER = system("test")
NOBODY = "unix:///nonexistent/redis.sock"
"""A Redis that never answers: followers must do without."""


def follower(
    controllers: Sequence[Follows] | None = None,
    present: Callable[[], datetime] = lambda: datetime.now(UTC),
    redis: str = NOBODY,
    resync_every: float = math.inf,
) -> Follower:
    """A follower as a fresh worker has it, except that it lives by the log alone: nothing is found by a
    resync."""
    chosen = configured() if controllers is None else controllers
    return Follower(chosen, Lock(redis, "controllers"), present=present, resync_every=resync_every)


def settle(controllers: Sequence[Follows] | None = None) -> Follower:
    """Follow the log from the cursor to its end, and what that wrote, until nothing is left to do."""
    worker = follower(controllers)
    worker.follow()
    return worker


def install_roles() -> None:
    """What controllers may do, as a new cluster has it."""

    def work(tx: Transaction) -> None:
        for role in roles.cluster_roles():
            tx.create(CLUSTER_ROLE, role)
        for binding in roles.cluster_role_bindings():
            tx.create(CLUSTER_ROLE_BINDING, binding)

    store.write(TESTER, work)
    policy.forget()


def create(kind: Kind, obj: Any = None, **changes: Any) -> Any:
    """Store an object, or a valid one with these changes."""
    made = build(kind, **changes) if obj is None else obj
    return store.write(TESTER, lambda tx: tx.create(kind, made))


def edit(kind: Kind, name: str, change: Callable[[Any], None], namespace: str = "default") -> Any:
    """Change a stored object in place, its status too."""

    def work(tx: Transaction) -> Any:
        obj = tx.get(kind, namespace if kind.namespaced else "", name)
        change(obj)
        obj.metadata.resource_version = ""
        stored = tx.update(kind, obj)
        if kind.has_status and stored is not None:
            obj.metadata.resource_version = ""
            stored = tx.update(kind, obj, part="status")
        return stored

    return store.write(TESTER, work)


def delete(kind: Kind, name: str, namespace: str = "default", **options: Any) -> None:
    chosen = types.DeleteOptions(**options)
    store.write(TESTER, lambda tx: tx.delete(kind, namespace if kind.namespaced else "", name, chosen))


def objects(kind: Kind, namespace: str | None = None) -> list[Any]:
    return [row.object for row in store.list(kind, namespace=namespace).rows]


def find(kind: Kind, name: str, namespace: str = "default") -> Any | None:
    row = store.find(kind, namespace if kind.namespaced else "", name)
    return row.object if row else None


def add_nodes(*names: str, cpu: str = "4", memory: str = "8Gi", pods: str = "110") -> None:
    """Nodes that are ready and empty."""
    for name in names:
        create(NODE, name=name, labels={"kubernetes.io/hostname": name})
        room: dict[str, str | int | float] = {"cpu": cpu, "memory": memory, "pods": pods}

        def ready(node: types.Node, room: dict[str, str | int | float] = room) -> None:
            node.status.allocatable = dict(room)
            node.status.capacity = dict(room)
            node.status.conditions = [types.Condition(type="Ready", status="True")]

        edit(NODE, name, ready)


def run_pods(pods: Iterable[types.Pod], ready: bool = True) -> None:
    """Do what the agents would: report the pods as running, each under an address of its own."""
    for number, pod in enumerate(pods, start=2):

        def report(stored: types.Pod, address: str = f"10.64.0.{number}") -> None:
            stored.status.phase = "Running"
            stored.status.pod_ip = stored.status.pod_ip or address
            word = "True" if ready else "False"
            kept = [found for found in stored.status.conditions if found.type == "PodScheduled"]
            stored.status.conditions = [
                *kept,
                *(
                    types.Condition(type=name, status=word, last_transition_time=types.now())
                    for name in ("Ready", "ContainersReady")
                ),
            ]

        edit(POD, pod.metadata.name, report, pod.metadata.namespace)


def stop_pod(name: str, namespace: str = "default", actor: Actor = TESTER) -> None:
    """What the agent does when the containers of a deleted pod are gone."""
    options = types.DeleteOptions(grace_period_seconds=0)
    store.write(actor, lambda tx: tx.delete(POD, namespace, name, options))


def roll(ready: Callable[[types.Pod], bool] = lambda pod: True) -> None:
    """Let pods stop, start and become ready until nothing moves any more."""
    before = -1
    while store.clock() != before:
        before = store.clock()
        settle()
        for pod in objects(POD):
            if pod.metadata.deletion_timestamp is not None:
                stop_pod(pod.metadata.name)
            elif ready(pod) and pod.status.phase != "Running":
                run_pods([pod])
    settle()
