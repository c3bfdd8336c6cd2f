"""What is reachable from outside: one row for every way in."""

from __future__ import annotations

from typing import Any

from apps.cluster import types
from apps.cluster.exposure import Exposure, exposures
from apps.cluster.kinds import INGRESS_CLASS, NODE, POD, SERVICE
from apps.cluster.kinds.service_checks import ADDRESS_ASSIGNED
from apps.cluster.types import ways
from apps.cluster.types.agent import EDGE_UNAVAILABLE
from node_agent.edge.trouble import MISSING
from tests.agent_edge.objects import EDGE, ingress, rule
from tests.builders import build


def node(number: int, ready: str = "True") -> types.Node:
    made: types.Node = build(NODE, name=f"n{number}")
    made.status.addresses = [types.NodeAddress(type="InternalIP", address=f"10.55.0.{number}")]
    made.status.conditions = [types.Condition(type="Ready", status=ready)]
    return made


def service(type_: str, *balanced: str, **changes: Any) -> types.Service:
    made: types.Service = build(SERVICE, name="web", spec__type=type_, **changes)
    made.spec.ports = [types.ServicePort(port=80, node_port=30061, protocol="TCP")]
    ingress = [types.LoadBalancerIngress(ip=address) for address in balanced]
    made.status.load_balancer = types.LoadBalancerStatus(ingress=ingress)
    return made


def pod(host_network: bool = False, **port: Any) -> types.Pod:
    made: types.Pod = build(POD, name="one")
    made.spec.node_name, made.spec.host_network = "n1", host_network
    made.spec.containers[0].ports = [types.ContainerPort(container_port=53, protocol="UDP", **port)]
    return made


NODES = [node(1), node(2), node(3, ready="False")]


def ways_in(*objects: Any) -> list[tuple[str, list[str], int]]:
    services = [one for one in objects if isinstance(one, types.Service)]
    pods = [one for one in objects if isinstance(one, types.Pod)]
    return [(one.via, one.addresses, one.port) for one in exposures(services, pods, NODES)]


def without_caddy(number: int) -> types.Node:
    made = node(number)
    made.status.conditions.append(types.Condition(EDGE_UNAVAILABLE, "True", *MISSING))
    return made


def told(nodes: list[types.Node], *classes: types.IngressClass) -> tuple[list[str], int, str]:
    """Of an Ingress that nobody has opened: where, at which port, and why not."""
    (one,) = exposures([], [], nodes, [ingress(rule("a.example.com", "/"))], classes)
    return one.addresses, one.port, one.why


def test_an_ingress_that_nobody_serves_says_why_and_what_to_do() -> None:
    missing = "n1: the program caddy is not installed on this node: install it (apt-get install caddy), or"
    addresses, port, why = told([without_caddy(1)], EDGE)
    assert (addresses, port) == ([], 80)
    assert why.startswith(f"no edge node can serve it: {missing} make other nodes the edge")
    assert told([node(1, ready="False")], EDGE)[2] == "no edge node is ready"
    assert told([node(1), without_caddy(2)], EDGE)[2].startswith("node n2 does not serve it: the program caddy")
    elsewhere = "its events say why: kubectl -n default describe ingress web"
    assert told([without_caddy(1)]) == ([], 80, elsewhere), "the edge has nothing to do with it"
    other: types.IngressClass = build(INGRESS_CLASS, name="edge", metadata__annotations={ways.HTTP_PORT: "8080"})
    other.spec.controller = ways.CONTROLLER
    assert told([node(1)], other) == ([], 8080, elsewhere)


def test_a_balancer_or_a_port_that_is_open_nowhere_says_why() -> None:
    pending = service("LoadBalancer")
    words = "all 3 addresses of LOAD_BALANCER_POOL are taken: add some, or delete a service"
    pending.status.conditions = [types.Condition(ADDRESS_ASSIGNED, "False", "PoolExhausted", words)]
    assert [one.why for one in exposures([pending], [], [])] == [words, "no node is ready"]
    (lost,) = exposures([], [pod(host_port=8053)], [node(1, ready="False")])
    assert (lost.addresses, lost.why) == ([], "node n1 is not ready")


def test_an_ingress_is_open_where_the_edge_serves_it() -> None:
    made = ingress(rule("a.example.com", "/", "/api"))
    ports = [types.PortStatus(port=port, protocol="TCP") for port in (80, 443)]
    at = [types.IngressLoadBalancerIngress(ip="10.55.0.1", ports=ports)]
    made.status.load_balancer = types.IngressLoadBalancerStatus(ingress=at)
    plain, secure = exposures([], [], NODES, [made])
    assert (plain.via, plain.kind, plain.name, plain.addresses) == ("Ingress", "Ingress", "web", ["10.55.0.1"])
    assert (plain.port, secure.port, plain.services) == (80, 443, ["api", "root"])
    assert plain.target == "a.example.com/ to root:80, and 1 more"


def test_a_node_port_is_open_on_every_node_that_is_ready() -> None:
    assert ways_in(service("NodePort")) == [("NodePort", ["10.55.0.1", "10.55.0.2"], 30061)]


def test_a_balancer_is_open_at_its_address_and_by_its_node_port() -> None:
    found = service("LoadBalancer", "192.0.2.9", spec__load_balancer_source_ranges=["10.0.0.0/8"])
    assert ways_in(found) == [
        ("LoadBalancer", ["192.0.2.9"], 80),
        ("NodePort", ["10.55.0.1", "10.55.0.2"], 30061),
    ]
    first, second = exposures([found], [], NODES)
    assert (first.source_ranges, second.source_ranges) == (["10.0.0.0/8"], [])
    assert ways_in(service("LoadBalancer"))[0] == ("LoadBalancer", [], 80)


def test_ports_of_the_machine_that_pods_take() -> None:
    assert ways_in(pod(host_port=8053)) == [("HostPort", ["10.55.0.1"], 8053)]
    assert ways_in(pod(host_port=8053, host_ip="10.55.0.9")) == [("HostPort", ["10.55.0.9"], 8053)]
    assert ways_in(pod(host_network=True)) == [("HostNetwork", ["10.55.0.1"], 53)]


def test_what_stays_inside_is_not_told() -> None:
    inside = build(SERVICE)
    ended = pod(host_port=8053)
    ended.status.phase = "Succeeded"
    assert ways_in(inside, pod(), pod(host_port=8053, host_ip="127.0.0.1"), ended) == []


def test_rows_come_by_namespace_and_name() -> None:
    (first, second) = exposures([service("NodePort")], [pod(host_port=8053)], NODES)
    assert (first.name, second.name) == ("one", "web")
    assert first == Exposure(
        via="HostPort", kind="Pod", namespace="default", name="one", addresses=["10.55.0.1"], port=8053,
        protocol="UDP", target="one:53",
    )  # fmt: skip
