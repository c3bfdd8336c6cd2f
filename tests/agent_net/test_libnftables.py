"""nftables without its command: whole batches or nothing, in the network they were meant for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node_agent.network import NetworkError
from node_agent.proxy import libnftables
from node_agent.proxy.libnftables import Nftables
from tests.agent_net.lab import Space, machine

pytestmark = pytest.mark.net


@pytest.fixture
def space() -> Iterator[Space]:
    with machine() as (space, _):
        yield space


def test_what_somebody_else_did_meanwhile_is_seen_by_one_that_stays_open(space: Space) -> None:
    nft = space.run(Nftables)
    space.run(nft.run, "add table ip one\nadd chain ip one first")
    space.command("nft", "add chain ip one second; delete chain ip one first")
    space.run(nft.run, "add rule ip one second accept")
    listed = space.command("nft", "list", "table", "ip", "one")
    assert listed.split() == ["table", "ip", "one", "{", "chain", "second", "{", "accept", "}", "}"]
    assert space.run(nft.run, "list table ip one") == listed


def test_a_batch_that_is_refused_leaves_nothing_and_the_next_one_is_taken(space: Space) -> None:
    nft = space.run(Nftables)
    for wrong, words in (
        ("add table ip one\nadd chain ip absent first", "No such file or directory"),
        ("add table ip one\nadd nonsense", "syntax error"),
    ):
        with pytest.raises(NetworkError, match=f"nft failed: .*{words}"):
            space.run(nft.run, wrong)
        assert space.run(nft.run, "list tables") == ""
    space.run(nft.run, "add table ip one")
    assert space.run(nft.run, "list tables") == "table ip one\n"


def test_a_set_is_listed_with_its_elements_or_tersely(space: Space) -> None:
    nft = space.run(Nftables)
    space.run(nft.run, "add table ip one\nadd set ip one held { type ipv4_addr; elements = { 192.0.2.1 } }")
    assert "192.0.2.1" not in space.run(lambda: nft.run("list table ip one", terse=True))
    assert "192.0.2.1" in space.run(nft.run, "list table ip one")


def test_a_machine_without_the_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libnftables, "LIBRARY", "libmissing.so.1")
    libnftables._library.cache_clear()
    with pytest.raises(NetworkError, match=r"libmissing\.so\.1 is missing, install nftables"):
        Nftables()
