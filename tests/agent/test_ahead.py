"""Images that a node is to have before a pod needs them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from apps.cluster import types
from apps.cluster.types.agent import IMAGES_AHEAD, EventReport
from node_agent.ahead import Ahead
from node_agent.images import Images
from node_agent.runtime.base import RuntimeTrouble
from tests.agent.machine import wait_for
from tests.agent.test_images import Registry
from tests.calm import PATIENCE


class Clock:
    def __init__(self) -> None:
        self.set: list[datetime] = []

    def at(self, moment: datetime, call: object) -> None:
        self.set.append(moment)


def node(images: str) -> types.Node:
    return types.Node(metadata=types.ObjectMeta(name="n1", annotations={IMAGES_AHEAD: images}))


def test_they_are_pulled_one_after_the_other_and_once() -> None:
    registry, told, again = Registry("here:1"), list[EventReport](), threading.Semaphore(0)
    ahead = Ahead(Images(registry), Clock(), told.append, again.release)  # type: ignore[arg-type]
    wanted = node("here:1, redis:7, nginx:1")
    registry.go.clear()
    ahead.look(wanted)
    ahead.look(wanted)
    wait_for(lambda: registry.pulled == ["redis:7"], "the first pull has begun")
    registry.go.set()
    assert again.acquire(timeout=PATIENCE)
    ahead.look(wanted)
    assert again.acquire(timeout=PATIENCE)
    ahead.look(wanted)
    assert registry.pulled == ["redis:7", "nginx:1"]
    assert {each.name for each in told} == {"n1"}
    assert [each.reason for each in told if "redis" in each.message] == ["Pulling", "Pulled"]


def test_one_that_cannot_be_had_is_told_and_holds_up_no_other() -> None:
    registry, told, again, clock = Registry(), list[EventReport](), threading.Semaphore(0), Clock()
    ahead = Ahead(Images(registry), clock, told.append, again.release)  # type: ignore[arg-type]
    registry.failure = RuntimeTrouble("no such place")
    ahead.look(node("missing:1,redis:7"))
    assert again.acquire(timeout=PATIENCE)
    registry.failure = None
    ahead.look(node("missing:1,redis:7"))
    assert again.acquire(timeout=PATIENCE)
    assert registry.pulled == ["missing:1", "redis:7"]
    warned = [each for each in told if each.type == "Warning"]
    assert [each.reason for each in warned] == ["Failed"]
    assert "no such place" in warned[0].message
    assert clock.set > [datetime.now(UTC)]
