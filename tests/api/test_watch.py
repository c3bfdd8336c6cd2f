"""Watches: filters, ends, tables, bookmarks, rights; over HTTP and over a websocket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from apps.accounts import tokens
from apps.accounts.scope import Scope as Sight
from apps.api import asgi
from apps.cluster import hub, models, nudge, store, types, watching
from apps.cluster.actors import Actor
from apps.cluster.errors import Gone
from apps.cluster.kinds import CONFIG_MAP, POD, ROLE, ROLE_BINDING
from apps.cluster.work import in_db
from apps.watch import socket
from tests.api.doors import AsgiDoor, Door, take
from tests.api.test_contract import MERGE, TABLE, created, place
from tests.builders import build
from tests.calm import PATIENCE


def seen(events: list[Any]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


async def relabel(door: Door, name: str, **labels: str | None) -> None:
    reply = await door.ask("PATCH", place(CONFIG_MAP, name), {"metadata": {"labels": labels}}, MERGE)
    assert reply.code == 200


async def test_a_filtered_watch_sees_objects_enter_and_leave(door: Door) -> None:
    await created(door, CONFIG_MAP, "one", labels={"tier": "front"})
    await created(door, CONFIG_MAP, "two", labels={"tier": "back"})
    async with door.stream(place(CONFIG_MAP) + "?watch=1&labelSelector=tier%3Dfront") as lines:
        assert seen(await take(lines, 1)) == [("ADDED", "one")]
        await relabel(door, "two", tier="front")
        await relabel(door, "one", tier="back")
        await relabel(door, "one", tier="else")
        await relabel(door, "two", more="yes")
        await door.ask("DELETE", place(CONFIG_MAP, "one"))
        await door.ask("DELETE", place(CONFIG_MAP, "two"))
        assert seen(await take(lines, 4)) == [
            ("ADDED", "two"),
            ("DELETED", "one"),
            ("MODIFIED", "two"),
            ("DELETED", "two"),
        ]


async def test_a_field_filter_follows_the_field(door: Door, actor: Actor) -> None:
    await created(door, POD, "web")
    path = "/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1"
    now = (await door.ask("GET", "/api/v1/pods")).data["metadata"]["resourceVersion"]
    async with door.stream(f"{path}&resourceVersion={now}") as lines:
        bound = await door.ask("POST", place(POD, "web") + "/binding", {"target": {"name": "n1"}})
        assert bound.code == 201
        assert seen(await take(lines, 1)) == [("ADDED", "web")]


async def test_a_number_that_is_too_old_or_from_the_future_is_gone(door: Door) -> None:
    await created(door, CONFIG_MAP)
    await in_db(lambda: models.Change.objects.all().delete())
    await created(door, CONFIG_MAP, "later")
    for number in ("1", "999999"):
        async with door.stream(place(CONFIG_MAP) + f"?watch=1&resourceVersion={number}") as lines:
            (event,) = await take(lines, 1)
            assert (event["type"], event["object"]["code"], event["object"]["reason"]) == (
                "ERROR",
                410,
                "Expired",
            )


async def test_a_watch_ends_when_its_time_is_up(door: Door) -> None:
    async with door.stream(place(CONFIG_MAP) + "?watch=1&timeoutSeconds=1") as lines:
        assert [line async for line in lines] == []


async def test_a_watched_table_tells_its_columns_once(door: Door) -> None:
    await created(door, CONFIG_MAP, "one")
    async with door.stream(place(CONFIG_MAP) + "?watch=1", TABLE) as lines:
        await created(door, CONFIG_MAP, "two")
        first, second = await take(lines, 2)
        assert (first["type"], first["object"]["kind"]) == ("ADDED", "Table")
        assert first["object"]["columnDefinitions"][0]["name"] == "Name"
        assert second["object"]["columnDefinitions"] is None
        assert second["object"]["rows"][0]["cells"][0] == "two"


async def test_the_end_of_the_initial_events_can_be_asked_for(door: Door) -> None:
    await created(door, CONFIG_MAP, "one")
    path = "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    async with door.stream(place(CONFIG_MAP) + path) as lines:
        event, mark = await take(lines, 2)
        assert event["type"] == "ADDED"
        assert mark["type"] == "BOOKMARK"
        assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert mark["object"]["kind"] == "ConfigMap"


async def test_quiet_watches_get_bookmarks(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.api.watches.BOOKMARK_EVERY", 0.2)
    made = await created(door, POD)
    path = f"?watch=1&allowWatchBookmarks=true&resourceVersion={made['metadata']['resourceVersion']}"
    async with door.stream(place(CONFIG_MAP) + path) as lines:
        (mark,) = await take(lines, 1)
        assert mark["type"] == "BOOKMARK"
        assert int(mark["object"]["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])


async def test_whoever_loses_a_right_must_list_again(door: Door) -> None:
    rule = types.PolicyRule(verbs=["*"], api_groups=[""], resources=["configmaps"])
    await created(door, ROLE, "reader", rules=[rule])
    await created(
        door,
        ROLE_BINDING,
        "reader",
        role_ref=types.RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="reader"),
    )
    ann = type(door)(await in_db(tokens.issue, "ann", ["system:authenticated"]))
    await created(door, CONFIG_MAP, "one")
    async with ann.stream(place(CONFIG_MAP) + "?watch=1") as lines:
        assert seen(await take(lines, 1)) == [("ADDED", "one")]
        await door.ask("DELETE", place(ROLE_BINDING, "reader"))
        await created(door, CONFIG_MAP, "secret-plan")
        (event,) = await take(lines, 1)
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    refused = await ann.ask("GET", place(CONFIG_MAP) + "?watch=1")
    assert (refused.code, refused.data["reason"]) == (403, "Forbidden")


async def test_a_websocket_carries_one_event_per_message(admin: str) -> None:
    door = AsgiDoor(admin)
    await created(door, CONFIG_MAP, "one")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await socket.serve(scope, receive, send, asgi.open_stream)

    def client(headers: list[tuple[bytes, bytes]]) -> Any:
        scope = {
            "type": "websocket",
            "path": place(CONFIG_MAP),
            "query_string": b"watch=1",
            "headers": headers,
            "subprotocols": [],
        }
        communicator: Any = ApplicationCommunicator
        return communicator(application, scope)

    known = client([(b"authorization", f"Bearer {admin}".encode())])
    await known.send_input({"type": "websocket.connect"})
    assert (await known.receive_output(10))["type"] == "websocket.accept"
    await created(door, CONFIG_MAP, "two")
    events = [json.loads((await known.receive_output(10))["text"]) for _ in range(2)]
    assert seen(events) == [("ADDED", "one"), ("ADDED", "two")]
    await known.send_input({"type": "websocket.disconnect", "code": 1000})
    await known.wait(10)
    nobody = client([])
    await nobody.send_input({"type": "websocket.connect"})
    assert (await nobody.receive_output(10))["type"] == "websocket.close"


@pytest.fixture
def maps(served: None, actor: Actor) -> Any:
    def put(name: str, **labels: str) -> int:
        made = build(CONFIG_MAP, name=name, labels=labels)
        number = store.write(actor, lambda tx: tx.create(CONFIG_MAP, made)).metadata.resource_version
        return int(number)

    return put


async def test_many_watchers_get_the_same_events_in_order_while_writers_write(maps: Any) -> None:
    start = await in_db(store.clock)
    scope = watching.Scope(kind=CONFIG_MAP, namespace="default")

    async def collect(since: int | None) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        async for event in hub.watch(scope, since):
            found.append((event.number, event.name))
            if len(found) == 60:
                return found
        return found

    early = [asyncio.ensure_future(collect(start)) for _ in range(5)]
    await asyncio.gather(*(in_db(maps, f"a{n}") for n in range(30)))
    late = asyncio.ensure_future(collect(start))  # must read the log first, then the queue, without a gap
    anew = asyncio.ensure_future(collect(None))
    await asyncio.gather(*(in_db(maps, f"b{n}") for n in range(30)))
    results = await asyncio.wait_for(asyncio.gather(*early, late), PATIENCE)
    assert all(result == results[0] for result in results)
    numbers = [number for number, _ in results[0]]
    assert numbers == sorted(set(numbers))
    assert sorted(name for _, name in await asyncio.wait_for(anew, PATIENCE)) == sorted(n for _, n in results[0])


async def test_a_watcher_that_cannot_keep_up_is_told_to_list_again(
    maps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MOST_WAITING", 5)
    scope, now = watching.Scope(kind=CONFIG_MAP), await in_db(store.clock)
    slow, quick = hub.follow((scope,), now), hub.watch(scope, now)
    await anext(slow)
    for number in range(8):
        await in_db(maps, f"m{number}")
        assert (await asyncio.wait_for(anext(quick), PATIENCE)).name == f"m{number}"
    with pytest.raises(Gone):
        await anext(slow)
    await quick.aclose()


async def test_a_watch_goes_on_when_no_nudge_comes(maps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nudge, "moved", lambda number: None)
    monkeypatch.setattr(hub, "POLL", 0.1)
    events = hub.watch(watching.Scope(kind=CONFIG_MAP), await in_db(store.clock))
    waiting = asyncio.ensure_future(anext(events))
    await in_db(maps, "quiet")
    assert (await asyncio.wait_for(waiting, PATIENCE)).name == "quiet"
    await events.aclose()


async def test_a_long_past_is_told_whole(maps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "BATCH", 3)
    start = await in_db(store.clock)
    for number in range(10):
        await in_db(maps, f"m{number}")
    events = hub.watch(watching.Scope(kind=CONFIG_MAP), start)
    async with asyncio.timeout(PATIENCE):
        assert [(await anext(events)).name for _ in range(10)] == [f"m{number}" for number in range(10)]
    await events.aclose()


async def test_a_watch_tells_nothing_that_its_watcher_may_not_see(maps: Any) -> None:
    mine = Sight(names=frozenset({"mine"}))
    await in_db(maps, "other")
    events = hub.watch(watching.Scope(kind=CONFIG_MAP, visible=lambda: mine))
    waiting = asyncio.ensure_future(anext(events))
    await in_db(maps, "another")
    await in_db(maps, "mine")
    assert (await asyncio.wait_for(waiting, PATIENCE)).name == "mine"
    await in_db(maps, "more")
    await in_db(maps, "mine-too")
    await events.aclose()
    past = hub.watch(watching.Scope(kind=CONFIG_MAP, visible=lambda: mine), 1)
    async with asyncio.timeout(PATIENCE):
        assert (await anext(past)).name == "mine"
    await past.aclose()


@pytest.mark.parametrize("turns", range(6))
async def test_the_reader_of_the_log_ends_also_when_it_is_woken_at_that_moment(maps: Any, turns: int) -> None:
    reading = hub.Hub()
    await reading.start()
    reader, listener = reading._tasks
    for _ in range(5):
        await asyncio.sleep(0)  # now it waits
    reading._wake.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    reader.cancel()
    listener.cancel()
    done, _ = await asyncio.wait({reader, listener}, timeout=PATIENCE)
    assert done == {reader, listener}
