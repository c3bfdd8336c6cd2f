"""Nobody is led to a pod that ends: it leaves the rules before its containers are asked to stop."""

from __future__ import annotations

import pytest

from tests.asking import Client, apply, node_port, service, status, web
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(300)]


def test_no_request_is_lost_while_pods_leave(platform: Platform) -> None:
    """Scaled down, then deleted one by one while their replacements come. nginx ends at once when it is asked to."""
    apply(platform, web("shop", 4), service("shop"))
    platform.ready_pods("app=shop", 4, within=120)
    target = ("127.0.0.1", node_port(platform, "shop"))
    eventually(lambda: status(*target) == 200, what="the service answers")
    with Client(target).asking() as client:
        platform.kubectl("scale", "rc", "shop", "--replicas=2")
        eventually(lambda: len(platform.objects("pods", "-l", "app=shop")) == 2, what="two pods are left")
        for pod in platform.ready_pods("app=shop", 2):
            platform.kubectl("delete", "pod", pod["metadata"]["name"])
            platform.ready_pods("app=shop", 2)
    print(f"{client.asked} requests, {len(client.failures)} failed")
    assert client.failures == []
    platform.kubectl("delete", "rc,service", "shop")
