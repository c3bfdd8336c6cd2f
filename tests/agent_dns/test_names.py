"""What the cluster's names mean: question and answer, after Kubernetes' DNS specification."""

from __future__ import annotations

import dns.flags
import dns.message
import pytest
from msgspec.structs import replace

from apps.cluster import types
from node_agent.dns.records import Host, Listed, Lister, Port, difference, listed
from node_agent.dns.wire import TCP_ROOM, UDP_ROOM, question
from node_agent.dns.zone import TTL, Zone
from tests.agent_dns.asking import BEHIND_PEERS, PEERS, REDIS, answers, ask, packet, told, zone
from tests.agent_net.objects import endpoints

SVC = "svc.cluster.local"
GOSSIP = "SRV 0 50 7000"


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        # a service with an address
        (f"redis-master.default.{SVC}", "A", ["A 10.254.0.11"]),
        (f"REDIS-master.Default.{SVC}", "A", ["A 10.254.0.11"]),
        (f"redis-master.default.{SVC}", "AAAA", []),
        (f"redis-master.default.{SVC}", "TXT", []),
        (f"redis-master.default.{SVC}", "ANY", ["A 10.254.0.11"]),
        (f"_redis._tcp.redis-master.default.{SVC}", "SRV", [f"SRV 0 100 6379 redis-master.default.{SVC}."]),
        (f"redis-master.default.{SVC}", "SRV", [f"SRV 0 100 6379 redis-master.default.{SVC}."]),
        (f"_redis._tcp.redis-master.default.{SVC}", "A", []),
        (f"_tcp.redis-master.default.{SVC}", "SRV", []),
        (f"10-64-0-9.redis-master.default.{SVC}", "A", ["A 10.64.0.9"]),
        # a headless one: every ready address, each with a name of its own
        (f"peers.shop.{SVC}", "A", ["A 10.64.0.5", "A 10.64.1.6"]),
        (f"peer-0.peers.shop.{SVC}", "A", ["A 10.64.0.5"]),
        (f"peer-0.peers.shop.{SVC}", "AAAA", []),
        (f"10-64-1-6.peers.shop.{SVC}", "A", ["A 10.64.1.6"]),
        (f"_gossip._tcp.peers.shop.{SVC}", "SRV",
         [f"{GOSSIP} peer-0.peers.shop.{SVC}.", f"{GOSSIP} 10-64-1-6.peers.shop.{SVC}."]),
        (f"empty.shop.{SVC}", "A", []),
        # a name for a name
        (f"inner.shop.{SVC}", "A", [f"CNAME redis-master.default.{SVC}.", "A 10.254.0.11"]),
        (f"inner.shop.{SVC}", "AAAA", [f"CNAME redis-master.default.{SVC}."]),
        (f"chain.shop.{SVC}", "A",
         [f"CNAME inner.shop.{SVC}.", f"CNAME redis-master.default.{SVC}.", "A 10.254.0.11"]),
        (f"outer.shop.{SVC}", "CNAME", ["CNAME db.example.org."]),
        (f"round.shop.{SVC}", "A", []),
        # pods, and addresses
        ("10-64-0-5.shop.pod.cluster.local", "A", ["A 10.64.0.5"]),
        ("10-64-0-5.shop.pod.cluster.local", "AAAA", []),
        ("11.0.254.10.in-addr.arpa", "PTR", [f"PTR redis-master.default.{SVC}."]),
        ("9.0.64.10.in-addr.arpa", "PTR", [f"PTR 10-64-0-9.redis-master.default.{SVC}."]),
        ("5.0.64.10.in-addr.arpa", "PTR", [f"PTR peer-0.peers.shop.{SVC}."]),
        # what lies between
        ("cluster.local", "NS", ["NS ns.dns.cluster.local."]),
        ("cluster.local", "A", []),
        ("dns-version.cluster.local", "TXT", ['TXT "1.1.0"']),
        (SVC, "A", []),
        (f"shop.{SVC}", "A", []),
        ("pod.cluster.local", "A", []),
    ],
)  # fmt: skip
def test_a_name_that_is_there_is_answered(name: str, kind: str, answer: list[str]) -> None:
    assert ask(name, kind) == ["NOERROR", *answer]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (f"nothing.default.{SVC}", "A"),
        (f"redis-master.shop.{SVC}", "A"),
        (f"redis-master.{SVC}", "A"),
        (f"elsewhere.{SVC}", "A"),
        (f"_none._tcp.redis-master.default.{SVC}", "SRV"),
        (f"_redis._udp.redis-master.default.{SVC}", "SRV"),
        (f"_udp.redis-master.default.{SVC}", "SRV"),
        (f"peer-1.peers.shop.{SVC}", "A"),
        (f"a.b.c.peers.shop.{SVC}", "A"),
        (f"below.outer.shop.{SVC}", "A"),
        ("10-64-0.shop.pod.cluster.local", "A"),
        ("10-64-0-256.shop.pod.cluster.local", "A"),
        ("nothing.cluster.local", "A"),
        ("www.example.org.cluster.local", "A"),
        ("200.0.254.10.in-addr.arpa", "PTR"),
        ("200.0.64.10.in-addr.arpa", "PTR"),
    ],
)
def test_a_name_that_is_not_there_is_denied_at_once(name: str, kind: str) -> None:
    made = answers().at_once(question(packet(name, kind)))
    assert told(made) == ["NXDOMAIN"]
    soa = dns.message.from_wire(made or b"").authority[0]
    assert (soa.ttl, soa[0].minimum) == (TTL, TTL)
    assert name.endswith(soa.name.to_text(omit_final_dot=True))


