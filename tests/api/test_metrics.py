"""metrics.k8s.io: what agents sampled, as kubectl top and others read it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.accounts import tokens
from apps.api import metrics
from apps.cluster import store, types
from apps.cluster.kinds import NODE, POD
from apps.cluster.types import agent
from apps.cluster.work import in_db
from apps.nodes import samples
from tests.api.doors import Door
from tests.api.test_contract import TABLE, created, place

NODES, PODS = "/apis/metrics.k8s.io/v1beta1/nodes", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"
USED = agent.Samples(
    window=10.0, cpu=1_500_000_000, memory=2**30,
    containers=[
        agent.ContainerSample(namespace="default", pod="p", name="b", cpu=-5, memory=2048),
        agent.ContainerSample(namespace="default", pod="p", name="a", cpu=7, memory=1024),
        agent.ContainerSample(namespace="default", pod="not-here", name="a", cpu=7, memory=1024),
    ],
)  # fmt: skip


@pytest.fixture
async def measured(door: Door) -> None:
    await created(door, NODE, "n")
    await created(door, POD, "p")
    await created(door, POD, "not-here")
    await door.ask("POST", place(POD, "p") + "/binding", {"target": {"name": "n"}})
    before = await in_db(store.clock)
    await in_db(samples.write, {"n": USED}, types.now())
    assert await in_db(store.clock) == before


@pytest.mark.usefixtures("measured")
async def test_nodes_and_pods_are_listed_with_their_use(door: Door) -> None:
    (node,) = (await door.ask("GET", NODES)).data["items"]
    assert (node["kind"], node["usage"]) == ("NodeMetrics", {"cpu": "1500000000n", "memory": "1048576Ki"})
    (pod,) = (await door.ask("GET", PODS)).data["items"]
    assert pod["metadata"]["name"] == "p"
    assert pod["containers"] == [
        {"name": "a", "usage": {"cpu": "7n", "memory": "1Ki"}},
        {"name": "b", "usage": {"cpu": "0n", "memory": "2Ki"}},
    ]
    assert (await door.ask("GET", f"{PODS}/p")).data["window"] == "10s"
    for path, cells in ((PODS, ["p", "7n", "3Ki", "10s"]), (NODES, ["n", "1500000000n", "1048576Ki", "10s"])):
        table = (await door.ask("GET", path, headers=TABLE)).data
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Cpu", "Memory", "Window"]
        assert [row["cells"] for row in table["rows"]] == [cells]
    everywhere = (await door.ask("GET", "/apis/metrics.k8s.io/v1beta1/pods?labelSelector=app%3Dnone")).data
    assert (everywhere["kind"], everywhere["items"]) == ("PodMetricsList", [])


@pytest.mark.usefixtures("measured")
async def test_what_was_not_measured_lately_is_not_there(door: Door) -> None:
    assert (await door.ask("GET", f"{PODS}/not-here")).code == 404
    await in_db(samples.write, {"n": USED}, types.now() - 2 * samples.STALE)
    assert (await door.ask("GET", NODES)).data["items"] == []
    await in_db(samples.write, {"other": USED}, types.now() + timedelta(minutes=30))
    assert [used.node for used in await in_db(samples.latest, types.now())] == ["other"]


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", NODES, 405),
        ("DELETE", f"{PODS}/p", 405),
        ("GET", "/apis/metrics.k8s.io/v1/nodes", 404),
        ("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/default/nodes", 404),
        ("GET", "/apis/metrics.k8s.io/v1beta1/pods/p", 404),
        ("GET", "/apis/metrics.k8s.io/v1beta1/colours", 404),
        ("GET", f"{PODS}?labelSelector=%3D", 400),
        ("GET", f"{PODS}?fieldSelector=spec.colour%3Dred", 400),
    ],
)
async def test_only_reading_what_there_is(door: Door, method: str, path: str, code: int) -> None:
    assert (await door.ask(method, path)).code == code


@pytest.mark.usefixtures("measured")
async def test_who_has_no_role_reads_nothing(door: Door) -> None:
    door.token = await in_db(tokens.issue, "nobody", ["system:authenticated"])
    assert (await door.ask("GET", NODES)).code == 403


async def test_discovery_lists_the_group(door: Door) -> None:
    groups = (await door.ask("GET", "/apis")).data["groups"]
    assert metrics.GROUP in [group["name"] for group in groups]
    resources = (await door.ask("GET", "/apis/metrics.k8s.io/v1beta1")).data["resources"]
    assert [(each["name"], each["kind"], each["namespaced"]) for each in resources] == [
        ("nodes", "NodeMetrics", False),
        ("pods", "PodMetrics", True),
    ]
