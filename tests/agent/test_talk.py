"""What the agent knows from the server and tells it: the view on disk, the outbox, the connection."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.cluster import types
from apps.cluster.types import agent as protocol
from node_agent.connection import Connection, Identity
from node_agent.outbox import Outbox
from node_agent.servers import Servers
from node_agent.view import Touched, View
from tests.agent.machine import wait_for
from tests.agent.server import FakeServer


def pod(name: str = "web", uid: str = "u1", number: int = 1) -> types.Pod:
    meta = types.ObjectMeta(name=name, namespace="default", uid=uid, resource_version=str(number))
    return types.Pod(metadata=meta, spec=types.PodSpec(containers=[types.Container(name="app")]))


def changed(kind: str, found: types.Resource, change: str = "MODIFIED") -> protocol.Changed:
    return protocol.Changed(number=1, type=change, kind=kind, object=protocol.raw(types.encode(found)))


def whole(kind: str, *found: types.Resource) -> protocol.Objects:
    return protocol.Objects(kind=kind, items=[protocol.raw(types.encode(each)) for each in found])


def report(uid: str, phase: str = "Running") -> protocol.PodReport:
    status = types.PodStatus(phase=phase)
    return protocol.PodReport(namespace="default", name=uid, uid=uid, status=status)


def event(message: str) -> protocol.EventReport:
    return protocol.EventReport(namespace="default", name="web", uid="u1", reason="Started", message=message)


def test_the_view_survives_a_restart_and_is_nobody_elses_business(tmp_path: Path) -> None:
    view = View(tmp_path / "view")
    view.changed(changed("pods", pod()))
    secret = types.Secret(metadata=types.ObjectMeta(name="keys", namespace="default"), data={"a": "aHVzaA=="})
    view.changed(changed("secrets", secret))
    assert view.synced(7) == Touched({"pods", "secrets"}, {"u1"})
    again = View(tmp_path / "view")
    again.load()
    assert again.number == 7
    assert again.pods().keys() == {"u1"} and again.secret("default", "keys") == secret
    for file in (tmp_path / "view").rglob("*.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_whole_kind_replaces_what_was_held(tmp_path: Path) -> None:
    view = View(tmp_path)
    view.objects(whole("pods", pod(), pod("old", "u2")))
    view.synced(1)
    view.objects(whole("pods", pod()))
    assert view.synced(2).pods == {"u1", "u2"}
    assert view.pods().keys() == {"u1"}
    again = View(tmp_path)
    again.load()
    assert again.pods().keys() == {"u1"}


def test_a_late_deletion_does_not_take_a_new_pod_of_the_same_name(tmp_path: Path) -> None:
    view = View(tmp_path)
    view.changed(changed("pods", pod(uid="new")))
    view.changed(changed("pods", pod(uid="old"), "DELETED"))
    assert view.pods().keys() == {"new"}
    view.changed(changed("pods", pod(uid="new"), "DELETED"))
    assert view.pods() == {} and not list(tmp_path.rglob("*.json"))


def test_fields_and_kinds_of_a_newer_server_are_passed_over(tmp_path: Path) -> None:
    view = View(tmp_path)
    text = '{"metadata":{"name":"a","namespace":"b","uid":"c","new":1},"spec":{"containers":[],"newer":{}}}'
    view.changed(protocol.Changed(number=1, type="ADDED", kind="pods", object=protocol.raw(text)))
    view.changed(protocol.Changed(number=1, type="ADDED", kind="gadgets", object=protocol.raw("{}")))
    assert view.pods().keys() == {"c"}
    again = View(tmp_path)
    again.load()
    assert again.pods().keys() == {"c"}


def test_a_torn_file_costs_only_itself(tmp_path: Path) -> None:
    view = View(tmp_path)
    view.objects(whole("pods", pod(), pod("other", "u2")))
    (tmp_path / "pods" / "default+web.json").write_text('{"meta')
    again = View(tmp_path)
    again.load()
    assert again.pods().keys() == {"u2"}


def sent(outbox: Outbox, *, events: bool = True) -> list[protocol.Message]:
    return outbox.take(events=events)


def test_the_newest_status_wins_and_one_batch_is_under_way() -> None:
    outbox = Outbox()
    outbox.status(report("a", "Pending"))
    outbox.status(report("b"))
    outbox.status(report("a"))
    (first,) = sent(outbox)
    assert isinstance(first, protocol.StatusBatch)
    assert {each.uid: each.status.phase for each in first.items} == {"a": "Running", "b": "Running"}
    outbox.status(report("a", "Failed"))
    assert sent(outbox) == [], "the second waits for the answer to the first"
    outbox.accepted(first.seq)
    (second,) = sent(outbox)
    assert isinstance(second, protocol.StatusBatch) and [each.status.phase for each in second.items] == [
        "Failed"
    ]


def test_what_was_not_answered_goes_again_unless_overtaken() -> None:
    outbox = Outbox()
    outbox.status(report("a", "Pending"))
    outbox.status(report("b"))
    outbox.event(event("one"))
    outbox.node(protocol.NodeReport(seq=0, status=types.NodeStatus()))
    assert len(sent(outbox)) == 3
    outbox.status(report("a"))
    outbox.event(event("two"))
    outbox.disconnected()
    node, pods, events = sent(outbox)
    assert isinstance(node, protocol.NodeReport)
    assert isinstance(pods, protocol.StatusBatch) and isinstance(events, protocol.EventBatch)
    assert {each.uid: each.status.phase for each in pods.items} == {"a": "Running", "b": "Running"}
    assert [each.message for each in events.items] == ["one", "two"]


def test_a_refused_report_is_not_sent_for_ever() -> None:
    outbox = Outbox()
    outbox.status(report("a"))
    (batch,) = sent(outbox)
    assert isinstance(batch, protocol.StatusBatch)
    outbox.refused(batch.seq)
    outbox.disconnected()
    assert sent(outbox) == []


def test_events_let_statuses_go_first() -> None:
    outbox = Outbox()
    outbox.event(event("one"))
    assert sent(outbox, events=False) == [] and outbox.has_events
    assert len(sent(outbox)) == 1


class Client:
    """An agent's connection on a loop of its own."""

    def __init__(
        self, server: FakeServer, state: Path, settled: Callable[[int], bool] = lambda number: True
    ) -> None:
        (state / "token").write_text("drv_secret\n")
        self.view, self.outbox = View(state / "view"), Outbox()
        self.touched: list[Touched] = []
        identity = Identity(
            node="node-1", version="v0", boot_id="b", token=state / "token", ca=state
        )
        self._connection = Connection(
            identity, Servers(server.url), self.view, self.outbox, self.touched.append, settled=settled
        )
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._connection.run())
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_until_complete(asyncio.wait([self._task]))
        self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer({"pods": [pod()]})
    yield made
    made.stop()


