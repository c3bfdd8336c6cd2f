"""A list in pages is one snapshot, whatever is written between its pages."""

import random
from typing import Any

import pytest

from apps.accounts.scope import Scope
from apps.cluster import log, pages, store, types
from apps.cluster.actors import Actor
from apps.cluster.errors import BadRequest, Gone, TooNew
from apps.cluster.kinds import CONFIG_MAP, NAMESPACE, SECRET
from apps.cluster.selectors import parse_fields, parse_labels
from apps.cluster.transaction import Transaction

pytestmark = pytest.mark.usefixtures("cluster")

SPACES = ("default", "other")
SELECTORS: tuple[dict[str, Any], ...] = (
    {},
    {"namespace": "default"},
    {"labels": parse_labels("tier in (a,b)")},
    {"labels": parse_labels("!tier")},
    {"fields": parse_fields("metadata.name!=map-03")},
    {"sight": Scope(namespaces=frozenset({"other"}))},
)


def config_map(namespace: str, name: str, tier: str) -> types.ConfigMap:
    labels = {"tier": tier} if tier else {}
    return types.ConfigMap(
        metadata=types.ObjectMeta(name=name, namespace=namespace, labels=labels), data={"a": tier}
    )


def write_something(tx: Transaction, dice: random.Random) -> None:
    """Creates, changes or deletes (and perhaps makes anew) one of a few objects."""
    namespace, name, tier = (
        dice.choice(SPACES),
        f"map-{dice.randrange(16):02}",
        dice.choice(("a", "b", "c", "")),
    )
    old = tx.find(CONFIG_MAP, namespace, name)
    if old is None:
        tx.create(CONFIG_MAP, config_map(namespace, name, tier))
    elif dice.random() < 0.4:
        tx.delete(CONFIG_MAP, namespace, name)
        if dice.random() < 0.3:
            tx.create(CONFIG_MAP, config_map(namespace, name, tier))
    else:
        tx.update(CONFIG_MAP, config_map(namespace, name, tier))


def write_some(tx: Transaction, dice: random.Random, count: int) -> None:
    for _ in range(count):
        write_something(tx, dice)


def texts(page: pages.Page) -> list[str]:
    return [row.text for row in page.rows]


@pytest.mark.parametrize("seed", range(12))
def test_pages_under_random_writes_equal_one_snapshot(actor: Actor, seed: int) -> None:
    dice = random.Random(seed)
    store.write(
        actor, lambda tx: tx.create(NAMESPACE, types.Namespace(metadata=types.ObjectMeta(name="other")))
    )
    store.write(actor, lambda tx: write_some(tx, dice, 30))
    wanted: dict[str, Any] = SELECTORS[seed % len(SELECTORS)]
    whole = store.list(CONFIG_MAP, **wanted)
    page = store.list(CONFIG_MAP, limit=3, **wanted)
    found = texts(page)
    while page.continue_token:
        store.write(actor, lambda tx: write_some(tx, dice, dice.randrange(6)))
        page = store.list(CONFIG_MAP, limit=3, continue_token=page.continue_token, **wanted)
        assert page.number == whole.number
        found += texts(page)
    assert found == texts(whole)
    again = store.list(CONFIG_MAP, at=whole.number, **wanted)
    assert (again.number, texts(again)) == (whole.number, texts(whole))


def test_what_remains_is_counted_as_it_was(actor: Actor) -> None:
    store.write(
        actor, lambda tx: [tx.create(CONFIG_MAP, config_map("default", f"m{i}", "")) for i in range(9)]
    )
    page = store.list(CONFIG_MAP, limit=2)
    store.write(actor, lambda tx: [tx.delete(CONFIG_MAP, "default", f"m{i}") for i in (1, 4, 8)])
    assert page.remaining == 7
    assert store.list(CONFIG_MAP, limit=2, continue_token=page.continue_token).remaining == 5


def test_a_secret_is_told_as_it_was(actor: Actor) -> None:
    secret = types.Secret(metadata=types.ObjectMeta(name="s", namespace="default"), data={"a": "b2xk"})
    store.write(actor, lambda tx: tx.create(SECRET, secret))
    number = store.clock()
    secret.data = {"a": "bmV3"}
    store.write(actor, lambda tx: tx.update(SECRET, secret))
    assert [row.object.data for row in store.list(SECRET, at=number).rows] == [{"a": "b2xk"}]


def test_a_token_older_than_the_log_is_refused_with_one_that_goes_on(actor: Actor) -> None:
    store.write(
        actor, lambda tx: [tx.create(CONFIG_MAP, config_map("default", f"m{i}", "")) for i in range(6)]
    )
    page = store.list(CONFIG_MAP, limit=2)
    store.write(actor, lambda tx: tx.delete(CONFIG_MAP, "default", "m3"))
    log.trim(types.now() + log.KEEP * 2)
    with pytest.raises(Gone, match="too old") as refused:
        store.list(CONFIG_MAP, limit=2, continue_token=page.continue_token)
    status = refused.value.status()
    assert (status.code, status.reason) == (410, "Expired")
    rest = store.list(CONFIG_MAP, continue_token=status.metadata.continue_)
    assert [row.name for row in rest.rows] == ["m2", "m4", "m5"]
    assert rest.number == store.clock()


def test_a_number_to_come_is_no_list(actor: Actor) -> None:
    with pytest.raises(TooNew, match="Too large resource version"):
        store.list(CONFIG_MAP, at=store.clock() + 1)


@pytest.mark.parametrize("token", ["bm9uc2Vuc2U=", "\0", "e30="])
def test_a_made_up_token_is_refused(token: str) -> None:
    with pytest.raises(BadRequest, match="continue"):
        store.list(CONFIG_MAP, continue_token=token)
