"""Caddy itself, kept and told by the agent's edge: what it serves, what it cannot, and that nobody notices changes."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from apps.cluster import types
from apps.cluster.kinds import INGRESS_CLASS
from apps.cluster.types import ways
from node_agent.edge import process
from node_agent.edge.plan import plan
from node_agent.edge.trouble import MISSING
from tests.agent_edge.lab import Authority, Node, crowd, cut_off, echoes, open_websocket, pair
from tests.agent_edge.objects import ingress, rule, secret, service, sight
from tests.agent_net.lab import Space, join
from tests.builders import build
from tests.platform import eventually

pytestmark = [pytest.mark.net, pytest.mark.timeout(120)]
HOST = "a.example.com"
ROUNDS, CROWD = 3, 400
ROOT = service("root", "127.0.0.1", port=9001)
PLAIN = ingress(rule(HOST, port=9001))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "state")
    made.backend(9001)
    yield made
    made.close()


def secured(host: str, name: str) -> types.Ingress:
    tls = [types.IngressTLS(hosts=[host], secret_name=name)]
    return ingress(rule(host, port=9001, to="root"), name=name, spec__tls=tls)


def test_it_runs_as_long_as_there_is_something_to_serve(node: Node) -> None:
    node.serve()
    assert node.running() == []
    node.serve(PLAIN, ROOT)
    (pid,) = node.running()
    assert os.stat(f"/proc/{pid}").st_uid != 0
    assert node.ask(HOST)[0] == 200
    node.serve()
    eventually(lambda: not node.running() and not node.left())


def test_a_request_is_led_with_its_clients_address_and_what_the_client_says_of_it_counts_for_nothing(
    node: Node,
) -> None:
    node.serve(PLAIN, ROOT)
    status, told = node.ask(HOST, "/a?b=c", headers={"X-Forwarded-For": "192.0.2.66", "X-Real-IP": "192.0.2.66"})
    assert (status, told["path"], told["host"]) == (200, "/a?b=c", HOST)
    assert (told["x-forwarded-for"], told["x-real-ip"]) == ("127.0.0.1", "127.0.0.1")
    assert (told["x-forwarded-proto"], told["x-forwarded-host"]) == ("http", HOST)
    assert node.ask("b.example.com")[0] == 404


def test_a_websocket_is_led_through(node: Node) -> None:
    node.serve(PLAIN, ROOT)
    with node.space.run(open_websocket, HOST) as stream:
        assert echoes(stream)


def test_each_request_is_led_anew(node: Node) -> None:
    """A connection that was kept would go on leading to a pod that is about to end."""
    node.serve(PLAIN, ROOT)
    assert len({node.ask(HOST)[1]["port"] for _ in range(3)}) == 3


def test_nobody_is_cut_off_when_the_plan_changes(node: Node) -> None:
    """Least of all who waits at a port, not yet taken, while Caddy opens it anew."""
    node.serve(PLAIN, ROOT)
    wrong: list[str] = []
    for number in range(ROUNDS):
        pid = node.running()[-1]
        os.kill(pid, signal.SIGSTOP)
        clients = node.space.run(crowd, CROWD)
        wanted = plan(sight(PLAIN, ROOT, ingress(rule(f"n{number}.example.com"), name="other")))
        node.edge.want(wanted)
        os.kill(pid, signal.SIGCONT)
        eventually(lambda wanted=wanted: node.edge.settled == wanted)  # type: ignore[misc]
        wrong += node.space.run(cut_off, clients, HOST)
    assert wrong == []


def test_nothing_behind_a_service_is_told_in_time(node: Node) -> None:
    node.serve(ingress(rule(HOST, port=9)), service("root", "127.0.0.1", port=9))
    assert node.ask(HOST) == (502, "502 Bad Gateway\n")


def test_each_host_has_its_own_certificate_also_after_it_was_exchanged(node: Node) -> None:
    both = (secured(HOST, "a"), secured("b.example.com", "b"))
    # The second one bears the first one's name too: nobody takes a host over by that.
    pairs = secret("a", *pair(HOST)), secret("b", *pair("b.example.com", HOST))
    node.serve(*both, ROOT, *pairs)
    first = node.certificate(HOST)
    assert first.subject.rfc4514_string() == f"CN={HOST}"
    assert node.certificate("b.example.com").subject.rfc4514_string() == "CN=b.example.com"
    with pytest.raises(OSError, match="alert"):
        node.certificate("c.example.com")
    assert node.ask(HOST, "/x") == (308, f"https://{HOST}/x")
    status, told = node.ask(HOST, port=443)
    assert (status, told["x-forwarded-proto"]) == (200, "https")
    node.serve(*both, ROOT, secret("a", *pair(HOST)), pairs[1])
    assert node.certificate(HOST).serial_number != first.serial_number


def test_a_certificate_that_cannot_be_used_is_named_and_costs_nobody_else(node: Node) -> None:
    node.serve(
        secured(HOST, "good"), secured("b.example.com", "bad"), ROOT,
        secret("good", *pair(HOST)), secret("bad", pair("b.example.com")[0], pair("b.example.com")[1]),
    )  # fmt: skip
    (told,) = node.unusable
    words = "secret default/bad is no certificate with its key: private key does not match public key"
    assert told == ("CertificateUnusable", words)
    assert node.edge.trouble is None, "the node serves everybody else"
    assert node.certificate(HOST).subject.rfc4514_string() == f"CN={HOST}"


def test_a_port_that_is_taken_is_told_and_taken_up_when_it_is_free(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RETRY_SECONDS", 0.1)
    with node.space.run(socket.create_server, ("0.0.0.0", 80)):
        node.edge.want(plan(sight(PLAIN, ROOT)))
        trouble = eventually(lambda: node.edge.trouble)
        assert trouble.reason == "PortInUse"
        assert "port 80 of this node is taken by another program" in trouble.message
        assert ways.HTTP_PORT in trouble.message
    eventually(lambda: node.ask(HOST)[0] == 200)
    eventually(lambda: node.edge.trouble is None)


def test_without_the_program_it_is_told_what_to_do(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    node.edge.want(plan(sight(PLAIN, ROOT)))
    eventually(lambda: node.edge.trouble == MISSING)
    assert node.edge.settled is None
    assert "apt-get install caddy" in MISSING.message


def test_it_is_started_again_when_it_dies_and_outlives_the_agent(node: Node) -> None:
    wanted = node.serve(PLAIN, ROOT)
    (first,) = node.running()
    os.kill(first, signal.SIGKILL)
    (second,) = eventually(lambda: [pid for pid in node.running() if pid != first])
    eventually(lambda: node.ask(HOST)[0] == 200)
    node.edge.stop()
    assert node.ask(HOST)[0] == 200
    node.edge = node.new_process()
    node.edge.want(wanted)
    eventually(lambda: node.edge.settled == wanted)
    assert node.running() == [second]
    assert node.edge.trouble is None


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """Two edge nodes that reach each other."""
    spaces = Space(), Space()
    join(*spaces, names=("e1", "e2"), addresses=("198.51.100.1", "198.51.100.2"))
    made = Node(tmp_path / "one", spaces[0]), Node(tmp_path / "two", spaces[1])
    yield made
    for each in made:
        each.close()


def test_every_edge_node_gets_a_certificate_from_the_authority_though_that_asks_only_one_of_them(
    two: tuple[Node, Node], tmp_path: Path
) -> None:
    one, other = two
    one.backend(9001)
    one.serve(PLAIN, ROOT)
    authority = Authority(one.space, tmp_path, "198.51.100.1", {HOST: "198.51.100.2"})
    # The stream keeps an old Caddy beside the one that asks: both have the same storage.
    with one.space.run(open_websocket, HOST) as stream, closing(authority):
        notes = {ways.ACME_DIRECTORY: authority.directory, ways.ACME_ROOTS: authority.roots}
        asking = build(INGRESS_CLASS, name="edge", annotations=notes, spec__controller=ways.CONTROLLER)
        tls = [types.IngressTLS(hosts=[HOST])]
        wanted = ingress(rule(HOST, port=9001), spec__tls=tls, annotations={ways.ACME: "true"})
        other.serve(wanted, ROOT, classes=(asking,), peers=("198.51.100.1",))
        one.serve(wanted, ROOT, classes=(asking,), peers=("198.51.100.2",))
        found = [
            eventually(lambda node=node: node.certificate(HOST), within=30)  # type: ignore[misc]
            for node in two
        ]
        assert echoes(stream)
    assert {each.issuer.rfc4514_string() for each in found} == {"CN=Caddy Local Authority - ECC Intermediate"}
    assert found[0].serial_number != found[1].serial_number
