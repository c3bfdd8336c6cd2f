"""Host names on three real nodes: every edge node leads to the pods, and nobody notices what changes."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from apps.cluster.types.agent import ANNOUNCED_BY
from apps.cluster.types.ways import EDGE_LABEL
from tests.agent_edge.lab import pair
from tests.asking import Client, apply, service, status, web
from tests.platform import Platform, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(600)]

NODES = ("node-1", "node-2", "node-3")
HOST = "shop.example.com"


def ingress(name: str, host: str, **spec: Any) -> dict[str, Any]:
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"rules": [rule], **spec},
    }


@pytest.fixture
def addresses(platform: Platform) -> dict[str, str]:
    return {name: platform.node(name).address for name in NODES}


@pytest.fixture
def shop(platform: Platform) -> Iterator[None]:
    """Four pods behind a service that only the inside reaches."""
    apply(platform, web("shop", 4), service("shop", type="ClusterIP"))
    platform.ready_pods("app=shop", 4, within=120)
    yield
    platform.kubectl("delete", "ingress", "--all")
    platform.kubectl("delete", "rc,service", "shop")


def reached(platform: Platform, name: str = "shop") -> set[str]:
    (found,) = platform.objects("ingress", name)
    return {one["ip"] for one in found["status"].get("loadBalancer", {}).get("ingress", [])}


def proxies(platform: Platform, node: str) -> list[str]:
    """Those that run: process 1 of these machines reaps nobody."""
    return platform.node(node).run("pgrep", "--runstates", "R,S,D", "-x", "caddy", check=False).split()


def answers(address: str, host: str = HOST) -> bool:
    return status(address, 80, host=host) == 200


def test_a_host_name_is_led_to_its_pods_by_every_node_but_one_whose_port_is_taken(
    platform: Platform, addresses: dict[str, str], shop: None
) -> None:
    assert [proxies(platform, name) for name in NODES] == [[], [], []]
    taken = subprocess.Popen(
        platform.node("node-3").inside("python3", "-m", "http.server", "80"), stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: status(addresses["node-3"], 80))
        apply(platform, ingress("shop", HOST))
        others = {addresses["node-1"], addresses["node-2"]}
        eventually(lambda: reached(platform) == others, what="two nodes serve it")
        for address in others:
            eventually(lambda address=address: answers(address))  # type: ignore[misc]
        assert "port 80 of this node is taken" in platform.kubectl("describe", "node", "node-3")
        assert "PortInUse" in platform.kubectl("describe", "ingress", "shop")
    finally:
        taken.kill()
        platform.node("node-3").run("pkill", "-f", "http.server 80", check=False)
        taken.wait()
    eventually(lambda: reached(platform) == set(addresses.values()), what="all nodes serve it")
    eventually(lambda: answers(addresses["node-3"]))
    line = platform.kubectl("get", "ingress", "shop")
    assert all(address in line for address in [HOST, *addresses.values()])
    exposed = platform.kubectl("get", "exposures", "-A")
    assert f"{HOST}/ to shop:80" in exposed
    platform.kubectl("delete", "ingress", "shop")
    eventually(lambda: not any(proxies(platform, name) for name in NODES), what="nothing runs any more")


def test_a_node_without_the_program_says_so_wherever_one_looks_and_serves_once_it_is_there(
    platform: Platform, addresses: dict[str, str], shop: None
) -> None:
    program, node = shutil.which("caddy"), platform.node("node-3")
    assert program
    platform.kubectl("label", "node", "node-3", f"{EDGE_LABEL}=")
    node.run("mount", "--bind", "/dev/null", program)
    try:
        apply(platform, ingress("shop", HOST))
        eventually(lambda: "CaddyMissing" in platform.kubectl("describe", "node", "node-3"), what="its condition")
        what_to_do = "install it (apt-get install caddy), or make other nodes the edge"
        assert what_to_do in platform.kubectl("describe", "node", "node-3")
        eventually(lambda: what_to_do in platform.kubectl("describe", "ingress", "shop"), what="an event")
        way = exposed(platform)["ingress/shop"]
        assert way["addresses"] == [] and what_to_do in way["why"]
    finally:
        node.run("umount", program)
        platform.kubectl("label", "node", "node-3", f"{EDGE_LABEL}-")
    eventually(lambda: answers(addresses["node-3"]), what="it serves")
    eventually(lambda: reached(platform) == set(addresses.values()), what="it is among those that do")


def test_no_request_is_lost_while_ingresses_pods_and_agents_come_and_go(
    platform: Platform, addresses: dict[str, str], shop: None
) -> None:
    apply(platform, ingress("shop", HOST))
    for address in addresses.values():
        eventually(lambda address=address: answers(address), what=f"{address} answers")  # type: ignore[misc]
    with Client(*((address, 80) for address in addresses.values()), host=HOST).asking() as client:
        for number in range(8):
            apply(platform, ingress(f"other-{number}", f"other-{number}.example.com"))
            eventually(lambda number=number: answers(addresses["node-1"], f"other-{number}.example.com"))  # type: ignore[misc]
        eventually(lambda: all(len(proxies(platform, name)) == 1 for name in NODES), what="the old ones have ended")
        before = [proxies(platform, name) for name in NODES]
        platform.node("node-1").kill_agent()
        platform.kubectl("scale", "rc", "shop", "--replicas=2")
        eventually(lambda: len(platform.objects("pods", "-l", "app=shop")) == 2, what="two pods are left")
        for pod in platform.ready_pods("app=shop", 2):
            platform.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
            platform.ready_pods("app=shop", 2)
        assert [proxies(platform, name) for name in NODES] == before
        platform.kubectl("delete", "ingress", *(f"other-{number}" for number in range(8)))
        eventually(lambda: not answers(addresses["node-1"], "other-0.example.com"), what="it is taken back")
    print(f"{client.asked} requests, {len(client.failures)} failed")
    assert client.failures == []


def test_certificates_are_on_edge_nodes_only_and_move_with_them(
    platform: Platform, addresses: dict[str, str], shop: None, tmp_path: Path
) -> None:
    chain, key = pair(HOST)
    (tmp_path / "crt").write_text(chain)
    (tmp_path / "key").write_text(key)
    platform.kubectl("create", "secret", "tls", "cert", f"--cert={tmp_path}/crt", f"--key={tmp_path}/key")
    apply(platform, ingress("shop", HOST, tls=[{"hosts": [HOST], "secretName": "cert"}]))
    for address in addresses.values():
        eventually(lambda address=address: secure(address, chain) == 200)  # type: ignore[misc]
        assert status(address, 80, host=HOST) == 308
    assert [holds(platform, name) for name in NODES] == [True, True, True]
    platform.kubectl("label", "node", "node-2", "drover.dev/edge=")
    eventually(lambda: [holds(platform, name) for name in NODES] == [False, True, False], what="one has it")
    eventually(lambda: reached(platform) == {addresses["node-2"]})
    assert secure(addresses["node-2"], chain) == 200
    eventually(lambda: [bool(proxies(platform, name)) for name in NODES] == [False, True, False])
    platform.kubectl("label", "node", "node-2", "drover.dev/edge-")
    eventually(lambda: secure(addresses["node-1"], chain) == 200)
    platform.kubectl("delete", "secret", "cert")
    eventually(lambda: not any(holds(platform, name) for name in NODES))


def secure(address: str, authority: str) -> int:
    """The answer to a client that trusts this certificate alone."""
    context = ssl.create_default_context(cadata=authority)
    connection = HTTPSConnection(HOST, timeout=3)
    plain = socket.create_connection((address, 443), 3)
    connection.sock = context.wrap_socket(plain, server_hostname=HOST)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def holds(platform: Platform, node: str) -> bool:
    """Whether the node was given the certificate."""
    return (platform.state / "agent" / node / "view" / "secrets" / "default+cert.json").exists()


def test_what_an_edge_node_served_is_served_by_another_when_its_power_is_cut(
    platform: Platform, addresses: dict[str, str], shop: None
) -> None:
    edge = ("node-1", "node-2")
    platform.kubectl("label", "node", *edge, f"{EDGE_LABEL}=")
    apply(platform, ingress("shop", HOST), service("front", type="LoadBalancer", selector={"app": "shop"}))
    eventually(lambda: reached(platform) == {addresses[name] for name in edge}, what="both edge nodes serve it")
    first = eventually(lambda: announcer(platform), what="a node answers for the balancer")
    (other,) = set(edge) - {first}
    balanced = platform.objects("service", "front")[0]["status"]["loadBalancer"]["ingress"][0]["ip"]
    eventually(lambda: status(balanced, 80) == 200 and answers(addresses[first]))
    platform.node(first).cut_power()
    began = time.monotonic()
    try:
        eventually(lambda: reached(platform) == {addresses[other]}, what="the Ingress names the living one alone")
        print(f"the Ingress's status followed within {time.monotonic() - began:.1f} s of the power cut")
        eventually(lambda: announcer(platform) == other, what="the living one answers for the balancer")
        assert answers(addresses[other])
        eventually(lambda: status(balanced, 80, timeout=1) == 200, what="the balancer's address answers again")
        print(f"the balancer's address answered again within {time.monotonic() - began:.1f} s")
        ways = exposed(platform)
        assert ways["ingress/shop"]["addresses"] == [addresses[other]] and "why" not in ways["ingress/shop"]
        assert ways["service/front"]["addresses"] == [balanced] and "why" not in ways["service/front"]
        platform.kubectl("label", "node", other, f"{EDGE_LABEL}-")
        eventually(lambda: exposed(platform)["ingress/shop"].get("addresses", []) == [], what="nobody serves it")
        assert exposed(platform)["ingress/shop"]["why"] == "no edge node is ready"
        nobody = f"no edge node is ready to answer for {balanced}"
        eventually(lambda: exposed(platform)["service/front"].get("why") == nobody)
        assert nobody in platform.kubectl("get", "exposures", "-A")
    finally:
        platform.node(first).switch_on()
        platform.kubectl("label", "node", *edge, f"{EDGE_LABEL}-")
        platform.kubectl("delete", "service", "front")
    eventually(lambda: reached(platform) == set(addresses.values()), within=60, what="all nodes serve it again")


def announcer(platform: Platform) -> str:
    """The node that answers for the balancer's address."""
    name: str = platform.objects("service", "front")[0]["metadata"]["annotations"].get(ANNOUNCED_BY, "")
    return name


def exposed(platform: Platform) -> dict[str, dict[str, Any]]:
    """What is reachable from outside but for node ports, by what opens it."""
    found = [one["spec"] for one in platform.objects("exposures", "-A")]
    return {f"{one['kind'].lower()}/{one['name']}": one for one in found if one["via"] != "NodePort"}


def test_a_host_that_is_taken_is_refused_with_what_to_do(platform: Platform, shop: None) -> None:
    apply(platform, ingress("shop", HOST))
    platform.kubectl("create", "namespace", "bank")
    other = ingress("mine", HOST)
    other["metadata"]["namespace"] = "bank"
    said = platform.kubectl("create", "-f", "-", input=json.dumps(other), check=False)
    assert f'spec.rules[0].host: Invalid value: "{HOST}": is already taken by an Ingress of another namespace' in said
    assert "use another host" in said
    platform.kubectl("delete", "namespace", "bank")