def test_an_alias_for_nothing_says_so() -> None:
    assert ask(f"dangling.shop.{SVC}") == ["NXDOMAIN", f"CNAME gone.shop.{SVC}."]


@pytest.mark.parametrize(
    "name", ["example.org", "local", "notcluster.local", "8.8.8.8.in-addr.arpa", "10.in-addr.arpa", "svc"]
)
def test_other_names_are_not_the_clusters(name: str) -> None:
    assert zone().find(tuple(name.split(".")), "A") is None


def test_an_alias_that_leads_outside_is_for_others_to_answer() -> None:
    found = zone().find(("outer", "shop", "svc", "cluster", "local"), "A")
    assert found is not None and found.onward == "db.example.org"
    assert answers().at_once(question(packet(f"outer.shop.{SVC}"))) is None


def test_srv_answers_bring_the_addresses_along() -> None:
    made = answers().at_once(question(packet(f"_gossip._tcp.peers.shop.{SVC}", "SRV")), TCP_ROOM)
    extra = {str(rrset.name): str(rrset[0]) for rrset in dns.message.from_wire(made or b"").additional}
    assert extra == {f"peer-0.peers.shop.{SVC}.": "10.64.0.5", f"10-64-1-6.peers.shop.{SVC}.": "10.64.1.6"}


def test_who_is_not_ready_is_named_only_where_the_service_asks_for_it() -> None:
    wanted = replace(PEERS, spec=replace(PEERS.spec, publish_not_ready_addresses=True))
    assert [host.label for host in listed(PEERS, BEHIND_PEERS).hosts] == ["peer-0", "10-64-1-6"]
    assert [host.label for host in listed(wanted, BEHIND_PEERS).hosts] == ["peer-0", "10-64-1-6", "peer-1"]


def test_a_change_counts_for_the_very_next_question() -> None:
    made = zone()
    those = answers(made)
    asked = packet(f"redis-master.default.{SVC}", id=7)
    assert told(those.at_once(question(asked))) == ["NOERROR", "A 10.254.0.11"]
    assert told(those.ready(asked)) == ["NOERROR", "A 10.254.0.11"]
    made.put(Listed("default", "redis-master", address="10.254.0.99"))
    those.changed()
    assert those.ready(asked) is None
    assert told(those.at_once(question(asked))) == ["NOERROR", "A 10.254.0.99"]
    assert ask("11.0.254.10.in-addr.arpa", "PTR", those) == ["NXDOMAIN"]
    made.drop(("default", "redis-master"))
    assert ask(f"redis-master.default.{SVC}", of=those) == ["NXDOMAIN"]
    assert ask(f"default.{SVC}", of=those) == ["NXDOMAIN"]


