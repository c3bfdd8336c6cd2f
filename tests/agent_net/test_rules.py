"""What the rules of a node must do: the plan, and its two renderings."""

from __future__ import annotations

import re
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from node_agent.names import Names
from node_agent.network.saved import Saved
from node_agent.proxy import chains, iptables, objects
from node_agent.proxy.messages import Order
from node_agent.proxy.rules import (
    AFFINITY_SECONDS,
    Flow,
    HostPort,
    Planner,
    Portal,
    Target,
    Wanted,
    stale_flows,
)
from tests.agent_net.objects import endpoints, plan, service
from tests.agent_net.wishes import wishes

NAMES = Names("a1b2c3")
VIP = "10.254.0.7"


def test_a_service_is_one_portal_per_port() -> None:
    two = service("web", VIP, ("http", 80, 30080), ("admin", 81, 0))
    found = endpoints("web", ["10.64.0.3", "10.64.0.2"], ("http", 8080), ("admin", 9090))
    assert plan([two], [found]).portals == (
        Portal(
            "default/web:admin",
            "tcp",
            VIP,
            81,
            targets=(Target("10.64.0.2", 9090), Target("10.64.0.3", 9090)),
            near=("10.64.0.2", "10.64.0.3"),
        ),
        Portal(
            "default/web:http",
            "tcp",
            VIP,
            80,
            node_port=30080,
            targets=(Target("10.64.0.2", 8080), Target("10.64.0.3", 8080)),
            near=("10.64.0.2", "10.64.0.3"),
        ),
    )


def test_a_named_target_port_may_differ_from_pod_to_pod() -> None:
    found = [endpoints("web", [f"10.64.0.{last}"], ("", port)) for last, port in ((2, 8080), (3, 9090))]
    (portal,) = plan([service("web", VIP, ("", 80, 0))], found).portals
    assert portal.targets == (Target("10.64.0.2", 8080), Target("10.64.0.3", 9090))


def test_who_is_not_ready_gets_nothing() -> None:
    found = endpoints("web", ["10.64.0.2"], ("", 80), not_ready=("10.64.0.3",))
    (portal,) = plan([service("web", VIP, ("", 80, 0))], [found]).portals
    assert portal.targets == (Target("10.64.0.2", 80),)


def test_who_still_answers_while_it_ends_serves_until_somebody_else_is_ready() -> None:
    web = service("web", VIP, ("", 80, 0))
    alone = endpoints("web", [], ("", 80), not_ready=("10.64.0.3",), ending=("10.64.0.4",))
    assert plan([web], [alone]).portals[0].targets == (Target("10.64.0.4", 80),)
    beside = endpoints("web", ["10.64.0.2"], ("", 80), ending=("10.64.0.4",))
    assert plan([web], [beside]).portals[0].targets == (Target("10.64.0.2", 80),)


@pytest.mark.parametrize("node", ["n1", "n3"])
def test_local_policies_keep_to_the_nodes_own_targets(node: str) -> None:
    web = service("web", VIP, ("", 80, 30080))
    web.spec.external_traffic_policy = "Local"
    found = endpoints(
        "web", ["10.64.0.2", "10.64.1.2"], ("", 80), nodes={"10.64.0.2": "n1", "10.64.1.2": "n2"}
    )
    (portal,) = plan([web], [found], node=node).portals
    assert portal.outside_local and not portal.inside_local
    assert portal.here == ((Target("10.64.0.2", 80),) if node == "n1" else ())
    assert portal.inside == portal.targets == (Target("10.64.0.2", 80), Target("10.64.1.2", 80))
    web.spec.internal_traffic_policy = "Local"
    assert plan([web], [found], node=node).portals[0].inside == portal.here


