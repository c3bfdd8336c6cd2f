"""Where an Ingress is reached, and in words what keeps it from being served."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import EVENT, INGRESS, INGRESS_CLASS, NODE, SECRET, SERVICE
from apps.cluster.kinds.ingresses import addresses
from apps.cluster.types import ways
from apps.cluster.types.agent import EDGE_UNAVAILABLE
from apps.controllers.ingresses import SERVED, Ingresses, View, plan
from tests.agent_edge.objects import EDGE, ingress, rule, service
from tests.builders import build
from tests.harness import add_nodes, create, delete, edit, find, objects, settle

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROOT = service("root")


def node(number: int, *, edge: str = "", trouble: str = "") -> types.Node:
    made: types.Node = build(NODE, name=f"n{number}", labels={ways.EDGE_LABEL: edge} if edge else {})
    made.status.addresses = [types.NodeAddress(type="InternalIP", address=f"10.55.0.{number}")]
    made.status.conditions = [types.Condition(type="Ready", status="True")]
    if trouble:
        made.status.conditions.append(types.Condition(EDGE_UNAVAILABLE, "True", "PortInUse", trouble))
    return made


def balancer(*at: str) -> types.Service:
    made: types.Service = build(SERVICE, name="front", spec__type="LoadBalancer")
    made.spec.ports = [types.ServicePort(port=80, protocol="TCP")]
    found = [types.LoadBalancerIngress(ip=address) for address in at]
    made.status.load_balancer = types.LoadBalancerStatus(ingress=found)
    return made


def outcome(
    *nodes: types.Node,
    of: types.Ingress | None = None,
    services: tuple[types.Service, ...] = (ROOT,),
    found: types.IngressClass | None = EDGE,
    **more: Any,
) -> tuple[str, str, list[str], list[int]]:
    """Reason, message, addresses and ports."""
    given = of or ingress(rule("a.example.com"))
    actions = plan(View(given, found, services=services, nodes=nodes, **more), NOW)
    (note,) = actions.events
    assert note.warning == (note.reason != SERVED)
    after: types.Ingress = actions.statuses[0].obj if actions.statuses else given
    balanced = after.status.load_balancer
    ports = {port.port for one in (balanced.ingress if balanced else ()) for port in one.ports}
    return note.reason, note.message, addresses(after), sorted(ports)


def secured(secret: str) -> types.Ingress:
    return ingress(rule("a.example.com"), spec__tls=[types.IngressTLS(secret_name=secret)])


def test_every_node_is_the_edge_until_some_are_labelled() -> None:
    assert outcome(node(1), node(2))[2:] == (["10.55.0.1", "10.55.0.2"], [80])
    assert outcome(node(1), node(2, edge="true"))[2] == ["10.55.0.2"]


def test_with_tls_there_is_a_second_port_and_a_class_may_name_others() -> None:
    assert outcome(node(1), of=secured("cert"), secrets={"cert": ways.TLS})[3] == [80, 443]
    other = build(INGRESS_CLASS, name="edge", spec__controller=ways.CONTROLLER, annotations={ways.HTTP_PORT: "8080"})
    assert outcome(node(1), found=other)[3] == [8080]


def test_a_node_that_cannot_serve_is_left_out_and_named_with_its_reason() -> None:
    reason, words, where, _ = outcome(node(1), node(2, trouble="port 80 is taken"))
    assert (reason, where) == ("PortInUse", ["10.55.0.1"])
    assert words == "node n2 does not serve it: port 80 is taken"
    assert outcome(node(1, trouble="port 80 is taken"))[:3] == (
        "NoEdgeNode", "no edge node can serve it: n1: port 80 is taken", [],
    )  # fmt: skip
    assert outcome()[:2] == ("NoEdgeNode", "no edge node is ready")


def test_a_port_that_a_balancer_has_on_the_nodes_own_addresses_is_named_with_its_owner() -> None:
    reason, words, where, ports = outcome(node(1), balancers=(balancer("10.55.0.1"),))
    assert (reason, where, ports) == ("PortTaken", [], [])
    assert words == "port 80/TCP of the edge nodes is taken by service default/front"
    assert outcome(node(1), balancers=(balancer("192.0.2.9"),))[0] == SERVED


NAMED: list[Any] = [
    ({"services": ()}, "ServiceMissing", 'service "root" not found: a.example.com/ leads nowhere'),
    ({"services": (service("root", port=8080),)}, "PortMissing", 'service "root" has no port 80: a.example.com/'),
    ({"services": (build(SERVICE, name="root", spec__type="ExternalName"),)}, "ServiceOutside", "an ExternalName"),
    ({"of": secured("cert")}, "SecretMissing", 'secret "cert" not found: its hosts have no certificate'),
    ({"of": secured("cert"), "secrets": {"cert": "Opaque"}}, "SecretOfOtherType", "has the type Opaque"),
    ({"found": None}, "NoClass", 'ingressclass "edge" not found: set spec.ingressClassName'),
]


@pytest.mark.parametrize(("given", "reason", "words"), NAMED, ids=[each[1] for each in NAMED])
def test_what_it_names_and_is_not_there_is_told(given: dict[str, Any], reason: str, words: str) -> None:
    told = outcome(node(1), **given)
    assert told[0] == reason
    assert words in told[1]


def test_what_was_told_is_not_told_again() -> None:
    given = View(ingress(rule("a.example.com")), EDGE, services=(ROOT,), nodes=(node(1),))
    (first,) = plan(given, NOW).events
    again = View(given.ingress, EDGE, services=(ROOT,), nodes=(node(1),), told=(first.reason, first.message))
    assert plan(again, NOW).events == ()


@pytest.mark.usefixtures("ruled")
def test_addresses_follow_the_edge_and_events_say_why() -> None:
    controllers = [Ingresses()]
    add_nodes("n1", "n2")
    for number in (1, 2):
        _address(number)
    create(INGRESS_CLASS, name="edge", spec__controller=ways.CONTROLLER)
    create(INGRESS, ingress(rule("a.example.com"), spec__tls=[types.IngressTLS(secret_name="cert")]))
    settle(controllers)
    assert reached() == ["10.55.0.1", "10.55.0.2"]
    assert [one.reason for one in objects(EVENT)] == ["SecretMissing"]
    create(SECRET, name="cert", type=ways.TLS, data={"tls.crt": "", "tls.key": ""})
    settle(controllers)
    create(SERVICE, name="root")
    settle(controllers)
    assert {one.reason for one in objects(EVENT)} == {"SecretMissing", "ServiceMissing", SERVED}
    count = len(objects(EVENT))
    edit(NODE, "n2", lambda one: one.metadata.labels.update({ways.EDGE_LABEL: "true"}))
    settle(controllers)
    assert reached() == ["10.55.0.2"]
    assert len(objects(EVENT)) == count + 1
    delete(INGRESS, "web")
    settle(controllers)


def _address(number: int) -> None:
    def report(one: types.Node) -> None:
        one.status.addresses = node(number).status.addresses

    edit(NODE, f"n{number}", report)


def reached() -> list[str]:
    found = find(INGRESS, "web")
    assert found is not None
    return addresses(found)
