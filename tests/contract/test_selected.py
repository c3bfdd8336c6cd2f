"""What field selectors mean, whether an entry tells it, a column, or each object is asked."""

import itertools

import pytest
from django.db import connection
from django.db.migrations import RunPython
from django.db.migrations.executor import MigrationExecutor

from apps.cluster import models, store
from apps.cluster.actors import system
from apps.cluster.errors import BadRequest
from apps.cluster.kinds import EVENT, NODE, POD
from apps.cluster.registry import Kind
from apps.cluster.selectors import FieldSelector, FieldTerm
from apps.cluster.transaction import Transaction
from tests.builders import build

ME = system("test")


@pytest.fixture(autouse=True)
def pods(cluster: None) -> None:  # noqa: ARG001
    """Four that differ, and what happened to them."""

    def work(tx: Transaction) -> None:
        for number, (policy, type_) in enumerate(itertools.product(("Always", "Never"), ("Normal", "Warning"))):
            pod = build(POD, name=f"pod-{number}")
            pod.spec.restart_policy, pod.spec.scheduler_name = policy, f"scheduler-{number % 3}"
            pod = tx.create(POD, pod)
            if number % 2:
                pod = tx.bind("default", f"pod-{number}", f"node-{number}")
            tx.record(pod, f"Reason{number % 3}", "it happened", type=type_, component="test", host="")

    store.write(ME, work)


@pytest.mark.parametrize("kind", [POD, EVENT], ids=lambda kind: kind.plural)
def test_every_field_selects_exactly_the_objects_that_say_so(kind: Kind) -> None:
    objects = store.list(kind).objects
    for field in kind.selectable(objects[0]):
        values = {kind.selectable(each)[field] for each in objects}
        for value, equal in itertools.product({*values, "", "nowhere"}, (True, False)):
            selector = FieldSelector((FieldTerm(field, value, equal),))
            meant = [each.metadata.name for each in objects if selector.matches(kind.selectable(each))]
            found = store.list(kind, fields=selector).objects
            assert [each.metadata.name for each in found] == meant, selector
            written = store.write(ME, lambda tx, selector=selector: tx.list(kind, fields=selector))  # type: ignore[misc]
            assert [each.metadata.name for each in written] == meant, selector


def test_pages_of_what_each_object_was_asked_hold_it_all() -> None:
    selector, names, token = FieldSelector.of({"type": "Warning"}), [], ""
    while True:
        page = store.list(EVENT, fields=selector, limit=1, continue_token=token)
        names += [event.involved_object.name for event in page.objects]
        if not (token := page.continue_token):
            break
    assert names == ["pod-1", "pod-3"]


def test_the_node_of_a_pod_is_no_field_of_other_kinds() -> None:
    with pytest.raises(BadRequest, match="nodes can be selected by"):
        store.list(NODE, fields=FieldSelector.of({"spec.nodeName": "node-1"}))


def test_objects_that_an_older_version_wrote_lose_the_entries_nobody_asks_for() -> None:
    before = sorted(models.Index.objects.values_list("object", "key", "value"))
    for row in models.Object.objects.filter(kind__in=("pods", "events")):
        for key in ("f:type", "f:status.phase", "f:spec.nodeName", "f:involvedObject.kind"):
            models.Index.objects.create(object=row, key=key, value="old")
    loader, name = MigrationExecutor(connection).loader, ("cluster", "0004_fewer_entries")
    (drop,) = loader.get_migration(*name).operations
    assert isinstance(drop, RunPython)
    drop.code(loader.project_state([name]).apps, connection.schema_editor())
    left = set(models.Index.objects.filter(value="old").values_list("object__kind", "key"))
    assert left == {
        ("pods", "f:type"), ("pods", "f:involvedObject.kind"),
        ("events", "f:status.phase"), ("events", "f:spec.nodeName"),
    }  # fmt: skip
    assert sorted(models.Index.objects.exclude(value="old").values_list("object", "key", "value")) == before
