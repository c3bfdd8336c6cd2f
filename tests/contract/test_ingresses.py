"""Who has which host and path, judged inside the write; and the class of an Ingress that names none."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import store, types
from apps.cluster.errors import Invalid
from apps.cluster.kinds import INGRESS, INGRESS_CLASS, NAMESPACE
from apps.cluster.types import ways
from tests.agent_edge.objects import backend, rule
from tests.builders import build
from tests.harness import TESTER, create, delete, edit, find

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(autouse=True)
def other_namespace(cluster: None) -> None:
    create(NAMESPACE, name="bank")


def ingress(name: str, *rules: types.IngressRule, **changes: Any) -> types.Ingress:
    made: types.Ingress = build(INGRESS, name=name, **changes)
    made.spec.rules = list(rules)
    created: types.Ingress = create(INGRESS, made)
    return created


def refused(name: str, *rules: types.IngressRule, **changes: Any) -> str:
    with pytest.raises(Invalid) as error:
        ingress(name, *rules, **changes)
    assert find(INGRESS, name, changes.get("namespace", "default")) is None
    return error.value.message


def test_a_host_belongs_to_one_namespace() -> None:
    ingress("first", rule("shop.example.com", "/a"))
    words = refused("second", rule("b.example.com"), rule("shop.example.com", "/b"), namespace="bank")
    assert 'spec.rules[1].host: Invalid value: "shop.example.com": is already taken by an Ingress of another' in words
    assert "use another host" in words
    assert "first" not in words and "default" not in words, "whose it is, is nobody else's business"
    ingress("second", rule("*.example.com"), namespace="bank")


@pytest.mark.parametrize("path", ["/a", "/a/"])
def test_a_path_of_a_host_belongs_to_one_ingress(path: str) -> None:
    ingress("first", rule("shop.example.com", "/a", "=/exact"))
    words = refused("second", rule("shop.example.com", path))
    assert 'spec.rules[0].host: Invalid value: "shop.example.com/a": is already taken by ingress "first"' in words
    ingress("third", rule("shop.example.com", "/b", "=/a", "/exact"))


def test_what_nobody_names_belongs_to_one_ingress_too() -> None:
    ingress("first", spec__default_backend=backend("web"))
    assert "spec.defaultBackend" in refused("second", spec__default_backend=backend("web"))
    assert 'spec.rules[0].host: Invalid value: "*"' in refused("third", rule(""), namespace="bank")


def test_an_ingress_may_be_written_again_and_what_it_leaves_is_free() -> None:
    ingress("first", rule("shop.example.com"))
    edit(INGRESS, "first", lambda one: one.metadata.labels.update(a="b"))
    edit(INGRESS, "first", lambda one: setattr(one.spec, "rules", [rule("moved.example.com")]))
    ingress("second", rule("shop.example.com"), namespace="bank")
    with pytest.raises(Invalid, match="already taken"):
        edit(INGRESS, "first", lambda one: one.spec.rules.append(rule("shop.example.com")))
    delete(INGRESS, "second", "bank")
    edit(INGRESS, "first", lambda one: one.spec.rules.append(rule("shop.example.com")))


def test_other_classes_are_other_worlds() -> None:
    ingress("first", rule("shop.example.com"), spec__ingress_class_name="edge")
    ingress("second", rule("shop.example.com"), spec__ingress_class_name="nginx", namespace="bank")
    with pytest.raises(Invalid, match="already taken"):
        edit(INGRESS, "second", lambda one: setattr(one.spec, "ingress_class_name", "edge"), "bank")


def test_who_names_no_class_gets_the_default_one_when_it_is_made() -> None:
    assert ingress("early", rule("early.example.com")).spec.ingress_class_name is None
    create(INGRESS_CLASS, name="edge", annotations={ways.DEFAULT_CLASS: "true"})
    create(INGRESS_CLASS, name="a-plain-one")
    assert ingress("late", rule("late.example.com")).spec.ingress_class_name == "edge"
    assert edit(INGRESS, "early", lambda one: one.metadata.labels.update(a="b")).spec.ingress_class_name is None
    old = ingress("old", rule("old.example.com"), annotations={ways.CLASS_ANNOTATION: "nginx"})
    assert old.spec.ingress_class_name is None


def test_a_dry_run_is_judged_and_claims_nothing() -> None:
    made = build(INGRESS, name="dry")
    store.write(TESTER, lambda tx: tx.create(INGRESS, made), dry_run=True)
    ingress("real", *made.spec.rules, namespace="bank")