def test_a_balancers_addresses_and_who_may_come_by_them() -> None:
    web = service("web", VIP, ("", 80, 0))
    web.spec.type = "LoadBalancer"
    web.spec.load_balancer_source_ranges = ["10.0.0.0/9", " 10.128.0.0/9 ", "192.0.2.7/32"]
    ingress = [types.LoadBalancerIngress(ip=ip) for ip in ("198.51.100.9", "fd00::1")]
    web.status.load_balancer = types.LoadBalancerStatus(ingress=ingress)
    (portal,) = plan([web], []).portals
    assert (portal.balanced, portal.sources) == (("198.51.100.9",), ("10.0.0.0/8", "192.0.2.7/32"))
    web.spec.load_balancer_source_ranges.append("0.0.0.0/0")
    assert plan([web], []).portals[0].sources == ()


@pytest.mark.parametrize(
    "address", ["", "None", "fd00::7"], ids=["no address yet", "headless", "an address of the other family"]
)
def test_no_rules_for(address: str) -> None:
    assert plan([service("web", address, ("", 80, 0))], []) == Wanted()


@pytest.mark.parametrize(
    "others",
    [
        endpoints("other", ["10.64.0.2"], ("", 80)),
        endpoints("web", ["10.64.0.2"], ("", 80), namespace="elsewhere"),
        endpoints("web", ["10.64.0.2"], ("named", 80)),
        endpoints("web", ["10.64.0.2"], ("", 80), protocol="UDP"),
        endpoints("web", ["fd00::2"], ("", 80)),
    ],
    ids=["of another service", "of another namespace", "of another port", "of another protocol", "IPv6"],
)
def test_endpoints_that_are_not_this_ports(others: types.EndpointSlice) -> None:
    (portal,) = plan([service("web", VIP, ("", 80, 0))], [others]).portals
    assert portal.targets == ()


@pytest.mark.parametrize(("sticky", "seconds"), [(0, 0), (600, 600)])
def test_affinity_in_seconds(sticky: int, seconds: int) -> None:
    (portal,) = plan([service("web", VIP, ("", 80, 0), sticky=sticky)], []).portals
    assert portal.affinity == seconds


def test_affinity_without_a_time_is_the_apis_default() -> None:
    sticky = service("web", VIP, ("", 80, 0), sticky=1)
    sticky.spec.session_affinity_config = None
    assert plan([sticky], []).portals[0].affinity == AFFINITY_SECONDS


def test_of_two_services_with_one_node_port_the_first_has_it() -> None:
    wanted = plan([service("b", "10.254.0.8", ("", 80, 30080)), service("a", VIP, ("", 80, 30080))], [])
    assert [(one.name, one.node_port) for one in wanted.portals] == [("default/a", 30080), ("default/b", 0)]


def test_of_two_pods_with_one_host_port_the_first_has_it() -> None:
    one, two = (HostPort("tcp", 80, Target(address, 80)) for address in ("10.64.0.2", "10.64.0.3"))
    assert plan([], [], [two, one]).host_ports == (one,)


@given(st.permutations(range(5)))
def test_the_order_of_what_comes_in_does_not_matter(order: list[int]) -> None:
    services = [
        service(f"s{number}", f"10.254.0.{number + 10}", ("", 80, 30000 + number)) for number in order
    ]
    found = [endpoints(f"s{number}", ["10.64.0.3", "10.64.0.2"], ("", 80)) for number in reversed(order)]
    first = plan(
        sorted(services, key=lambda one: one.metadata.name), sorted(found, key=lambda one: one.metadata.name)
    )
    assert plan(services, found) == first


PLACES = st.dictionaries(
    st.integers(0, 4), st.lists(st.integers(2, 6).map(lambda last: f"10.64.0.{last}"), unique=True), max_size=5
)


@given(st.lists(PLACES, min_size=2, max_size=5))
def test_what_was_planned_before_changes_nothing(states: list[dict[int, list[str]]]) -> None:
    planner = Planner("n1")
    for state in states:
        services = [service(f"s{number}", f"10.254.0.{number + 10}", ("", 80, 30080)) for number in state]
        found = [endpoints(f"s{number}", addresses, ("", 80)) for number, addresses in state.items()]
        assert planner.plan(services, found) == plan(services, found, node="n1")


