"""Services on three real nodes: every node port, who may be led where, and nobody led to a pod that ends."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.asking import Client, apply, node_port, service, status, web
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(600)]

NODES = ("node-1", "node-2", "node-3")


@pytest.fixture
def addresses(platform: Platform) -> dict[str, str]:
    return {name: platform.node(name).address for name in NODES}


@pytest.fixture
def shop(platform: Platform) -> Iterator[int]:
    """Four pods behind a node port, which is returned once every node leads to them."""
    apply(platform, web("shop", 4), service("shop"))
    platform.ready_pods("app=shop", 4, within=120)
    yield node_port(platform, "shop")
    platform.kubectl("delete", "rc,service", "shop")


def test_no_request_is_lost_while_pods_leave(
    platform: Platform, addresses: dict[str, str], shop: int
) -> None:
    """Scaled down, then deleted one by one while their replacements come."""
    targets = [(address, shop) for address in addresses.values()]
    for target in targets:
        eventually(lambda target=target: status(*target) == 200, what=f"{target} answers")  # type: ignore[misc]
    with Client(*targets).asking() as client:
        platform.kubectl("scale", "rc", "shop", "--replicas=2")
        eventually(lambda: len(platform.objects("pods", "-l", "app=shop")) == 2, what="two pods are left")
        for pod in platform.ready_pods("app=shop", 2):
            platform.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
            platform.ready_pods("app=shop", 2)
    print(f"{client.asked} requests, {len(client.failures)} failed")
    assert client.failures == []


@pytest.fixture
def alone(platform: Platform) -> Iterator[str]:
    """One pod; the node it runs on."""
    apply(platform, web("alone", 1))
    (pod,) = platform.ready_pods("app=alone", 1, within=120)
    yield pod["spec"]["nodeName"]
    platform.kubectl("delete", "rc", "alone")
    platform.kubectl("delete", "service", "alone", "--ignore-not-found")


def test_every_node_answers_at_a_node_port_also_where_no_pod_runs(
    platform: Platform, addresses: dict[str, str], alone: str
) -> None:
    apply(platform, service("alone"))
    port = node_port(platform, "alone")
    for name, address in addresses.items():
        eventually(lambda address=address: status(address, port) == 200, what=f"{name} answers")  # type: ignore[misc]


def test_a_local_policy_keeps_the_clients_address_and_leaves_the_other_nodes_silent(
    platform: Platform, addresses: dict[str, str], alone: str
) -> None:
    apply(platform, service("alone", externalTrafficPolicy="Local"))
    port = node_port(platform, "alone")
    (pod,) = platform.pods("app=alone")

    def seen() -> bool:
        told = platform.kubectl("logs", pod["metadata"]["name"])
        return status(addresses[alone], port) == 200 and platform.node(alone).gateway in told

    eventually(seen, what="the pod sees the client's address")
    for name in set(addresses) - {alone}:
        eventually(lambda name=name: silent(addresses[name], port), what=f"{name} answers nobody")  # type: ignore[misc]
        assert (
            platform.node(name).run("curl", "-sf", "-o/dev/null", "-w%{http_code}", f"127.0.0.1:{port}")
            == "200"
        )


def silent(address: str, port: int) -> bool:
    try:
        status(address, port, timeout=1)
    except TimeoutError:
        return True
    return False


def test_an_address_of_the_pool_moves_when_its_node_loses_its_power(platform: Platform, shop: int) -> None:
    apply(platform, service("front", type="LoadBalancer", selector={"app": "shop"}))

    def found() -> tuple[str, str]:
        (front,) = platform.objects("service", "front")
        address = front["status"]["loadBalancer"]["ingress"][0]["ip"]
        return address, front["metadata"]["annotations"]["drover.dev/announced-by"]

    address, first = eventually(found, what="an address")
    assert address in platform.kubectl("get", "service", "front")
    eventually(lambda: status(address, 80) == 200, what="the address answers")
    platform.node(first).cut_power()
    began = time.monotonic()
    eventually(lambda: found()[1] != first, what="another node answers for it")
    print(f"another node was chosen within {time.monotonic() - began:.1f} s of the power cut")
    eventually(lambda: status(address, 80, timeout=1) == 200, what="the address answers again")
    print(f"the address moved within {time.monotonic() - began:.1f} s of the power cut")
    second = found()[1]
    platform.node(first).switch_on()
    eventually(lambda: f"{first} True" in ready(platform), within=60, what="the node is back")
    for name in NODES:
        holds = eventually(lambda name=name: [address in platform.node(name).run("ip", "-brief", "address")])  # type: ignore[misc]
        assert holds == [name == second]
    platform.kubectl("delete", "service", "front")
    eventually(lambda: address not in platform.node(second).run("ip", "-brief", "address"), what="given back")


def ready(platform: Platform) -> str:
    path = "{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=='Ready')].status}{'\\n'}{end}"
    return platform.kubectl("get", "nodes", "-o", f"jsonpath={path}")
