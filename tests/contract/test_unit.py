"""Many writes in one transaction: what they leave, what they see of each other, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.cluster import log, models, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import AlreadyExists, NotFound
from apps.cluster.kinds import CONFIG_MAP, EVENT, POD, RESOURCE_QUOTA
from apps.cluster.selectors import LabelSelector
from apps.cluster.transaction import Transaction
from tests.builders import build

pytestmark = pytest.mark.usefixtures("cluster")
ANN = Actor("ann", frozenset({"system:authenticated"}))

Step = tuple[str, str, str]
"""What is done, to which name, with which label."""
steps = st.lists(
    st.tuples(st.sampled_from(("create", "label", "delete", "look")), st.sampled_from("abc"), st.sampled_from("xy")),
    max_size=12,
)


def do(tx: Transaction, step: Step) -> Any:
    """One step; refusals are part of what happens."""
    verb, name, label = step
    try:
        match verb:
            case "create":
                owner = types.OwnerReference(api_version="v1", kind="ConfigMap", name="o", uid=f"owner-{label}")
                obj = build(CONFIG_MAP, name=name, labels={"is": label})
                obj.metadata.owner_references = [owner]
                tx.create(CONFIG_MAP, obj)
            case "label":
                obj = tx.get(CONFIG_MAP, "default", name)
                obj.metadata.labels = {"is": label}
                tx.update(CONFIG_MAP, obj)
            case "delete":
                tx.delete(CONFIG_MAP, "default", name)
            case _:
                chosen = tx.list(CONFIG_MAP, "default", labels=LabelSelector.of({"is": label}))
                owned = [obj.metadata.name for _, obj in tx.dependents(f"owner-{label}")]
                everything = [obj.metadata.name for obj in tx.list(CONFIG_MAP, "default")]
                return [obj.metadata.name for obj in chosen], sorted(owned), everything
    except (AlreadyExists, NotFound) as error:
        return type(error)
    return None


def left() -> Any:
    """All that the steps left behind, without what differs from run to run."""
    found = models.Object.objects.filter(kind=CONFIG_MAP.key).order_by("name")
    return [
        (each.name, each.text.count("owner-x"), sorted(each.entries.values_list("key", "value")),
         sorted(each.owners.values_list("owner_uid", flat=True)), f'"resourceVersion":"{each.number}"' in each.text)
        for each in found
    ]  # fmt: skip


def told(start: int) -> Any:
    return [
        (change.number - start, change.type, change.name, change.before.labels if change.before else None,
         change.before.number - start if change.before else None)
        for change in log.after(start)
    ]  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_writes_in_one_transaction_leave_and_see_what_they_would_one_by_one(chosen: list[Step]) -> None:
    def run(work: Callable[[], Any]) -> Any:
        start = store.clock()
        with transaction.atomic():
            seen = work()
            found = seen, left(), told(start)
            transaction.set_rollback(True)
        return found

    together = run(lambda: store.write(ANN, lambda tx: [do(tx, step) for step in chosen]))
    one_by_one = run(lambda: [store.write(ANN, partial(do, step=step)) for step in chosen])
    assert together == one_by_one


def test_a_name_is_free_again_in_the_write_that_took_it_away(actor: Actor) -> None:
    first = store.write(actor, lambda tx: tx.create(CONFIG_MAP, build(CONFIG_MAP, labels={"old": "yes"})))

    def replace(tx: Transaction) -> Any:
        tx.delete(CONFIG_MAP, "default", first.metadata.name)
        return tx.create(CONFIG_MAP, build(CONFIG_MAP, labels={"new": "yes"}))

    second = store.write(actor, replace)
    row = store.get(CONFIG_MAP, "default", first.metadata.name)
    assert row.uid == second.metadata.uid != first.metadata.uid
    assert list(models.Index.objects.filter(object=row.id).values_list("key", flat=True)) == ["l:new"]


def test_equal_events_of_one_write_become_one_with_a_count(actor: Actor) -> None:
    def tell(tx: Transaction) -> None:
        about = tx.create(CONFIG_MAP, build(CONFIG_MAP))
        for _ in range(3):
            tx.record(about, "Said", "the same")
        tx.record(about, "Said", "another")

    store.write(actor, tell)
    events = [row.object for row in store.list(EVENT, namespace="default").rows]
    assert sorted((event.message, event.count) for event in events) == [("another", 1), ("the same", 3)]


@pytest.mark.parametrize("limited", [False, True], ids=["without a quota", "with a quota"])
def test_more_objects_in_a_write_are_no_more_statements_that_write(actor: Actor, limited: bool) -> None:
    if limited:
        quota = build(RESOURCE_QUOTA, name="many")
        quota.spec.hard = {"count/pods": "1000"}
        store.write(actor, lambda tx: tx.create(RESOURCE_QUOTA, quota))

    def cost(count: int) -> int:
        def work(tx: Transaction) -> None:
            for number in range(count):
                tx.record(tx.create(POD, build(POD, name=f"pod-{count}-{number}")), "Made", "it is there")

        with CaptureQueriesContext(connection) as captured:
            store.write(actor, work)
        return sum(not query["sql"].lstrip().startswith("SELECT") for query in captured.captured_queries)

    assert cost(3) == cost(40)


def test_what_is_read_ahead_is_not_read_again(actor: Actor) -> None:
    names = [f"map-{number}" for number in range(30)]
    store.write(actor, lambda tx: [tx.create(CONFIG_MAP, build(CONFIG_MAP, name=name)) for name in names])

    def touch(tx: Transaction) -> int:
        tx.read_ahead(CONFIG_MAP, [("default", name) for name in [*names, "nobody"]])
        with CaptureQueriesContext(connection) as captured:
            for name in names:
                obj = tx.get(CONFIG_MAP, "default", name)
                obj.metadata.labels = {"touched": "yes"}
                tx.update(CONFIG_MAP, obj)
            assert tx.find(CONFIG_MAP, "default", "nobody") is None
        return len(captured)

    assert store.write(actor, touch) == 0
    assert len(store.list(CONFIG_MAP, labels=LabelSelector.of({"touched": "yes"})).rows) == len(names)