def test_only_who_may_be_on_this_node_can_meet_itself() -> None:
    addresses = ["10.64.0.2", "10.64.1.2", "10.64.2.2"]
    found = endpoints("web", addresses, ("", 80), nodes={"10.64.0.2": "n1", "10.64.1.2": "n2"})
    wanted = plan([service("web", VIP, ("", 80, 0))], [found], node="n1")
    assert wanted.portals[0].near == ("10.64.0.2", "10.64.2.2"), "who wrote the last one did not say where it is"
    loops = chains.Renderer(NAMES).render(wanted).tables["nat"][NAMES.chain("LOOPS")]
    assert [rule.text() for rule in loops] == [
        f"-s {address}/32 -d {address}/32 -j MASQUERADE --random-fully" for address in ("10.64.0.2", "10.64.2.2")
    ]
    assert [*objects.Renderer(NAMES).render(wanted).elements["loops"]] == [
        f"{address} . {address}" for address in ("10.64.0.2", "10.64.2.2")
    ]


@given(wishes())
def test_what_is_wanted_survives_the_way_to_the_process(wanted: Wanted) -> None:
    order = Order(3, wanted)
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


PORTAL = Portal("default/dns", "udp", VIP, 53, node_port=30053, targets=(Target("10.64.0.2", 53),))
OTHER = msgspec.structs.replace(PORTAL, targets=(Target("10.64.0.3", 53),))
NOBODY = msgspec.structs.replace(PORTAL, targets=())
OVER_TCP = msgspec.structs.replace(PORTAL, protocol="tcp")


@pytest.mark.parametrize(
    ("before", "after", "flows"),
    [
        ((PORTAL,), (PORTAL,), []),
        ((PORTAL,), (OTHER,), [Flow("", 30053, ("10.64.0.3",)), Flow(VIP, 53, ("10.64.0.3",))]),
        ((PORTAL,), (), [Flow("", 30053), Flow(VIP, 53)]),
        ((PORTAL,), (NOBODY,), [Flow("", 30053), Flow(VIP, 53)]),
        ((), (PORTAL,), [Flow("", 30053, ("10.64.0.2",)), Flow(VIP, 53, ("10.64.0.2",))]),
        (None, (PORTAL,), [Flow("", 30053, ("10.64.0.2",)), Flow(VIP, 53, ("10.64.0.2",))]),
        ((OVER_TCP,), (), []),
    ],
    ids=["same", "moved", "service gone", "endpoints gone", "new", "nobody knows", "tcp"],
)
def test_flows_to_forget(
    before: tuple[Portal, ...] | None, after: tuple[Portal, ...], flows: list[Flow]
) -> None:
    assert list(stale_flows(None if before is None else Wanted(before), Wanted(after))) == flows


@given(wishes())
def test_every_jump_leads_to_a_chain_of_the_same_table(wanted: Wanted) -> None:
    ruleset = chains.Renderer(NAMES).render(wanted)
    known = {"DNAT", "DROP", "MARK", "MASQUERADE", "REJECT", "RETURN"}
    for own in ruleset.tables.values():
        targets = {rule.target for rules in own.values() for rule in rules}
        assert targets - known <= own.keys()


@given(wishes())
def test_every_name_is_ours_and_short_enough(wanted: Wanted) -> None:
    for own in chains.Renderer(NAMES).render(wanted).tables.values():
        assert all(len(name) <= 28 and iptables._is_ours(name, NAMES) for name in own)
        assert not any(iptables._is_ours(name, Names("ffffff")) for name in own)


@given(wishes())
def test_every_address_of_a_portal_is_served_or_turned_away(wanted: Wanted) -> None:
    ruleset = chains.Renderer(NAMES).render(wanted)
    served = {rule.destination for rule in ruleset.tables["nat"][NAMES.chain("SERVICES")] if rule.destination}
    refused = {
        rule.destination: rule.target
        for rule in ruleset.tables["filter"][NAMES.chain("REFUSE")]
        if rule.destination
    }
    for one in wanted.portals:
        own, balanced = f"{one.address}/32", [f"{address}/32" for address in one.balanced]
        assert (own in served) is bool(one.inside)
        assert refused.get(own) == (None if one.inside else "DROP" if one.targets else "REJECT")
        for address in balanced:
            assert (address in served) is bool(one.targets)
            closed = bool(one.sources) or (one.outside_local and not one.here)
            assert refused.get(address) == ("REJECT" if not one.targets else "DROP" if closed else None)


