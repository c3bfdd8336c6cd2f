"""Two workers on PostgreSQL, Redis emptied again and again meanwhile: no pod bound twice, no replica too many."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.faults.by_hand import ByHand
from tests.faults.hollow import hollow_nodes
from tests.faults.load import Client, answered
from tests.faults.test_kills import CONTROLLERS, LONG, controller, empty_redis
from tests.platform import Platform, eventually

ROUNDS = 40 if LONG else 4
REPLICAS, SETS, NODES = 6, 4, 6
PODS = "/api/v1/namespaces/default/pods"

pytestmark = [pytest.mark.kubectl, pytest.mark.timeout(1200 if LONG else 300)]


class PodLog:
    """The pods of each set as the log tells of them: never more alive than wanted, never on two nodes."""

    def __init__(self) -> None:
        self.alive: dict[str, set[str]] = {}
        self.nodes: dict[str, set[str]] = {}
        self.wrong: list[str] = []

    def read(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                self.take(event["type"], event["object"])

    def take(self, type_: str, pod: dict[str, dict[str, str]]) -> None:
        meta, uid = pod["metadata"], pod["metadata"]["uid"]
        name = str(meta["labels"]["app"])  # type: ignore[index]
        alive = self.alive.setdefault(name, set())
        if type_ == "DELETED" or meta.get("deletionTimestamp"):
            alive.discard(uid)
        else:
            alive.add(uid)
        if node := pod["spec"].get("nodeName"):
            self.nodes.setdefault(uid, set()).add(node)
            if len(self.nodes[uid]) > 1:
                self.wrong.append(f"{meta['name']} was bound to {self.nodes[uid]}")
        if len(alive) > REPLICAS:
            self.wrong.append(f"{name}: {len(alive)} pods at {meta['resourceVersion']}")


def test_two_workers_with_redis_emptied_bind_once_and_make_no_replica_too_many(
    first: Platform, second: ByHand, shared: dict[str, str]
) -> None:
    first.start(nodes=0)  # unless it runs
    with closing(Client(second)) as client, hollow_nodes(second, NODES):
        for number in range(SETS):
            body = json.loads(controller(f"set-{number}", REPLICAS))
            answered(lambda body=body: client.ask("POST", CONTROLLERS, body))  # type: ignore[misc]
        for turn in range(ROUNDS):
            eventually(lambda: exact(client), within=60, what="exact replicas")
            empty_redis(shared["REDIS_URL"])
            answered(lambda turn=turn: client.ask("DELETE", f"{PODS}?labelSelector=app%3Dset-{turn % SETS}"))  # type: ignore[misc]
            empty_redis(shared["REDIS_URL"])
        eventually(lambda: exact(client), within=60, what="exact replicas")
        told = history(second)
    print(f"{len(told.nodes)} pods bound, {len(told.wrong)} wrong")
    assert not told.wrong
    assert len(told.nodes) >= SETS * REPLICAS + ROUNDS * REPLICAS


def exact(client: Client) -> bool:
    """Every set has its replicas, all of them on a node and Ready."""
    _, told = client.ask("GET", CONTROLLERS)
    return len(told["items"]) == SETS and all(
        item["status"].get("replicas") == item["status"].get("readyReplicas") == REPLICAS for item in told["items"]
    )


def history(platform: Platform) -> PodLog:
    """All that happened to pods since the beginning of the log."""
    told = PodLog()
    query = "watch=1&resourceVersion=1&timeoutSeconds=3&allowWatchBookmarks=true"
    with closing(platform.connection(timeout=30)) as connection:
        connection.request("GET", f"{PODS}?{query}", headers=platform.headers())
        with closing(connection.getresponse()) as answer:
            assert answer.status == 200, answer.read()
            told.read(iter(answer))
    return told
