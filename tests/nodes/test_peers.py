"""What a node is told of the others: only how their pods are reached, and only when that changes."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from apps.cluster import log, store, types
from apps.cluster.actors import system
from apps.cluster.hub import Batch
from apps.cluster.kinds import NODE
from apps.cluster.types import agent
from apps.cluster.watching import Event
from apps.nodes.closure import Closure
from tests.builders import build

pytestmark = pytest.mark.usefixtures("cluster")
TEST = system("test")
Words = list[dict[str, Any]]


def add(name: str, address: str = "") -> None:
    def work(tx: Any) -> None:
        node = tx.create(NODE, build(NODE, name=name))
        node.status.addresses = [types.NodeAddress(type="InternalIP", address=address)] if address else []
        tx.update(NODE, node, part="status")

    store.write(TEST, work)


def edit(name: str, change: Callable[[types.Node], None]) -> None:
    def work(tx: Any) -> None:
        node = tx.get(NODE, "", name)
        change(node)
        tx.update(NODE, node, part="status")

    store.write(TEST, work)


def present() -> Batch:
    return Batch(store.clock(), [Event("ADDED", NODE, row) for row in store.list(NODE).rows])


def since(number: int) -> Batch:
    changes = log.after(number)
    return Batch(store.clock(), [Event(change.type, change.kind, change) for change in changes])


def told(stream: Closure, batch: Batch) -> tuple[dict[str, tuple[str, str]], set[str]]:
    """Peers that were said to be somewhere, and those said to be gone."""
    there, gone = {}, set()
    for frame in stream.frames(batch, {}):
        if isinstance(frame, agent.Objects) and frame.kind == agent.PEERS:
            peers: Words = [json.loads(bytes(item)) for item in frame.items]
            assert all(peer.keys() == {"metadata", "address", "podCIDR"} for peer in peers)
            there.update({peer["metadata"]["name"]: (peer["address"], peer["podCIDR"]) for peer in peers})
        elif isinstance(frame, agent.Changed) and frame.kind == agent.PEERS:
            gone.add(json.loads(bytes(frame.object))["metadata"]["name"])
    return there, gone


def test_the_whole_state_holds_every_other_node_that_can_be_reached() -> None:
    for name, address in (("n1", "192.0.2.1"), ("n2", "192.0.2.2"), ("n3", "")):
        add(name, address)
    assert told(Closure("n1"), present()) == ({"n2": ("192.0.2.2", "10.64.1.0/24")}, set())


def test_a_node_that_reports_as_before_is_no_news() -> None:
    add("n1", "192.0.2.1")
    add("n2", "192.0.2.2")
    stream = Closure("n1")
    told(stream, present())
    number = store.clock()
    edit("n2", lambda node: node.status.conditions.append(types.Condition(type="Ready", status="True")))
    assert stream.frames(since(number), {}) == []


def test_a_new_a_moved_and_a_removed_node_are_told() -> None:
    add("n1", "192.0.2.1")
    add("n2", "192.0.2.2")
    stream = Closure("n1")
    told(stream, present())
    number = store.clock()
    add("n3", "192.0.2.3")
    edit("n2", lambda node: setattr(node.status.addresses[0], "address", "192.0.2.22"))
    moved = {"n3": ("192.0.2.3", "10.64.2.0/24"), "n2": ("192.0.2.22", "10.64.1.0/24")}
    assert told(stream, since(number)) == (moved, set())
    number = store.clock()
    store.write(TEST, lambda tx: tx.delete(NODE, "", "n2", types.DeleteOptions()))
    assert told(stream, since(number)) == ({}, {"n2"})


def test_a_node_that_is_alone_is_told_of_itself_only() -> None:
    add("n1", "192.0.2.1")
    add("n2", "192.0.2.2")
    stream = Closure("n1", alone=True)
    (nodes,) = [scope for scope in stream.scopes() if scope.kind is NODE]
    assert nodes.name == "n1"
