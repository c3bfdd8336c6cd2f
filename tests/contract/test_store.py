"""What the store promises for every kind, on both databases."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection

from apps.cluster import log, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import AlreadyExists, BadRequest, Conflict, Gone, Invalid, NotFound
from apps.cluster.kinds import CONFIG_MAP, NAMESPACE, SECRET
from apps.cluster.registry import Kind, all_kinds
from apps.cluster.selectors import parse_labels
from apps.cluster.transaction import Transaction
from tests.builders import build

pytestmark = pytest.mark.usefixtures("cluster")
every_kind = pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.plural)


def create(kind: Kind, obj: Any, tx: Transaction) -> Any:
    return tx.create(kind, obj)


def created(actor: Actor, kind: Kind) -> Any:
    return store.write(actor, lambda tx: tx.create(kind, build(kind)))


def updated(actor: Actor, kind: Kind, obj: Any) -> Any:
    return store.write(actor, lambda tx: tx.update(kind, obj))


def relabelled(obj: Any, **labels: str) -> Any:
    copy = types.decode(type(obj), types.encode(obj))
    copy.metadata.labels = {**copy.metadata.labels, **(labels or {"touched": "yes"})}
    return copy


@every_kind
def test_what_is_created_is_read_back_whole(kind: Kind, actor: Actor) -> None:
    obj = created(actor, kind)
    row = store.get(kind, obj.metadata.namespace, obj.metadata.name)
    assert row.object == obj
    assert row.text.encode() == types.encode(obj)
    assert str(row.number) == obj.metadata.resource_version


@every_kind
def test_each_write_is_one_change_with_the_next_number_and_its_actor(kind: Kind, actor: Actor) -> None:
    start = store.clock()
    obj = created(actor, kind)
    updated(actor, kind, relabelled(obj))
    everything = log.after(start)
    assert [change.number for change in everything] == list(range(start + 1, start + 1 + len(everything)))
    assert {change.actor for change in everything} == {actor.name}
    changes = [change for change in everything if change.kind_key == kind.key]  # an application makes a revision too
    assert [change.type for change in changes] == ["ADDED", "MODIFIED"]
    assert changes[0].before is None
    assert changes[1].before is not None
    assert changes[1].before.labels == obj.metadata.labels
    assert changes[1].text == store.get(kind, obj.metadata.namespace, obj.metadata.name).text


@every_kind
def test_a_stale_write_is_refused(kind: Kind, actor: Actor) -> None:
    first = created(actor, kind)
    updated(actor, kind, relabelled(first, a="1"))
    with pytest.raises(Conflict):
        updated(actor, kind, relabelled(first, b="2"))
    assert "b" not in store.get(kind, first.metadata.namespace, first.metadata.name).labels


@every_kind
def test_an_equal_write_is_no_write(kind: Kind, actor: Actor) -> None:
    obj = created(actor, kind)
    before = store.clock()
    updated(actor, kind, obj)
    assert store.clock() == before


@every_kind
def test_a_name_is_given_once(kind: Kind, actor: Actor) -> None:
    created(actor, kind)
    before = store.clock()
    with pytest.raises(AlreadyExists):
        created(actor, kind)
    assert store.clock() == before


@every_kind
def test_a_deleted_object_is_gone_and_its_last_change_has_a_new_number(kind: Kind, actor: Actor) -> None:
    obj = created(actor, kind)
    meta = obj.metadata
    store.write(
        actor,
        lambda tx: tx.delete(kind, meta.namespace, meta.name, types.DeleteOptions(grace_period_seconds=0)),
    )
    row = store.find(kind, meta.namespace, meta.name)
    change = log.after(store.clock() - 1)[0]
    if kind is NAMESPACE:
        assert row is not None
        assert row.object.metadata.deletion_timestamp
        return
    assert row is None
    assert change.type == "DELETED"
    assert change.object.metadata.resource_version == str(change.number) != meta.resource_version


@every_kind
def test_a_dry_run_checks_and_keeps_nothing(kind: Kind, actor: Actor) -> None:
    before = store.clock()
    obj = store.write(actor, lambda tx: tx.create(kind, build(kind)), dry_run=True)
    assert obj.metadata.uid
    assert store.clock() == before
    assert store.find(kind, obj.metadata.namespace, obj.metadata.name) is None


@every_kind
def test_a_write_that_fails_leaves_nothing(kind: Kind, actor: Actor) -> None:
    def fail_late(tx: Transaction) -> None:
        tx.create(kind, build(kind))
        raise Invalid("no")

    before = store.clock()
    with pytest.raises(Invalid):
        store.write(actor, fail_late)
    assert store.clock() == before
    assert log.after(before) == []


@every_kind
def test_labels_find_what_they_describe(kind: Kind, actor: Actor) -> None:
    obj = updated(actor, kind, relabelled(created(actor, kind), tier="front"))

    def names(selector: str) -> list[str]:
        return [row.name for row in store.list(kind, labels=parse_labels(selector)).rows]

    assert obj.metadata.name in names("tier=front")
    assert obj.metadata.name in names("tier in (front,back),!absent")
    assert obj.metadata.name not in names("tier!=front")
    updated(actor, kind, relabelled(obj, tier="back"))
    assert obj.metadata.name not in names("tier=front")


def config_map(name: str) -> types.ConfigMap:
    return types.ConfigMap(metadata=types.ObjectMeta(name=name, namespace="default"), data={"a": "1"})


def test_pages_hold_every_object_once(actor: Actor) -> None:
    names = [f"map-{index:02}" for index in range(23)]
    store.write(actor, lambda tx: [tx.create(CONFIG_MAP, config_map(name)) for name in names])
    page = store.list(CONFIG_MAP, limit=5)
    found = [row.name for row in page.rows]
    assert page.remaining == 18
    while page.continue_token:
        page = store.list(CONFIG_MAP, limit=5, continue_token=page.continue_token)
        found += [row.name for row in page.rows]
    assert found == names


def test_a_made_up_continue_token_is_refused() -> None:
    with pytest.raises(BadRequest, match="continue"):
        store.list(CONFIG_MAP, limit=5, continue_token="bm9uc2Vuc2U=")


def test_a_namespace_must_be_there(actor: Actor) -> None:
    lost = config_map("lost")
    lost.metadata.namespace = "nowhere"
    with pytest.raises(NotFound, match="nowhere"):
        store.write(actor, lambda tx: tx.create(CONFIG_MAP, lost))


def test_a_sealed_field_is_unreadable_in_every_table(actor: Actor) -> None:
    secret = types.Secret(
        metadata=types.ObjectMeta(name="db", namespace="default"),
        data={"password": "c2VudGluZWwtcGFzc3dvcmQ="},
    )
    store.write(actor, lambda tx: tx.create(SECRET, secret))
    assert store.get(SECRET, "default", "db").object.data == {"password": "c2VudGluZWwtcGFzc3dvcmQ="}
    assert log.after(store.clock() - 1)[0].object.data == {"password": "c2VudGluZWwtcGFzc3dvcmQ="}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')
            assert "c2VudGluZWwt" not in str(cursor.fetchall())


def in_threads(*work: Callable[[], Any]) -> list[Any]:
    """Run each in a thread of its own with a connection of its own; raises the first error."""

    def closing(one: Callable[[], Any]) -> Any:
        try:
            return one()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(work)) as pool:
        return [running.result() for running in [pool.submit(closing, one) for one in work]]


def test_a_later_write_waits_for_an_earlier_one(actor: Actor) -> None:
    """The earlier write has taken its number but is not committed: nobody may see a higher one before."""
    holding, release, written = threading.Event(), threading.Event(), threading.Event()
    start = store.clock()

    def slowly(tx: Transaction) -> None:
        tx.create(CONFIG_MAP, config_map("early"))
        holding.set()
        assert release.wait(30)

    def early() -> None:
        store.write(actor, slowly)

    def late() -> None:
        assert holding.wait(30)
        store.write(actor, lambda tx: tx.create(CONFIG_MAP, config_map("late")))
        written.set()

    def watching() -> list[str]:
        assert holding.wait(30)
        overtaken = written.wait(0.5)
        seen = [change.name for change in log.after(start)]
        release.set()
        assert not overtaken, "the later write did not wait"
        return seen

    _, _, seen = in_threads(early, late, watching)
    assert seen == []
    assert [change.name for change in log.after(start)] == ["early", "late"]


def test_no_event_is_lost_under_concurrent_writers(actor: Actor) -> None:
    start, each, writers = store.clock(), 40, 4
    done = threading.Event()

    def writer(index: int) -> Callable[[], None]:
        def write() -> None:
            for turn in range(each):
                made = config_map(f"w{index}-{turn}")
                store.write(actor, partial(create, CONFIG_MAP, made))

        return write

    def tail() -> list[int]:
        seen: list[int] = []
        while True:
            last = done.is_set()
            fresh = log.after(seen[-1] if seen else start)
            seen += [change.number for change in fresh]
            if last and not fresh:
                return seen

    def all_writers() -> None:
        try:
            in_threads(*(writer(index) for index in range(writers)))
        finally:
            done.set()

    _, seen = in_threads(all_writers, tail)
    assert seen == list(range(start + 1, start + 1 + each * writers))


def test_a_list_and_its_number_come_from_one_snapshot(actor: Actor) -> None:
    """Each write replaces one object by another: any snapshot holds exactly one, and it carries the list's number."""
    done = threading.Event()
    store.write(actor, lambda tx: tx.create(CONFIG_MAP, config_map("turn")))

    def writing() -> None:
        try:
            for turn in range(120):
                seen = store.get(CONFIG_MAP, "default", "turn").object
                updated(actor, CONFIG_MAP, relabelled(seen, turn=str(turn)))
        finally:
            done.set()

    def listing() -> None:
        while not done.is_set():
            page = store.list(CONFIG_MAP, namespace="default")
            assert [row.number for row in page.rows] == [page.number]

    in_threads(writing, listing, listing)


def test_the_log_is_trimmed_by_age_and_says_where_it_begins(actor: Actor) -> None:
    store.write(actor, lambda tx: [tx.create(CONFIG_MAP, config_map(f"m{index}")) for index in range(5)])
    latest = store.clock()
    assert log.floor() < latest - 4
    assert log.trim(types.now() + log.KEEP * 2) > 0
    assert log.floor() == latest
    assert log.after(0) == []
    assert Gone.code == 410
