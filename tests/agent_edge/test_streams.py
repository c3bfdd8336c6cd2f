"""Streams: what clients and pods have upgraded goes on through every change, and what led it ends with it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.cluster import types
from node_agent.edge import process, serving
from node_agent.edge.plan import plan
from node_agent.edge.serving import end
from tests.agent_edge.lab import Node, connected, echoes, is_closed, open_websocket, pair
from tests.agent_edge.objects import ingress, rule, secret, service, sight
from tests.calm import PATIENCE
from tests.platform import eventually

pytestmark = [pytest.mark.net, pytest.mark.timeout(120)]
HOST = "a.example.com"
ROOT = service("root", "127.0.0.1", port=9001)
PLAIN = ingress(rule(HOST, port=9001))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.1)
    made = Node(tmp_path / "state")
    made.backend(9001)
    yield made
    made.close()


def another(number: int) -> types.Ingress:
    return ingress(rule(f"n{number}.example.com", port=9001, to="root"), name=f"n{number}")


class Visitors:
    """They ask all the time, one connection each time."""

    def __init__(self, node: Node) -> None:
        self.asked, self.failures = 0, list[str]()
        self._node, self._done = node, threading.Event()
        self._thread = threading.Thread(target=self._go)

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _go(self) -> None:
        while not self._done.is_set():
            self.asked += 1
            try:
                if (status := self._node.ask(HOST)[0]) != 200:
                    self.failures.append(str(status))
            except (OSError, ValueError) as error:
                self.failures.append(repr(error))


def test_streams_go_on_through_changes_of_ingresses_and_certificates_while_new_requests_follow_them(
    node: Node,
) -> None:
    open_too = {"drover.dev/https-only": "false"}
    tls = [types.IngressTLS(hosts=[HOST], secret_name="a")]
    own = ingress(rule(HOST, port=9001, to="root"), spec__tls=tls, annotations=open_too)
    first = secret("a", *pair(HOST))
    node.serve(own, ROOT, first)
    with (
        node.space.run(open_websocket, HOST) as plain,
        node.space.run(open_websocket, HOST, 443) as secure,
        Visitors(node) as visitors,
    ):
        shown = node.certificate(HOST).serial_number
        for number in range(10):
            node.serve(own, ROOT, first, another(number))
            eventually(lambda number=number: node.ask(f"n{number}.example.com")[0] == 200)  # type: ignore[misc]
            assert node.ask(f"n{number - 1}.example.com")[0] == 404
            assert echoes(plain, f"round {number}")
            assert echoes(secure, f"round {number}")
        node.serve(own, ROOT, secret("a", *pair(HOST)))
        eventually(lambda: node.certificate(HOST).serial_number != shown)
        assert echoes(plain)
        assert echoes(secure)
    print(f"{visitors.asked} requests, {len(visitors.failures)} failed")
    assert visitors.failures == []
    eventually(lambda: len(node.running()) == len(node.left()) == 1, what="only the newest is left")


def test_an_answer_that_takes_long_is_finished(node: Node) -> None:
    over = node.backend(9002)
    slow = ingress(rule(HOST, port=9002))
    node.serve(slow, service("root", "127.0.0.1", port=9002))
    with node.space.run(connected, HOST, 80) as client, client.makefile("rb") as answer:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: %s\r\n\r\n" % HOST.encode())
        eventually(lambda: b"first" in answer.readline())
        node.serve(slow, service("root", "127.0.0.1", port=9002), another(1))
        over.set()
        eventually(lambda: b"last" in answer.readline())
    eventually(lambda: len(node.running()) == 1)


def test_a_stream_of_the_last_ingress_goes_on_until_it_ends(node: Node) -> None:
    node.serve(PLAIN, ROOT)
    with node.space.run(open_websocket, HOST) as stream:
        node.serve()
        eventually(lambda: node.space.run(refused))
        assert echoes(stream)
    eventually(lambda: not node.running() and not node.left())


def refused() -> bool:
    try:
        socket.create_connection(("127.0.0.1", 80), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_next_agent_keeps_the_streams_and_ends_what_led_them(node: Node) -> None:
    node.serve(PLAIN, ROOT)
    with node.space.run(open_websocket, HOST) as stream:
        wanted = node.serve(PLAIN, ROOT, another(1))
        before = node.running()
        assert len(before) == 2
        node.edge.stop()
        node.edge = node.new_process()
        node.edge.want(wanted)
        eventually(lambda: node.edge.settled == wanted)
        assert echoes(stream)
        assert node.running() == before
    eventually(lambda: node.running() == before[1:])
    assert node.ask("n1.example.com")[0] == 200


def test_what_cannot_be_served_costs_no_stream(node: Node) -> None:
    node.serve(PLAIN, ROOT)
    with node.space.run(open_websocket, HOST) as stream, node.space.run(socket.create_server, ("0.0.0.0", 443)):
        before = node.running()
        tls = [types.IngressTLS(hosts=[HOST], secret_name="a")]
        node.edge.want(plan(sight(ingress(rule(HOST, port=9001), spec__tls=tls), ROOT)))
        assert eventually(lambda: node.edge.trouble).reason == "PortInUse"
        assert echoes(stream)
        assert node.ask(HOST)[0] == 200
        assert node.running()[:1] == before


def test_where_too_many_are_left_those_with_the_fewest_streams_end(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_RETIRED", 1)
    node.serve(PLAIN, ROOT)
    with node.space.run(open_websocket, HOST) as one, node.space.run(open_websocket, HOST) as two:
        node.serve(PLAIN, ROOT, another(1))
        with node.space.run(open_websocket, HOST) as alone:
            node.serve(PLAIN, ROOT, another(2))
            assert is_closed(alone)
        assert echoes(one)
        assert echoes(two)


def test_no_stream_keeps_an_old_caddy_for_ever(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HELD_SECONDS", 1)
    node.serve(PLAIN, ROOT)
    with node.space.run(open_websocket, HOST) as stream:
        node.serve(PLAIN, ROOT, another(1))
        assert is_closed(stream)
    eventually(lambda: len(node.running()) == len(node.left()) == 1)


def test_nothing_is_left_when_the_node_is_taken_down(node: Node) -> None:
    node.serve(PLAIN, ROOT)
    with node.space.run(open_websocket, HOST) as stream:
        node.serve(PLAIN, ROOT, another(1))
        node.edge.stop()
        end(node.edge_directory)
        assert not node.running()
        assert not node.left()
        assert is_closed(stream)
