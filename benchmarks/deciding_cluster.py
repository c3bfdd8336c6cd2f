"""The cluster of ``deciding``: filled through the store, then one pass of the scheduler, timed by its parts."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from django.core.management import call_command

from apps.cluster import models, store, types
from apps.cluster.actors import system
from apps.cluster.kinds import NAMESPACE, NODE, POD
from apps.cluster.registry import Kind
from apps.cluster.transaction import Transaction
from apps.scheduler import scheduler
from apps.scheduler.bind import bind
from apps.scheduler.place import place
from tests.builders import build
from tests.harness import install_roles

ME = system("bench")


def measure(nodes: int, pods: int, templates: int, chunk: int) -> dict[str, float]:
    """Seconds: look, place, bind, and all of it."""
    call_command("migrate", verbosity=0)
    install_roles()
    fill(NAMESPACE, [types.Namespace(metadata=types.ObjectMeta(name="default"))], chunk)
    fill(NODE, (build(NODE, name=f"node-{number}") for number in range(nodes)), chunk)
    ready(nodes, chunk)
    fill(POD, (pod(number, templates) for number in range(pods)), chunk)
    spent = {"look": 0.0, "place": 0.0, "bind": 0.0}
    one = scheduler.Scheduler()
    one._eye.look = timed(spent, "look", one._eye.look)  # type: ignore[method-assign]
    vars(scheduler).update(place=timed(spent, "place", place), bind=timed(spent, "bind", bind))
    began = time.monotonic()
    again = one.reconcile(scheduler.PENDING, types.now())
    total = time.monotonic() - began
    left = models.Object.objects.filter(kind=POD.key, node="").count()
    assert not left, f"{left} pods were not bound; again {again}"
    return {**spent, "total": total}


def timed(spent: dict[str, float], part: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def measured(*args: Any, **kwargs: Any) -> Any:
        began = time.monotonic()
        try:
            return work(*args, **kwargs)
        finally:
            spent[part] += time.monotonic() - began

    return measured


def fill(kind: Kind, objects: Iterable[Any], chunk: int) -> None:
    for part in parts(list(objects), chunk):
        store.write(ME, partial(_create, kind, part))


def _create(kind: Kind, part: list[Any], tx: Transaction) -> None:
    for each in part:
        tx.create(kind, each)


def ready(nodes: int, chunk: int) -> None:
    room: dict[str, Any] = {"cpu": "8", "memory": "32Gi", "pods": "110"}

    def report(names: list[str], tx: Transaction) -> None:
        for name in names:
            node = tx.get(NODE, "", name)
            node.status.allocatable = node.status.capacity = dict(room)
            node.status.conditions = [types.Condition(type="Ready", status="True")]
            tx.update(NODE, node, part="status")

    for part in parts([f"node-{number}" for number in range(nodes)], chunk):
        store.write(ME, partial(report, part))


def pod(number: int, templates: int) -> types.Pod:
    kind = number % templates
    made: types.Pod = build(POD, name=f"pod-{number}", labels={"app": f"app-{kind}"})
    made.spec.automount_service_account_token = False
    made.spec.containers[0].resources = types.ResourceRequirements(
        requests={"cpu": f"{50 + 10 * (kind % 8)}m", "memory": f"{64 + 16 * (kind % 5)}Mi"}
    )
    return made


def parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
