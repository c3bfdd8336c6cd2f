"""Garbage collection: what belonged to an object goes with it, before it, or stays, as its deletion said."""

from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.kinds import CONFIG_MAP, POD, REPLICATION_CONTROLLER
from apps.cluster.kinds.automount import AUTHORITY_MAP
from tests.builders import build
from tests.harness import add_nodes, create, delete, find, follower, objects, run_pods, settle, stop_pod

pytestmark = pytest.mark.usefixtures("ruled")
RC = REPLICATION_CONTROLLER


def owned_by(*owners: Any, name: str, blocking: bool = False) -> Any:
    config = build(CONFIG_MAP, name=name)
    config.metadata.owner_references = [
        types.OwnerReference(
            api_version="v1",
            kind=owner.kind,
            name=owner.metadata.name,
            uid=owner.metadata.uid,
            block_owner_deletion=blocking or None,
        )
        for owner in owners
    ]
    return create(CONFIG_MAP, config)


def names() -> list[str]:
    """The config maps, without the one that every namespace is given."""
    found = (config.metadata.name for config in objects(CONFIG_MAP))
    return [name for name in found if name != AUTHORITY_MAP]


def test_pods_go_with_their_controller() -> None:
    create(RC, spec__replicas=3)
    settle()
    assert len(objects(POD)) == 3
    delete(RC, "sample", propagation_policy="Background")
    settle()
    assert objects(POD) == []


def test_a_chain_of_owners_goes_to_its_end() -> None:
    first = create(CONFIG_MAP, name="first")
    second = owned_by(first, name="second")
    owned_by(second, name="third")
    delete(CONFIG_MAP, "first")
    settle()
    assert names() == []


def test_what_has_another_owner_stays_and_forgets_the_one_that_went() -> None:
    one, two = create(CONFIG_MAP, name="one"), create(CONFIG_MAP, name="two")
    owned_by(one, two, name="shared")
    delete(CONFIG_MAP, "one")
    settle()
    assert names() == ["shared", "two"]
    owners = find(CONFIG_MAP, "shared").metadata.owner_references  # type: ignore[union-attr]
    assert [owner.uid for owner in owners] == [two.metadata.uid]
    delete(CONFIG_MAP, "two")
    settle()
    assert names() == []


def test_orphaned_dependents_stay() -> None:
    owner = create(CONFIG_MAP, name="owner")
    owned_by(owner, name="child")
    delete(CONFIG_MAP, "owner", propagation_policy="Orphan")
    settle()
    assert names() == ["child"]
    assert find(CONFIG_MAP, "child").metadata.owner_references == []  # type: ignore[union-attr]


def test_a_foreground_deletion_waits_for_the_pods_that_block_it() -> None:
    add_nodes("node-1")
    create(RC, spec__replicas=2)
    settle()
    run_pods(objects(POD))
    delete(RC, "sample", propagation_policy="Foreground")
    settle()
    assert find(RC, "sample") is not None
    assert len(objects(POD)) == 2, "pods of a controller that is being deleted are not replaced"
    for pod in objects(POD):
        stop_pod(pod.metadata.name)
    settle()
    assert find(RC, "sample") is None


def test_a_foreground_deletion_does_not_wait_for_what_does_not_block_it() -> None:
    owner = create(CONFIG_MAP, name="owner")
    owned_by(owner, name="child")
    delete(CONFIG_MAP, "owner", propagation_policy="Foreground")
    settle()
    assert names() == []


def test_an_object_made_for_an_owner_that_is_gone_already_goes_too() -> None:
    owner = create(CONFIG_MAP, name="owner")
    delete(CONFIG_MAP, "owner")
    owned_by(owner, name="late")
    settle()
    assert names() == []


def test_a_new_object_of_the_owners_name_is_not_the_owner() -> None:
    owner = create(CONFIG_MAP, name="owner")
    owned_by(owner, name="child")
    delete(CONFIG_MAP, "owner")
    create(CONFIG_MAP, name="owner")
    settle()
    assert names() == ["owner"]


def test_the_resync_finds_garbage_that_no_change_told_of() -> None:
    from apps.controllers import cursor

    owner = create(CONFIG_MAP, name="owner")
    owned_by(owner, name="child")
    delete(CONFIG_MAP, "owner")
    cursor.move(store.clock())
    settle()
    assert names() == ["child"]
    follower().resync()
    assert names() == []


def test_settling_again_writes_nothing() -> None:
    owner = create(CONFIG_MAP, name="owner")
    owned_by(owner, name="child")
    settle()
    before = store.clock()
    follower().resync()
    assert store.clock() == before
