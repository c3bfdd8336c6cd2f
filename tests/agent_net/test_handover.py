"""Which backend writes the rules, and how one takes over from the other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from node_agent.proxy import backends
from tests.agent_net.cluster import VIP, WEB, Cluster
from tests.agent_net.lab import ask, machine
from tests.agent_net.objects import service
from tests.calm import PATIENCE

pytestmark = pytest.mark.net

MANY = [
    service(f"s{number}", f"10.254.{number // 250 + 1}.{number % 250 + 1}", ("", 80, 0))
    for number in range(backends.MANY)
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with machine() as (space, outside):
        made = Cluster(space, outside, tmp_path, "")
        yield made
        made.close()


def ours(cluster: Cluster) -> tuple[bool, bool]:
    """Whether there are rules of ours in the legacy tables, and in nftables."""
    legacy = cluster.space.command("iptables-legacy-save")
    tables = cluster.space.command("nft", "list", "tables")
    return cluster.names.chain("SERVICES") in legacy, f"drover{cluster.names.instance}" in tables


def test_many_services_are_handed_over_to_nftables_and_no_connection_fails(cluster: Cluster) -> None:
    pod, client = cluster.pod("one", 8080), cluster.pod("client")
    lasting = pod.run(socket.create_server, ("0.0.0.0", 9090))
    pod.at_close.callback(lasting.close)
    both = service("web", VIP, ("", 80, 30061), ("more", 90, 0))
    both.spec.ports[0].name = "web"
    found = [cluster.web("one")]
    found[0].ports[0].name = "web"
    found[0].ports.append(type(found[0].ports[0])(name="more", port=9090, protocol="TCP"))
    cluster.update([both], found)
    assert (cluster.proxy.backend, ours(cluster)) == ("iptables", (True, False))
    held = client.run(socket.create_connection, (VIP, 90), PATIENCE)
    answering, _ = lasting.accept()
    failures, over = list[OSError](), threading.Event()

    def go_on() -> None:
        while not over.is_set():
            try:
                assert ask(client, VIP, 80)[0] == "one"
            except OSError as error:
                failures.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    number = cluster.proxy.update([both, *MANY], found)
    assert cluster.proxy.wait(number, 60), cluster.proxy.error
    over.set()
    thread.join()
    assert (cluster.proxy.backend, ours(cluster)) == ("nftables", (False, True))
    assert failures == []
    held.sendall(b"still here")
    assert answering.recv(20) == b"still here"
    for one in (held, answering):
        one.close()
    assert ask(cluster.outside, "198.51.100.1", 30061)[0] == "one"
    cluster.update([both], found)
    assert (cluster.proxy.backend, ask(client, VIP, 80)[0]) == ("nftables", "one")


@pytest.mark.parametrize(("first", "then"), [("iptables", "nftables"), ("nftables", "iptables")])
def test_a_process_that_writes_otherwise_leaves_nothing_of_the_one_before(
    cluster: Cluster, first: str, then: str
) -> None:
    client = cluster.pod("client")
    cluster.pod("one", 8080)
    for backend in (first, then):
        cluster.proxy.stop()
        cluster.backend = backend
        cluster.proxy = cluster.new_proxy()
        cluster.update([WEB], [cluster.web("one")])
        assert ours(cluster) == (backend == "iptables", backend == "nftables")
        assert ask(client, VIP, 80)[0] == "one"


def test_where_the_legacy_tables_are_missing_nftables_is_used(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on kernels that no longer have them: their commands are not there either."""
    cluster.proxy.stop()
    monkeypatch.setenv("PATH", str(tmp_path))
    cluster.proxy = cluster.new_proxy()
    cluster.update([WEB], [])
    monkeypatch.undo()
    assert (cluster.proxy.backend, ours(cluster)) == ("nftables", (False, True))
