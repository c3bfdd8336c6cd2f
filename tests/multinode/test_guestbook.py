"""The articles' guestbook on three nodes: its page on every node, and what restarting the platform leaves running."""

from collections.abc import Iterator
from functools import partial
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.calm import Stopwatch
from tests.platform import EXAMPLES, Platform, containers, eventually

pytestmark = [pytest.mark.docker, pytest.mark.kubectl]

IN_ORDER = (
    "redis-master-controller", "redis-master-service", "redis-slave-controller",
    "redis-slave-service", "frontend-controller", "frontend-service-nodeport",
)  # fmt: skip
NODES = ("node-1", "node-2", "node-3")
SELECTOR = "name in (redis-master,redis-slave,frontend)"


@pytest.fixture(scope="module")
def guestbook(platform: Platform) -> Iterator[Platform]:
    for name in IN_ORDER:
        platform.kubectl("create", "-f", str(EXAMPLES / f"guestbook/{name}.yaml"))
    platform.ready_pods(SELECTOR, 6)
    yield platform
    platform.kubectl("delete", "rc,service", "redis-master", "redis-slave", "frontend", "--ignore-not-found", "--wait")


def page(platform: Platform, node: str) -> str:
    with urlopen(f"http://{platform.node(node).address}:30061/", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def says(platform: Platform, node: str, words: str) -> bool:
    return words in page(platform, node)


def test_it_spreads_over_the_nodes(guestbook: Platform) -> None:
    assert {pod["spec"]["nodeName"] for pod in guestbook.pods(SELECTOR)} == set(NODES)


def test_a_message_left_at_one_node_is_read_at_every_node(guestbook: Platform) -> None:
    eventually(lambda: "<form" in page(guestbook, "node-1"), what="the page")
    place = f"http://{guestbook.node('node-1').address}:30061/"
    with urlopen(place, data=urlencode({"message": "hello, three nodes"}).encode(), timeout=5) as answer:
        assert answer.status == 200
    for node in NODES:
        eventually(partial(says, guestbook, node, "hello, three nodes"), what=node)


def test_the_node_port_answers_also_where_no_pod_of_the_service_runs(guestbook: Platform) -> None:
    guestbook.kubectl("scale", "rc", "frontend", "--replicas=1")
    (left,) = guestbook.ready_pods("name=frontend", 1)
    for node in NODES:
        eventually(
            partial(page, guestbook, node), what=f"{node}, while the pod is on {left['spec']['nodeName']}"
        )
    guestbook.kubectl("scale", "rc", "frontend", "--replicas=3")
    guestbook.ready_pods("name=frontend", 3)


def test_a_second_up_adopts_every_machine_and_every_container(guestbook: Platform) -> None:
    before = containers(guestbook.ready_pods(SELECTOR, 6))
    processes = {node: guestbook.node(node).pid for node in NODES}
    ending = Stopwatch()
    guestbook.stop()
    assert ending.calm < 10
    assert "<form" in page(guestbook, "node-2"), "the page went with the platform"
    guestbook.start(nodes=3)
    assert containers(guestbook.ready_pods(SELECTOR, 6)) == before
    assert {node: guestbook.node(node).pid for node in NODES} == processes