@given(wishes())
def test_both_renderings_turn_away_the_same(wanted: Wanted) -> None:
    table = objects.Renderer(NAMES).render(wanted).elements
    rules = chains.Renderer(NAMES).render(wanted).tables["filter"][NAMES.chain("REFUSE")]
    told = Counter((rule.target, bool(rule.destination)) for rule in rules)
    assert told == +Counter(
        {
            ("REJECT", True): len(table["refused"]),
            ("REJECT", False): len(table["refused-ports"]),
            ("DROP", True): len(table["dropped"]),
            ("DROP", False): len(table["dropped-ports"]),
        }
    )


@given(wishes())
def test_every_target_has_the_same_chance(wanted: Wanted) -> None:
    ruleset = chains.Renderer(NAMES).render(wanted)
    for portal in wanted.portals:
        if not portal.targets:
            continue
        rules = ruleset.tables["nat"][chains._Parts(NAMES).portal(portal)]
        left, shares = 1.0, []
        for rule in rules[-len(portal.targets) :]:
            chance = re.search(r"--probability (\S+)", rule.text())
            share = left * (float(chance[1]) if chance else 1.0)
            shares.append(share)
            left -= share
        assert shares == pytest.approx([1 / len(portal.targets)] * len(portal.targets), rel=1e-6)


@given(wishes(), wishes())
def test_what_was_rendered_before_changes_nothing(before: Wanted, after: Wanted) -> None:
    renderer = chains.Renderer(NAMES)
    renderer.render(before)
    assert renderer.render(after) == chains.Renderer(NAMES).render(after)


@given(wishes(), wishes())
def test_a_difference_leads_from_one_chain_to_the_other(before: Wanted, after: Wanted) -> None:
    one, other = (chains.Renderer(NAMES).render(wanted).tables["nat"] for wanted in (before, after))
    for name in one.keys() & other.keys():
        start, removed, added = iptables.difference(one[name], other[name])
        assert (*one[name][:start], *added, *one[name][start + removed :]) == other[name]


@given(wishes())
def test_what_is_in_place_lacks_nothing(wanted: Wanted) -> None:
    ruleset = chains.Renderer(NAMES).render(wanted)
    rules = {
        (table, chain): [rule.text() for rule in rules]
        for table, own in ruleset.tables.items()
        for chain, rules in own.items()
    }
    rules.update({where: [hook.text()] for where, hook in ruleset.hooks.items()})
    assert iptables.lacking(ruleset, Saved(rules, {})) == []
    assert iptables.lacking(ruleset, Saved({}, {}))
    assert "-I " not in iptables.restore_text(ruleset, Saved(rules, {}), NAMES)


def test_rules_read_as_iptables_save_prints_them() -> None:
    portal = Portal("default/web:http", "tcp", VIP, 80, affinity=60, targets=(Target("10.64.0.2", 8080),))
    parts = chains._Parts(NAMES)
    own, target = parts.portal_chains(portal)
    end = target[0]
    assert [rule.text() for rule in parts.to_portal(portal)] == [
        f'-d {VIP}/32 -p tcp -m comment --comment "default/web:http" -m tcp --dport 80 -j {own[0]}'
    ]
    assert [rule.text() for rule in own[1]] == [
        f"-d {VIP}/32 ! -i {NAMES.bridge} -p tcp -m tcp --dport 80 -j {NAMES.chain('MARK')}",
        f"-m recent --rcheck --seconds 60 --reap --name {end} --mask 255.255.255.255 --rsource -j {end}",
        f"-j {end}",
    ]
    assert [rule.text() for rule in target[1]] == [
        f"-p tcp -m recent --set --name {end} --mask 255.255.255.255 --rsource "
        "-j DNAT --to-destination 10.64.0.2:8080",
    ]
