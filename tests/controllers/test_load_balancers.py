"""Services of type LoadBalancer get an address, and words when they do not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.kinds import EVENT, NODE, POD, SERVICE
from apps.cluster.kinds.service_checks import ADDRESS_ASSIGNED
from apps.cluster.kinds.services import external_addresses
from apps.cluster.ranges import Pool
from apps.cluster.types.agent import ANNOUNCED_BY
from apps.controllers.load_balancers import LoadBalancers, View, plan
from tests.builders import build
from tests.harness import TESTER, add_nodes, create, delete, edit, find, objects, settle

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POOL = Pool("192.0.2.10-192.0.2.11")
NO_POOL = Pool("")


def service(name: str = "sample", *had: str, **changes: Any) -> types.Service:
    made: types.Service = build(SERVICE, name=name, spec__type="LoadBalancer", **changes)
    made.metadata.uid, made.metadata.resource_version = f"uid-{name}", "1"
    made.spec.ports[0].protocol = "TCP"
    ingress = [types.LoadBalancerIngress(ip=address) for address in had]
    made.status.load_balancer = types.LoadBalancerStatus(ingress=ingress) if had else None
    return made


def node(number: int, *, ready: bool = True, edge: str = "") -> types.Node:
    labels = {"drover.dev/edge": edge} if edge else {}
    made: types.Node = build(NODE, name=f"n{number}", labels=labels)
    made.status.addresses = [types.NodeAddress(type="InternalIP", address=f"10.55.0.{number}")]
    made.status.conditions = [types.Condition(type="Ready", status="True" if ready else "False")]
    return made


def on_node(number: int, **container: Any) -> types.Pod:
    made: types.Pod = build(POD, name=f"p{number}")
    made.spec.node_name = f"n{number}"
    made.spec.containers[0].ports = [types.ContainerPort(container_port=80, protocol="TCP", **container)]
    return made


def local_at(*nodes: str) -> types.EndpointSlice:
    endpoints = [types.Endpoint(addresses=["10.64.0.2"], node_name=name) for name in nodes]
    return types.EndpointSlice(address_type="IPv4", endpoints=endpoints)


def outcome(
    given: types.Service,
    *nodes: types.Node,
    others: tuple[types.Service, ...] = (),
    pods: tuple[types.Pod, ...] = (),
    slices: tuple[types.EndpointSlice, ...] = (),
    pool: Pool = POOL,
) -> tuple[str, str, list[str], str]:
    """Reason, message, addresses, and who announces."""
    done = plan(View(given, others, nodes, slices, pods), pool, {("TCP", 22): "ssh"}, NOW)
    (status,) = done.statuses
    (told,) = [one for one in status.obj.status.conditions if one.type == ADDRESS_ASSIGNED]
    assert [(note.reason, note.warning) for note in done.events] == [(told.reason, told.status == "False")]
    chosen = [one.obj.metadata.annotations.get(ANNOUNCED_BY, "") for one in done.updates]
    return told.reason, told.message, external_addresses(status.obj), (chosen or [""])[0]


def test_an_address_of_the_pool_and_a_node_that_answers_for_it() -> None:
    reason, message, addresses, chosen = outcome(service(), node(1), node(2))
    assert (reason, addresses) == ("Assigned", ["192.0.2.10"])
    assert chosen in {"n1", "n2"} and message == f"node {chosen} answers for 192.0.2.10"


def test_what_others_have_is_passed_over_and_what_one_has_is_kept() -> None:
    other = service("other", "192.0.2.10")
    assert outcome(service(), node(1), others=(other,))[2] == ["192.0.2.11"]
    assert outcome(service("sample", "192.0.2.11"), node(1))[2] == ["192.0.2.11"]


REFUSED: list[Any] = [
    ("exhausted", {}, (service("a", "192.0.2.10"), service("b", "192.0.2.11")), "PoolExhausted",
     "all 2 addresses of LOAD_BALANCER_POOL are taken: add some, or delete a service"),
    ("taken", {"spec__load_balancer_ip": "192.0.2.10"}, (service("a", "192.0.2.10"),), "AddressTaken",
     "192.0.2.10 is taken by service default/a"),
    ("foreign", {"spec__load_balancer_ip": "203.0.113.9"}, (), "AddressNotInPool",
     "203.0.113.9 is not in LOAD_BALANCER_POOL (192.0.2.10-192.0.2.11)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "others", "reason", "message"), REFUSED)
def test_why_there_is_no_address(
    name: str, changes: dict[str, Any], others: tuple[types.Service, ...], reason: str, message: str
) -> None:
    assert outcome(service(**changes), node(1), others=others) == (reason, message, [], ""), name


def test_the_announcer_stays_while_it_can_and_another_one_follows() -> None:
    held = service("sample", "192.0.2.10", annotations={ANNOUNCED_BY: "n2"})
    assert outcome(held, node(1), node(2))[1] == "node n2 answers for 192.0.2.10"
    assert outcome(held, node(1), node(2, ready=False))[3] == "n1"
    reason, _, addresses, chosen = outcome(held, node(1, ready=False), node(2, ready=False))
    assert (reason, addresses, chosen) == ("NoEdgeNode", ["192.0.2.10"], "")


def test_only_edge_nodes_answer_where_some_are_labelled() -> None:
    nodes = (node(1), node(2, edge="true"), node(3, edge="false"))
    assert outcome(service(), *nodes)[3] == "n2"
    assert outcome(service(), *nodes, pool=NO_POOL)[2] == ["10.55.0.2"]


def test_where_traffic_stays_local_a_node_with_a_pod_answers() -> None:
    given = service(spec__external_traffic_policy="Local")
    nodes = (node(1), node(2), node(3))
    assert outcome(given, *nodes, slices=(local_at("n3"),))[3] == "n3"
    two = outcome(given, *nodes, slices=(local_at("n1", "n3"),), pool=NO_POOL)
    assert two[2] == ["10.55.0.1", "10.55.0.3"]


def test_without_a_pool_the_nodes_answer_under_their_own_addresses() -> None:
    reason, _, addresses, chosen = outcome(service(), node(1), node(2), node(3, ready=False), pool=NO_POOL)
    assert (reason, addresses, chosen) == ("Assigned", ["10.55.0.1", "10.55.0.2"], "")
    wished = service(spec__load_balancer_ip="10.55.0.2")
    assert outcome(wished, node(1), node(2), pool=NO_POOL)[2] == ["10.55.0.2"]


OWNED: list[Any] = [
    ({"others": (service("other", "10.55.0.1"),)}, 80, "service default/other"),
    ({"pods": (on_node(1, host_port=80),)}, 80, "pod default/p1"),
    ({}, 22, "ssh"),
    ({}, 30061, "the range of node ports"),
]


@pytest.mark.parametrize(("taken", "port", "owner"), OWNED)
def test_a_port_of_the_nodes_that_is_taken_is_named_with_its_owner(
    taken: dict[str, Any], port: int, owner: str
) -> None:
    given = service(spec__ports=[types.ServicePort(port=port, protocol="TCP")])
    words = f"port {port}/TCP of the edge nodes is taken by {owner}"
    assert outcome(given, node(1), pool=NO_POOL, **taken) == ("PortTaken", words, [], "")


def test_pods_elsewhere_and_ports_of_their_own_take_none() -> None:
    nodes = (node(1, edge="true"), node(2))
    assert outcome(service(), *nodes, pods=(on_node(2, host_port=80),), pool=NO_POOL)[0] == "Assigned"
    assert outcome(service(), node(1), pods=(on_node(1),), pool=NO_POOL)[0] == "Assigned"


def test_another_class_is_left_to_its_controller() -> None:
    foreign = service(spec__load_balancer_class="example.com/lb")
    assert plan(View(foreign, (), (node(1),), ()), POOL, {}, NOW).idle
    ours = service(spec__load_balancer_class="drover.dev/edge")
    assert outcome(ours, node(1))[0] == "Assigned"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("", []),
        ("192.0.2.8/30", ["192.0.2.9", "192.0.2.10"]),
        ("192.0.2.9, 192.0.2.1-192.0.2.2", ["192.0.2.1", "192.0.2.2", "192.0.2.9"]),
        ("192.0.2.7/32", ["192.0.2.7"]),
    ],
)
def test_a_pool(text: str, addresses: list[str]) -> None:
    assert list(Pool(text)) == addresses
    assert len(Pool(text)) == len(addresses)
    assert all(address in Pool(text) for address in addresses)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("192.0.2.9-192.0.2.1", "ends before it begins"),
        ("192.0.2.0/24,192.0.2.7", "192.0.2.7 is in it twice"),
        ("10.254.9.0/24", "it overlaps SERVICE_CIDR, 10.254.0.0/16"),
        ("10.64.0.0-10.64.0.9", "it overlaps POD_CIDR"),
        ("here", "here"),
    ],
)
def test_a_pool_that_cannot_be_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Pool(text)


@pytest.mark.usefixtures("ruled")
class TestInTheStore:
    def test_addresses_are_given_moved_and_given_on(self) -> None:
        controllers = [LoadBalancers(Pool("192.0.2.10"))]
        add_nodes("n1", "n2")
        create(SERVICE, name="first", spec__type="LoadBalancer")
        settle(controllers)
        create(SERVICE, name="second", spec__type="LoadBalancer")
        settle(controllers)
        first, second = find(SERVICE, "first"), find(SERVICE, "second")
        assert first is not None and second is not None
        assert (external_addresses(first), external_addresses(second)) == (["192.0.2.10"], [])
        assert {event.reason for event in objects(EVENT)} == {"Assigned", "PoolExhausted"}
        chosen = first.metadata.annotations[ANNOUNCED_BY]

        def lost(one: types.Node) -> None:
            one.status.conditions = [types.Condition(type="Ready", status="Unknown")]

        edit(NODE, chosen, lost)
        settle(controllers)
        moved = find(SERVICE, "first").metadata.annotations[ANNOUNCED_BY]  # type: ignore[union-attr]
        assert moved in {"n1", "n2"} - {chosen}
        delete(SERVICE, "first")
        settle(controllers)
        assert external_addresses(find(SERVICE, "second")) == ["192.0.2.10"]  # type: ignore[arg-type]

    def test_what_is_no_balancer_any_more_has_no_address_and_no_announcer(self) -> None:
        controllers = [LoadBalancers(POOL)]
        add_nodes("n1")
        create(SERVICE, spec__type="LoadBalancer")
        settle(controllers)
        service = find(SERVICE, "sample")
        assert service is not None
        service.spec.type = "ClusterIP"
        store.write(TESTER, lambda tx: tx.update(SERVICE, service))
        settle(controllers)
        service = find(SERVICE, "sample")
        assert service is not None
        assert ANNOUNCED_BY not in service.metadata.annotations
        assert external_addresses(service) == [] and service.status.conditions == []
