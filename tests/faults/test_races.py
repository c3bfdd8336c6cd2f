"""Two workers that see the same moment and both act: what one of them does must hold the other back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apps.cluster import log, models, store
from apps.cluster.kinds import POD, REPLICATION_CONTROLLER
from apps.cluster.transaction import Transaction
from apps.cluster.work import close_connections
from apps.controllers import base
from apps.controllers.base import Controller
from apps.controllers.follow import Follower, configured
from apps.scheduler import scheduler
from apps.scheduler.bind import bind
from tests.harness import add_nodes, create, follower, install_roles, objects

pytestmark = pytest.mark.usefixtures("cluster")

REPLICAS, NODES, PATIENCE = 5, 3, 30


class Together:
    """Lets two threads go on only when both have come: each acts on what was true before the other acted."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2)
        self._met = threading.local()

    def meet(self) -> None:
        """Once per thread; whoever comes alone waits in vain and goes on."""
        if getattr(self._met, "before", False):
            return
        self._met.before = True
        try:
            self._barrier.wait(timeout=5)
        except threading.BrokenBarrierError:
            return


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plans of controllers, and the scheduler's, are made by both workers before either carries one out."""
    replicas, bindings = Together(), Together()
    carry_out = Controller.carry_out

    def carried_out(self: Any, key: str, view: Any, actions: Any) -> None:
        if self.name == "replication":
            replicas.meet()
        carry_out(self, key, view, actions)

    def bound(*args: Any, **kwargs: Any) -> bool:
        bindings.meet()
        return bind(*args, **kwargs)

    monkeypatch.setattr(Controller, "carry_out", carried_out)
    monkeypatch.setattr(scheduler, "bind", bound)
    yield
    close_connections()


def work(worker: Follower) -> None:
    from django.db import connections

    try:
        worker.follow()
    finally:
        connections.close_all()


def two_workers() -> None:
    """Both follow the whole log with nobody keeping them apart: there is no Redis to hold a lock."""
    workers = [threading.Thread(target=work, args=(follower(configured()),), daemon=True) for _ in range(2)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join(timeout=PATIENCE)
        assert not thread.is_alive(), "a worker does not end"


def prepared() -> None:
    install_roles()
    add_nodes(*(f"n{number}" for number in range(NODES)))
    create(REPLICATION_CONTROLLER, spec__replicas=REPLICAS)


def nodes_of_each_pod() -> dict[str, set[str]]:
    """Every node that each pod was ever bound to, from the log."""
    found: dict[str, set[str]] = {}
    for change in log.after(0, 10_000):
        if change.kind_key == POD.key and change.node:
            found.setdefault(change.uid, set()).add(change.node)
    return found


def test_two_workers_make_no_replica_too_many_and_bind_no_pod_twice(races: None) -> None:
    prepared()
    two_workers()
    pods = objects(POD)
    assert len(pods) == REPLICAS
    assert all(pod.spec.node_name for pod in pods)
    assert all(len(nodes) == 1 for nodes in nodes_of_each_pod().values())
    created = models.Change.objects.filter(kind=POD.key, type="ADDED").count()
    assert created == REPLICAS, "a replica was made and taken back"


def test_without_the_guard_there_are_replicas_too_many(races: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above proves something: it fails when plans are carried out whatever happened meanwhile."""

    def unguarded(self: Any, key: str, view: Any, actions: Any) -> None:
        def act(tx: Transaction) -> None:
            base.execute(tx, actions, self.component)

        if self.name == "replication":
            together.meet()
        store.write(self.actor, act)

    together = Together()
    monkeypatch.setattr(Controller, "carry_out", unguarded)
    prepared()
    two_workers()
    created = models.Change.objects.filter(kind=POD.key, type="ADDED").count()
    assert created > REPLICAS