def test_what_was_put_and_dropped_leaves_nothing() -> None:
    made, empty = zone(), Zone()
    keys = [*made._services]
    for key in keys:
        made.drop(key)
    assert (made._services, made._reverse, +made._namespaces) == (
        empty._services,
        empty._reverse,
        empty._namespaces,
    )


def many(count: int) -> Zone:
    made = Zone()
    hosts = tuple(Host(f"10.64.{at // 250}.{at % 250 + 1}") for at in range(count))
    made.put(Listed("default", "many", ports=(Port("", "tcp", 80),), hosts=hosts))
    return made


@pytest.mark.parametrize(("edns", "room"), [(False, 512), (True, UDP_ROOM)])
def test_an_answer_too_large_for_a_datagram_holds_what_fits_and_says_so(edns: bool, room: int) -> None:
    asked = question(packet(f"many.default.{SVC}", use_edns=0 if edns else False, payload=4096))
    those = answers(many(300))
    short, whole = those.at_once(asked), those.at_once(asked, TCP_ROOM)
    assert short is not None and whole is not None
    message = dns.message.from_wire(short)
    assert message.flags & dns.flags.TC and room - 16 < len(short) <= room
    assert len(message.answer[0]) > 20
    assert len(dns.message.from_wire(whole).answer[0]) == 300


def test_an_answer_beyond_sixteen_thousand_bytes_still_names_itself_right() -> None:
    made = Zone()
    hosts = tuple(
        Host(f"10.64.{at // 250}.{at % 250 + 1}", ports=(Port("http", "tcp", 80),)) for at in range(400)
    )
    made.put(Listed("default", "many", hosts=hosts))
    asked = question(packet(f"_http._tcp.many.default.{SVC}", "SRV"))
    whole = answers(made).at_once(asked, TCP_ROOM)
    assert whole is not None and len(whole) > 1 << 14
    message = dns.message.from_wire(whole)
    assert len(message.answer[0]) == 400
    assert {str(rrset.name) for rrset in message.additional} == {
        str(each.target) for each in message.answer[0]
    }


def test_each_address_comes_first_in_turn() -> None:
    those = answers()
    asked = packet(f"peers.shop.{SVC}", id=1)
    first = told(those.at_once(question(asked)))[1]
    later = [told(those.ready(asked))[1] for _ in range(4)]
    assert first == "A 10.64.0.5"
    assert later == ["A 10.64.0.5", "A 10.64.1.6", "A 10.64.0.5", "A 10.64.1.6"]


def test_the_askers_spelling_id_and_flags_come_back() -> None:
    asked = packet(f"ReDiS-mAsTeR.dEfAuLt.{SVC}", id=0xBEEF, use_edns=0)
    made = answers().at_once(question(asked))
    assert made is not None
    message = dns.message.from_wire(made)
    assert made[:2] == b"\xbe\xef" and made[12:40] == asked[12:40]
    assert str(message.answer[0].name).startswith("ReDiS-mAsTeR.dEfAuLt")
    assert message.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD | dns.flags.RA
    assert (message.edns, message.payload) == (0, UDP_ROOM)


def test_only_what_changed_is_told() -> None:
    lister = Lister()
    web = endpoints("redis-master", ["10.64.0.5"], ("redis", 6379))
    before = lister.listed([REDIS, PEERS], [web])
    again = lister.listed([REDIS, PEERS], [web])
    assert difference(before, again) == ((), ())
    assert all(again[key] is one for key, one in before.items())
    moved = lister.listed([REDIS], [endpoints("redis-master", ["10.64.0.6"], ("redis", 6379))])
    put, gone = difference(before, moved)
    assert [one.hosts[0].address for one in put] == ["10.64.0.6"]
    assert gone == (("shop", "peers"),)


def test_addresses_of_the_other_family_are_passed_over() -> None:
    found = endpoints("peers", ["fd00::1", "10.64.0.5"], ("gossip", 7000), namespace="shop")
    assert [host.address for host in listed(PEERS, [found]).hosts] == ["10.64.0.5"]
    assert listed(types.Service(metadata=types.ObjectMeta(name="a", namespace="b")), []) == Listed("b", "a")