@pytest.fixture
def client(server: FakeServer, tmp_path: Path) -> Iterator[Client]:
    made = Client(server, tmp_path)
    yield made
    made.stop()


def test_a_new_agent_says_who_it_is_and_learns_everything(server: FakeServer, client: Client) -> None:
    wait_for(lambda: client.touched, "state of the cluster")
    assert isinstance(server.heard[0], protocol.Hello)
    assert (server.heard[0].node, server.heard[0].number) == ("node-1", 0)
    assert server.tokens == ["Bearer drv_secret"]
    assert client.view.pods().keys() == {"u1"} and client.view.number == 1
    server.send("pods", [("DELETED", pod())])
    wait_for(lambda: client.view.number == 2, "change")
    assert client.view.pods() == {}


def test_reports_arrive_at_once_and_again_after_a_lost_connection(server: FakeServer, client: Client) -> None:
    wait_for(lambda: client.touched, "connection")
    server.accepting = False
    client.outbox.status(report("u1"))
    wait_for(lambda: len(server.statuses("u1")) == 1, "report")
    server.accepting = True
    server.hang_up()
    wait_for(lambda: len(server.statuses("u1")) == 2, "report again")
    assert len([1 for frame in server.heard if isinstance(frame, protocol.Hello)]) == 2
    wait_for(lambda: len(client.touched) == 2, "state again")


def test_a_silent_server_is_taken_for_dead(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "PING_SECONDS", 0.05)
    server.silent_connections = 1
    client = Client(server, tmp_path)
    try:
        wait_for(lambda: client.touched, "connection that works")
        assert len(server.tokens) == 2
    finally:
        client.stop()


def test_an_agent_says_only_hello_before_its_node_is_as_the_server_wants_it(
    server: FakeServer, tmp_path: Path
) -> None:
    asked, settled = [], threading.Event()

    def is_settled(number: int) -> bool:
        asked.append(number)
        return settled.is_set()

    client = Client(server, tmp_path, is_settled)
    try:
        client.outbox.status(report("u1"))
        wait_for(lambda: len(asked) > 5, "it looks whether it is so")
        assert [type(frame) for frame in server.heard] == [protocol.Hello]
        assert {*asked} == {server.number}
        settled.set()
        wait_for(lambda: server.statuses("u1"), "report")
        wait_for(lambda: any(isinstance(each, protocol.Ping) for each in server.heard), "sign of life")
    finally:
        client.stop()


def test_what_cannot_be_brought_about_silences_no_agent_for_ever(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "PING_SECONDS", 0.05)
    client = Client(server, tmp_path, lambda number: False)
    try:
        wait_for(lambda: any(isinstance(each, protocol.Ping) for each in server.heard), "sign of life")
    finally:
        client.stop()


def test_the_agent_waits_for_a_server_that_is_away(tmp_path: Path) -> None:
    server = FakeServer()
    server.stop()
    client = Client(server, tmp_path)
    client.stop()
