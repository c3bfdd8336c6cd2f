"""Services on three real nodes: every node port, who may be led where, and nobody led to a pod that ends."""

from __future__ import annotations

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
    eventually(lambda: status(addresses[alone], port) == 200, what="the pod's node answers")
    (pod,) = platform.pods("app=alone")
    told = platform.kubectl("logs", pod["metadata"]["name"])
    assert platform.node(alone).gateway in told
    for name in set(addresses) - {alone}:
        with pytest.raises(TimeoutError):
            status(addresses[name], port, timeout=1)
        assert platform.node(name).run("curl", "-sf", "-o/dev/null", "-w%{http_code}", f"127.0.0.1:{port}") == "200"
