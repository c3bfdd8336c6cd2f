"""What an edge node is told of Ingresses and their certificates, and every other node is not."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts import policy
from apps.cluster import store, types
from apps.cluster.actors import node
from apps.cluster.hub import Batch
from apps.cluster.kinds import INGRESS, INGRESS_CLASS, NODE, POD, SECRET
from apps.cluster.types import ways
from apps.nodes.closure import Closure
from tests.builders import build
from tests.harness import create, delete, edit
from tests.nodes.test_closure import opened, pod_using, present, said, since

pytestmark = pytest.mark.usefixtures("cluster")
PAIR = {"tls.crt": "", "tls.key": ""}
ALL = (POD, SECRET, INGRESS_CLASS, INGRESS, NODE)


def certificate(name: str = "cert", **changes: Any) -> None:
    create(SECRET, name=name, type=ways.TLS, data=PAIR, **changes)


def ingress(*secrets: str, name: str = "web") -> None:
    create(INGRESS, name=name, spec__tls=[types.IngressTLS(secret_name=secret) for secret in secrets])


def told(number: int, stream: Closure) -> list[str]:
    return said(stream, since(number))


def first_word(on: str = "n1") -> list[str]:
    """Of the kinds that matter here, as a node hears it that has just come. The hub shows it what it may see."""
    stream = Closure(on)
    sights = {each.kind.key: each.visible() for each in stream.scopes() if each.visible is not None}
    there = present(*ALL)
    seen = [
        event for event in there.events
        if event.kind.key not in sights or sights[event.kind.key].holds(event.namespace, event.name)
    ]  # fmt: skip
    batch = Batch(there.number, seen)
    wanted = ("ingresses", "ingressclasses", "secrets")
    return [word for word in said(stream, batch) if word.partition("=")[0] in wanted]


def test_the_edge_is_told_of_every_ingress_and_its_certificates_first() -> None:
    create(INGRESS_CLASS, name="edge")
    certificate()
    certificate("unused")
    create(SECRET, name="login")
    ingress("cert", "login", "missing")
    assert first_word() == ["secrets=cert", "ingressclasses=edge", "ingresses=web"]


def test_where_others_are_the_edge_a_node_is_told_nothing() -> None:
    create(NODE, name="n1")
    create(NODE, name="n2", labels={ways.EDGE_LABEL: "true"})
    create(INGRESS_CLASS, name="edge")
    certificate()
    ingress("cert")
    assert first_word("n1") == ["secrets=", "ingressclasses=", "ingresses="]
    assert first_word("n2") == ["secrets=cert", "ingressclasses=edge", "ingresses=web"]


def test_a_certificate_comes_before_its_ingress_and_goes_with_the_last_that_names_it() -> None:
    stream = opened()
    certificate("old")
    certificate("new")
    number = store.clock()
    ingress("old")
    assert told(number, stream) == ["secrets+old", "ingresses+web", "synced"]
    number = store.clock()
    edit(INGRESS, "web", lambda one: setattr(one.spec, "tls", [types.IngressTLS(secret_name="new")]))
    assert told(number, stream) == ["secrets+new", "ingresses~web", "secrets-old", "synced"]
    number = store.clock()
    delete(INGRESS, "web")
    assert told(number, stream) == ["ingresses-web", "secrets-new", "synced"]


def test_a_pods_secret_stays_when_an_ingress_that_named_it_goes() -> None:
    stream = opened()
    number = store.clock()
    certificate()
    pod_using("pod", "cert")
    ingress("cert")
    told(number, stream)
    number = store.clock()
    delete(INGRESS, "web")
    assert told(number, stream) == ["ingresses-web", "synced"]


def test_an_ingress_draws_no_secret_that_is_no_certificate_and_a_pod_still_gets_it() -> None:
    stream = opened()
    create(SECRET, name="login")
    number = store.clock()
    ingress("login")
    assert told(number, stream) == ["ingresses+web", "synced"]
    number = store.clock()
    edit(SECRET, "login", lambda one: one.metadata.labels.update(a="b"))
    assert told(number, stream) == []
    number = store.clock()
    pod_using("pod", "login")
    assert "secrets+login" in told(number, stream)


def test_a_node_is_told_anew_when_the_edge_moves() -> None:
    create(NODE, name="n1")
    create(NODE, name="n2")
    stream = Closure("n1")
    [each.visible() for each in stream.scopes() if each.visible is not None]
    said(stream, present(*ALL))
    found = [stream.outdated]
    for value in ("true", "false"):
        number = store.clock()
        edit(NODE, "n2", lambda one, value=value: one.metadata.labels.update({ways.EDGE_LABEL: value}))  # type: ignore[misc]
        told(number, stream)
        found.append(stream.outdated)
    assert found == [False, True, False]


ASKED = [
    ("get", "", "secrets", "cert", True, False),
    ("get", "", "secrets", "login", False, False),
    ("get", "", "secrets", "unused", False, False),
    ("update", "", "secrets", "cert", False, False),
    ("list", "networking.k8s.io", "ingresses", "", True, False),
    ("get", "networking.k8s.io", "ingresses", "web", True, False),
    ("get", "networking.k8s.io", "ingressclasses", "edge", True, False),
    ("update", "networking.k8s.io", "ingresses", "web", False, False),
    ("update", "networking.k8s.io", "ingresses/status", "web", False, False),
]


@pytest.mark.parametrize(("verb", "group", "resource", "name", "on_edge", "elsewhere"), ASKED)
def test_an_edge_node_reads_ingresses_and_their_certificates_and_no_other_secret(
    verb: str, group: str, resource: str, name: str, on_edge: bool, elsewhere: bool
) -> None:
    certificate()
    certificate("unused")
    create(SECRET, name="login")
    ingress("cert", "login")
    create(NODE, build(NODE, name="n1", labels={ways.EDGE_LABEL: "true"}))
    plural, _, part = resource.partition("/")
    for who, answer in (("n1", on_edge), ("n2", elsewhere)):
        decision = policy.authorize(node(who), verb, group, plural, part, "default", name)
        assert decision.allowed is answer, f"{who}: {decision.reason}"
    seen = [row.name for row in store.list(SECRET, visible=policy.visible(node("n1"), SECRET)).rows]
    assert seen == ["cert"]
    assert not store.list(SECRET, visible=policy.visible(node("n2"), SECRET)).rows
