"""Which servers there are: each says that it lives, and pods and agents are told of all that do."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from apps.cluster import log, store, types
from apps.cluster.kinds import ENDPOINTS
from apps.cluster.types import agent
from apps.nodes import servers
from apps.nodes.servers import EVERY, LATELY
from paas import roll_call
from tests.nodes.test_consumer import connected

pytestmark = pytest.mark.usefixtures("cluster")

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ONE, TWO = servers.place("192.0.2.1", 8443), servers.place("192.0.2.2", 8443)


def told_to_pods() -> list[tuple[str, int]]:
    endpoints: types.Endpoints = store.get(ENDPOINTS, "default", "kubernetes").object
    return [
        (address.ip, port.port)
        for subset in endpoints.subsets
        for address in subset.addresses
        for port in subset.ports
    ]


def test_servers_that_live_stand_behind_kubernetes() -> None:
    assert servers.beat(ONE, NOW) == [ONE]
    assert servers.beat(TWO, NOW) == [ONE, TWO]
    assert told_to_pods() == [("192.0.2.1", 8443), ("192.0.2.2", 8443)]


def test_one_that_fell_silent_goes_and_one_that_merely_skipped_a_beat_stays() -> None:
    servers.beat(ONE, NOW)
    servers.beat(TWO, NOW)
    assert servers.beat(TWO, NOW + timedelta(seconds=2 * EVERY)) == [ONE, TWO]
    later = NOW + LATELY + timedelta(seconds=1)
    assert servers.beat(TWO, later) == [TWO]
    assert told_to_pods() == [("192.0.2.2", 8443)]


def test_each_tells_its_version_and_after_a_restart_another() -> None:
    servers.beat(ONE, NOW, "1")
    servers.beat(TWO, NOW, "1")
    servers.beat(ONE, NOW, "2")
    assert servers.versions(NOW) == {ONE: "2", TWO: "1"}
    assert servers.versions(NOW + LATELY + timedelta(seconds=1)) == {}


def test_in_a_database_from_before_they_told_it_servers_have_no_version() -> None:
    servers.beat(ONE, datetime.now(UTC), "1")
    call_command("migrate", "nodes", "0005", verbosity=0)
    try:
        assert roll_call.serving() == {ONE: ""}
    finally:
        call_command("migrate", verbosity=0)
    assert roll_call.serving() == {ONE: ""}


def test_one_that_leaves_is_taken_out_at_once_and_the_last_one_stays_named() -> None:
    servers.beat(ONE, NOW)
    servers.beat(TWO, NOW)
    servers.leave(ONE, NOW)
    assert told_to_pods() == [("192.0.2.2", 8443)]
    servers.leave(TWO, NOW)
    assert told_to_pods() == [("192.0.2.2", 8443)]
    assert servers.living(NOW) == []


def test_a_beat_that_changes_nothing_is_no_write() -> None:
    servers.beat(ONE, NOW)
    number = store.clock()
    servers.beat(ONE, NOW + timedelta(seconds=EVERY))
    assert store.clock() == number
    assert not log.after(number)


def test_servers_of_one_port_share_a_subset_and_addresses_may_be_of_either_family() -> None:
    found = servers.subsets([servers.place("2001:db8::1", 8443), ONE, servers.place("192.0.2.3", 9443)])
    assert [([each.ip for each in subset.addresses], subset.ports[0].port) for subset in found] == [
        (["192.0.2.1", "2001:db8::1"], 8443),
        (["192.0.2.3"], 9443),
    ]


async def test_an_agent_is_told_of_all_servers_once_and_again_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers.presence, "known", [ONE])
    async with connected("n1") as one:
        for seq, known, told in ((1, [ONE], [ONE]), (2, [ONE], []), (3, [ONE, TWO], [ONE, TWO])):
            servers.presence.known = known
            await one.say(agent.Ping(seq=seq))
            assert (await one.until(agent.Pong))[-1].servers == told


@pytest.mark.parametrize(
    ("offered", "words"),
    [
        ([agent.SUBPROTOCOL], ""),
        (["agent.drover.dev.v7", agent.SUBPROTOCOL], ""),
        (["agent.drover.dev.v7"], "too new: it speaks version 7"),
        (["agent.drover.dev.v0"], "this door is for agents"),
        (["chat"], "this door is for agents"),
        ([], "this door is for agents"),
    ],
)
def test_an_agent_of_another_protocol_is_told_who_is_to_be_upgraded(offered: list[str], words: str) -> None:
    assert words in agent.stranger(offered)
    assert bool(agent.stranger(offered)) == bool(words)


def test_an_agent_of_an_older_protocol_is_told_to_join_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "SUBPROTOCOL_NUMBER", 3)
    monkeypatch.setattr(agent, "SUBPROTOCOL", "agent.drover.dev.v3")
    assert "too old: it speaks version 2" in agent.stranger(["agent.drover.dev.v2"])
    assert "paste a new join line" in agent.stranger(["agent.drover.dev.v2"])
