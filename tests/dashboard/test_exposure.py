"""What is reachable from outside, as a page: who opened it, where, for whom, and whether anything answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.cluster import store, types
from apps.cluster.exposure import Exposure
from apps.cluster.kinds import INGRESS, INGRESS_CLASS, NAMESPACE, NODE, POD, SERVICE
from apps.cluster.types.agent import EDGE_UNAVAILABLE
from apps.dashboard import exposed
from node_agent.edge.trouble import MISSING
from tests.agent_edge.objects import EDGE, ingress, rule
from tests.browser import sample, sample_apps
from tests.builders import build


def rows(client: Client, query: str = "") -> list[str]:
    """The table's rows as text, white space made even."""
    answer = client.get(f"/exposure{query}")
    assert answer.status_code == 200
    body = answer.content.decode().partition("<tbody data-rows>")[2].partition("</tbody>")[0]
    return [" ".join(row.split()) for row in body.split("<tr ")[1:]]


@pytest.fixture
def opened(sampled: None) -> None:
    """A node port of an application, a balancer with sources, a pod with a port of its machine."""
    sample_apps.applications()
    sample.make(SERVICE, build(
        SERVICE, name="edge", spec__type="LoadBalancer", spec__load_balancer_source_ranges=["10.0.0.0/8"],
        spec__ports=[types.ServicePort(port=443, target_port=8443, protocol="TCP")],
    ))  # fmt: skip
    open_ = types.ObjectMeta(name="open", labels={"drover.dev/host-ports": "allowed"})
    sample.make(NAMESPACE, types.Namespace(metadata=open_))
    pod: Any = build(POD, name="dns", namespace="open")
    pod.spec.containers[0].ports = [types.ContainerPort(container_port=53, host_port=5353, protocol="UDP")]
    sample.make(POD, pod)
    sample.run("dns", "drover-1", 9, "open")


def test_every_way_in_is_a_row(admin: Client, opened: None) -> None:
    vias = ("NodePort", "LoadBalancer", "HostPort")
    told = {
        (row.partition("data-row>")[2].partition("<")[0], via)
        for row in rows(admin) for via in vias if f">{via}<" in row
    }  # fmt: skip
    assert told >= {
        ("edge", "LoadBalancer"), ("edge", "NodePort"), ("dns", "HostPort"), ("book-web-public", "NodePort"),
    }  # fmt: skip


def test_a_node_port_is_opened_where_it_answers(admin: Client, opened: None) -> None:
    """By this page's own host while this machine is a node; a control plane alone has no node port."""
    assert 'href="http://testserver:30714/"' in rows(admin, "?q=book-web-public")[0]

    def move(node: types.Node) -> None:
        node.status.addresses = [types.NodeAddress(type="InternalIP", address=f"203.0.113.{node.metadata.name[-1]}")]

    for each in store.list(NODE).objects:
        sample.edit(NODE, each, move)
    (away,) = rows(admin, "?q=book-web-public")
    assert 'href="http://203.0.113.1:30714/"' in away and "testserver:" not in away
    assert 'href="http://203.0.113.1:30714/"' in admin.get("/kinds/services/default/book-web-public").content.decode()


def test_a_row_says_whose_it_is_for_whom_and_whether_anything_answers(admin: Client, opened: None) -> None:
    (mine,) = rows(admin, "?q=book-web-public")
    assert '<a href="/apps/default/book">book</a>' in mine and "everybody" in mine and "nobody" in mine
    balanced = next(row for row in rows(admin, "?q=edge") if ">LoadBalancer<" in row)
    assert "10.0.0.0/8" in balanced and "no address yet" in balanced
    (port,) = rows(admin, "?q=5353")
    assert "1 of 1" in port and ":5353/UDP" in port
    (front,) = [row for row in rows(admin, "?q=frontend") if ">frontend<" in row]
    assert "3 of 3" in front


def test_an_ingress_that_no_node_can_serve_is_a_row_that_says_what_to_do(admin: Client, opened: None) -> None:
    def stop(node: types.Node) -> None:
        node.status.conditions.append(types.Condition(EDGE_UNAVAILABLE, "True", *MISSING))

    for each in store.list(NODE).objects:
        sample.edit(NODE, each, stop)
    if store.find(INGRESS_CLASS, "", "edge") is None:
        sample.make(INGRESS_CLASS, EDGE)
    sample.make(INGRESS, ingress(rule("a.example.com")))
    (row,) = rows(admin, "?q=apt-get")
    assert "no address yet" in row and "install it (apt-get install caddy)" in row and ">Ingress<" in row


@pytest.mark.parametrize(("ready", "total", "tone"), [(0, 3, "bad"), (2, 3, "warn"), (3, 3, "ok")])
def test_how_many_answer_is_word_and_colour(ready: int, total: int, tone: str) -> None:
    way = Exposure(
        via="NodePort", kind="Service", namespace="default", name="web", addresses=[], port=30080, protocol="TCP",
        target="web:80",
        services=["web"],
    )  # fmt: skip
    found = exposed.answer_of(way, {("default", "web"): (ready, total)}, {})
    assert found.look.tone == tone
    assert found.word == (f"{ready} of {total}" if ready else "nobody")


def test_each_sees_only_what_is_theirs(tenant: Client, opened: None) -> None:
    assert "book-web-public" not in tenant.get("/exposure").content.decode()


def test_a_page_without_ways_in_says_how_one_is_opened(admin: Client) -> None:
    store.write(sample.WRITER, lambda tx: tx.delete(SERVICE, "default", "frontend"))
    assert "kubectl expose" in admin.get("/exposure").content.decode()


def test_the_number_of_queries_does_not_grow(admin: Client, opened: None, django_assert_max_num_queries: Any) -> None:
    admin.get("/exposure")
    for number in range(20):
        sample.make(SERVICE, build(SERVICE, name=f"more-{number}", spec__type="NodePort"))
    with django_assert_max_num_queries(16):
        admin.get("/exposure", headers={"HX-Request": "true"})
