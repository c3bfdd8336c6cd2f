"""The doors of a service besides its own address: node ports and balancers, and the policies that narrow them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.cluster import types
from tests.agent_net.cluster import VIP, WEB, Cluster
from tests.agent_net.lab import NODE, OUTSIDE, Server, ask, machine, route
from tests.agent_net.objects import endpoints, service

pytestmark = pytest.mark.net

HERE = "node-1"
BALANCED = "203.0.113.80"


@pytest.fixture(params=["iptables", "nftables"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    with machine() as (space, outside):
        route(outside, dst=f"{BALANCED}/32", gateway=NODE)
        space.command("ip", "address", "add", f"{BALANCED}/32", "dev", "up0")
        made = Cluster(space, outside, tmp_path, request.param)
        yield made
        made.close()


def local(*, outside: bool = True, inside: bool = False) -> types.Service:
    made = service("web", VIP, ("", 80, 30061))
    made.spec.external_traffic_policy = "Local" if outside else "Cluster"
    made.spec.internal_traffic_policy = "Local" if inside else "Cluster"
    return made


def balanced(*sources: str, policy: str = "Cluster") -> types.Service:
    made = service("web", VIP, ("", 80, 0))
    made.spec.type, made.spec.external_traffic_policy = "LoadBalancer", policy
    made.spec.load_balancer_source_ranges = list(sources)
    ingress = [types.LoadBalancerIngress(ip=BALANCED)]
    made.status.load_balancer = types.LoadBalancerStatus(ingress=ingress)
    return made


def at(cluster: Cluster, **nodes: str) -> types.EndpointSlice:
    """Endpoints by the pod's name, or far away on the machine outside."""
    addresses = {cluster.addresses.get(name, OUTSIDE): node for name, node in nodes.items()}
    return endpoints("web", list(addresses), ("", 8080), nodes=addresses)


def refused(cluster: Cluster, address: str, port: int) -> type[OSError]:
    try:
        ask(cluster.outside, address, port)
    except OSError as error:
        return type(error)
    raise AssertionError("answered")


def test_a_local_node_port_keeps_the_clients_address(cluster: Cluster) -> None:
    cluster.pod("one", 8080)
    cluster.update([WEB], [at(cluster, one=HERE)])
    assert ask(cluster.outside, NODE, 30061) == ("one", NODE_ON_BRIDGE)
    cluster.update([local()], [at(cluster, one=HERE)])
    assert ask(cluster.outside, NODE, 30061) == ("one", OUTSIDE)


NODE_ON_BRIDGE = "10.64.3.1"


def test_a_local_node_port_is_silent_where_no_pod_is_but_not_to_the_machine_and_its_pods(
    cluster: Cluster,
) -> None:
    client = cluster.pod("client")
    Server(cluster.outside, "far", 8080)
    cluster.update([local()], [at(cluster, far="node-2")])
    assert refused(cluster, NODE, 30061) is TimeoutError
    assert ask(client, NODE, 30061)[0] == "far"
    assert ask(cluster.space, NODE, 30061)[0] == "far"
    assert ask(client, VIP, 80)[0] == "far"


def test_an_internal_local_policy_leads_to_the_nodes_own_pods_only(cluster: Cluster) -> None:
    client = cluster.pod("client")
    cluster.pod("one", 8080)
    Server(cluster.outside, "far", 8080)
    cluster.update([local(outside=False, inside=True)], [at(cluster, one=HERE, far="node-2")])
    assert {ask(client, VIP, 80)[0] for _ in range(12)} == {"one"}
    assert ask(cluster.space, VIP, 80)[0] == "one"
    cluster.update([local(outside=False, inside=True)], [at(cluster, far="node-2")])
    with pytest.raises(TimeoutError):
        ask(client, VIP, 80)
    assert ask(cluster.outside, NODE, 30061)[0] == "far"


def test_a_balancers_address_answers_outside_pods_and_the_machine(cluster: Cluster) -> None:
    client = cluster.pod("client")
    cluster.pod("one", 8080)
    cluster.update([balanced()], [at(cluster, one=HERE)])
    assert ask(cluster.outside, BALANCED, 80)[0] == "one"
    assert ask(client, BALANCED, 80)[0] == "one"
    assert ask(cluster.space, BALANCED, 80)[0] == "one"
    cluster.update([balanced(policy="Local")], [at(cluster, one=HERE)])
    assert ask(cluster.outside, BALANCED, 80) == ("one", OUTSIDE)
    cluster.update([balanced(policy="Local")], [at(cluster, far="node-2")])
    assert refused(cluster, BALANCED, 80) is TimeoutError
    cluster.update([balanced()], [])
    assert refused(cluster, BALANCED, 80) is ConnectionRefusedError


def test_only_the_source_ranges_come_by_a_balancer(cluster: Cluster) -> None:
    client = cluster.pod("client")
    cluster.pod("one", 8080)
    cluster.update([balanced("192.0.2.0/24", f"{OUTSIDE}/32")], [at(cluster, one=HERE)])
    assert ask(cluster.outside, BALANCED, 80)[0] == "one"
    cluster.update([balanced("192.0.2.0/24")], [at(cluster, one=HERE)])
    assert refused(cluster, BALANCED, 80) is TimeoutError
    assert ask(client, VIP, 80)[0] == "one"
    assert ask(cluster.space, BALANCED, 80)[0] == "one"


def test_a_pod_that_ends_serves_until_another_one_can(cluster: Cluster) -> None:
    client = cluster.pod("client")
    for name in ("one", "two"):
        cluster.pod(name, 8080)
    ending = endpoints("web", [], ("", 8080), ending=(cluster.addresses["one"],))
    cluster.update([WEB], [ending])
    assert ask(client, VIP, 80)[0] == "one"
    beside = endpoints("web", [cluster.addresses["two"]], ("", 8080), ending=(cluster.addresses["one"],))
    cluster.update([WEB], [beside])
    assert {ask(client, VIP, 80)[0] for _ in range(12)} == {"two"}
