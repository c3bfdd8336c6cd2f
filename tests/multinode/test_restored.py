"""Whatever somebody does to the packet filter or the engine of a node: within ten seconds its services are as they
were, with either backend, and clients of the other nodes notice nothing."""

import re
import signal
import time
from collections.abc import Iterator

import pytest

from node_agent.names import Names
from node_agent.proxy.backends import IPTABLES, NFTABLES, SETTING
from tests.asking import Client, apply, node_port, service, status, web
from tests.multinode.conftest import NETWORK
from tests.platform import Platform, eventually, running

pytestmark = [pytest.mark.docker, pytest.mark.kubectl, pytest.mark.timeout(600)]

SOON = 10.0
OTHERS, HIT = ("node-1", "node-2"), "node-3"
ENGINE_SECONDS = 60
LISTS = (["iptables-save"], ["iptables-legacy-save"], ["nft", "--stateless", "list", "ruleset"])
RELOADS = {
    "filter": ["iptables -F"],
    "translation": ["iptables -t nat -F", "iptables-legacy -t nat -F"],
    "the older tables": ["iptables-legacy -F", "iptables-legacy -t nat -F", "iptables-legacy -t nat -X"],
    "everything": ["nft flush ruleset", "iptables-legacy -F", "iptables-legacy -t nat -F"],
}


@pytest.fixture(scope="module", params=[IPTABLES, NFTABLES])
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    """Three nodes that write rules one way; ``far`` has its pods on two of them, ``near`` on the one that is hit."""
    with running(nodes=3, NODE_CIDR=NETWORK, **{SETTING: request.param}) as platform:
        for name, count, nodes in (("far", 4, OTHERS), ("near", 1, (HIT,))):
            made = web(name, count)
            terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [*nodes]}]}]
            required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
            made["spec"]["template"]["spec"]["affinity"] = {"nodeAffinity": required}
            apply(platform, made, service(name))
            platform.ready_pods(f"app={name}", count, within=120)
        for node in (*OTHERS, HIT):
            for name in ("far", "near"):
                eventually(lambda name=name, node=node: answers(platform, name, node), what=f"{name} at {node}")  # type: ignore[misc]
        yield platform


def answers(platform: Platform, name: str, node: str) -> bool:
    return status(platform.node(node).address, node_port(platform, name), timeout=1) == 200


def rules(platform: Platform) -> list[str]:
    """Ours on the node that is hit, in the words of each list, without what counts or moves."""
    node, names = platform.node(HIT), Names.of(platform.state / "agents" / HIT)
    told = "\n".join(node.run(*command) for command in LISTS)
    # The kernel fills the sets of clients; iptables' own chains are listed a second time by nft, with counters.
    table = re.findall(rf"^table ip drover{names.instance} \{{.*?^\}}", told, re.MULTILINE | re.DOTALL)
    return sorted({line for line in told.splitlines() if line[:2] in {"-A", "-I"} and names.chain("") in line}) + table


def restored(platform: Platform, before: list[str]) -> bool:
    return rules(platform) == before and all(answers(platform, name, HIT) for name in ("far", "near"))


@pytest.mark.parametrize("what", RELOADS)
def test_a_firewall_that_is_emptied_is_filled_again(platform: Platform, what: str) -> None:
    before, node, port = rules(platform), platform.node(HIT), node_port(platform, "far")
    with Client(*((platform.node(each).address, port) for each in OTHERS)).asking() as seen:
        began = time.monotonic()
        for command in RELOADS[what]:
            node.run(*command.split())
        eventually(lambda: restored(platform, before), within=SOON, what="everything is as it was")
        took = time.monotonic() - began
        eventually(lambda: answers(platform, "near", OTHERS[0]), what="its pod is reached from elsewhere")
    print(f"{what} emptied: as before after {took:.1f} s; elsewhere {seen.asked} requests, {len(seen.failures)} failed")
    assert seen.failures == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_that_ends_takes_no_service_along(platform: Platform, how: signal.Signals) -> None:
    """Its pods end with it and are started again; the node goes on leading to those of others."""
    before, node, port = rules(platform), platform.node(HIT), node_port(platform, "far")
    engine, machine = node.run("cat", "/run/docker.pid"), node.pid
    with Client(*((platform.node(each).address, port) for each in (*OTHERS, HIT))).asking() as seen:
        node.end_engine(how)
        began = time.monotonic()
        eventually(lambda: node.run("cat", "/run/docker.pid", check=False) != engine, what="another engine")
        eventually(
            lambda: answers(platform, "near", HIT) and answers(platform, "near", OTHERS[0]),
            within=ENGINE_SECONDS, what="its pod serves again",
        )  # fmt: skip
        took = time.monotonic() - began
        eventually(lambda: rules(platform) == before, within=SOON, what="everything is as it was")
    print(f"{how.name}: its pod served after {took:.1f} s; {seen.asked} requests, {len(seen.failures)} failed")
    assert seen.failures == [] and node.pid == machine
