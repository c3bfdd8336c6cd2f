"""Nobody can give, to themselves or to others, what they do not hold; and the cluster's own things stay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts import bootstrap, roles
from apps.accounts.escalation import uncovered
from apps.accounts.rules import Ask, Rule
from apps.cluster import store, types
from apps.cluster.actors import Actor, system
from apps.cluster.errors import Forbidden, NotFound
from apps.cluster.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    NAMESPACE,
    ROLE,
    ROLE_BINDING,
    SERVICE,
)
from apps.cluster.registry import Kind
from tests.builders import build

ANA = Actor("ana", frozenset({"system:authenticated"}))
ROOT = Actor("root", frozenset({"system:masters"}))
SECRETS = types.PolicyRule(verbs=["get"], api_groups=[""], resources=["secrets"])
NODES = types.PolicyRule(verbs=["get"], api_groups=[""], resources=["nodes"])
ALL = types.PolicyRule(verbs=["*"], api_groups=["*"], resources=["*"])


@pytest.fixture
def ruled(cluster: None) -> None:
    """Ana is the admin of the namespace shop, and nobody elsewhere."""
    bootstrap._ensure_objects(bootstrap._first_objects())
    put(ROOT, NAMESPACE, build(NAMESPACE, name="shop"))
    put(ROOT, ROLE_BINDING, binding("RoleBinding", "admin"))


def put(actor: Actor, kind: Kind, obj: Any) -> Any:
    return store.write(actor, lambda tx: tx.create(kind, obj))


def change(actor: Actor, kind: Kind, obj: Any) -> Any:
    obj.metadata.resource_version = ""
    return store.write(actor, lambda tx: tx.update(kind, obj))


def role(*rules: types.PolicyRule, name: str = "r") -> types.Role:
    return types.Role(metadata=types.ObjectMeta(name=name, namespace="shop"), rules=list(rules))


def binding(kind: str, role: str, role_kind: str = "ClusterRole", user: str = "ana") -> Any:
    made = types.RoleBinding if kind == "RoleBinding" else types.ClusterRoleBinding
    return made(
        metadata=types.ObjectMeta(name=f"{role}-{user}", namespace="shop" if kind == "RoleBinding" else ""),
        role_ref=types.RoleRef(api_group=roles.RBAC, kind=role_kind, name=role),
        subjects=[types.Subject(kind="User", name=user, api_group=roles.RBAC)],
    )


@pytest.mark.usefixtures("ruled")
class TestRoles:
    def test_what_one_holds_one_may_pass_on(self) -> None:
        assert put(ANA, ROLE, role(SECRETS))
        assert put(ANA, ROLE_BINDING, binding("RoleBinding", "r", "Role", "bob"))
        assert put(ANA, ROLE_BINDING, binding("RoleBinding", "edit", user="bob"))

    @pytest.mark.parametrize("rule", [NODES, ALL], ids=["nodes", "all"])
    def test_a_role_with_more_is_refused(self, rule: types.PolicyRule) -> None:
        with pytest.raises(Forbidden) as refused:
            put(ANA, ROLE, role(SECRETS, rule))
        assert 'user "ana" (groups=["system:authenticated"]) is attempting to grant' in refused.value.message
        assert "secrets" not in refused.value.message

    def test_an_update_is_no_way_around(self) -> None:
        made = put(ANA, ROLE, role(SECRETS))
        made.rules = [ALL]
        with pytest.raises(Forbidden, match="not currently held"):
            change(ANA, ROLE, made)

    def test_labels_of_a_role_that_holds_more_may_change(self) -> None:
        made = put(ROOT, ROLE, role(NODES))
        made.metadata.labels["seen"] = "1"
        assert change(ANA, ROLE, made).metadata.labels == {"seen": "1"}

    def test_a_cluster_role_needs_rights_everywhere(self) -> None:
        wide = types.ClusterRole(metadata=types.ObjectMeta(name="wide"), rules=[SECRETS])
        with pytest.raises(Forbidden, match="not currently held"):
            put(ANA, CLUSTER_ROLE, wide)
        assert put(system("test"), CLUSTER_ROLE, wide)

    @pytest.mark.parametrize("name", ["cluster-admin", "system:node"])
    def test_a_role_with_more_is_not_bound(self, name: str) -> None:
        with pytest.raises(Forbidden, match="not currently held"):
            put(ANA, ROLE_BINDING, binding("RoleBinding", name))

    def test_a_binding_for_all_namespaces_needs_the_rights_in_all(self) -> None:
        with pytest.raises(Forbidden, match="not currently held"):
            put(ANA, CLUSTER_ROLE_BINDING, binding("ClusterRoleBinding", "view"))

    def test_a_role_that_is_not_there_is_not_bound(self) -> None:
        with pytest.raises(NotFound):
            put(ANA, ROLE_BINDING, binding("RoleBinding", "later"))
        assert put(ROOT, ROLE_BINDING, binding("RoleBinding", "later"))

    def test_another_subject_counts_as_giving(self) -> None:
        made = put(ROOT, ROLE_BINDING, binding("RoleBinding", "cluster-admin", user="bob"))
        made.subjects = [*made.subjects, types.Subject(kind="User", name="ana", api_group=roles.RBAC)]
        with pytest.raises(Forbidden, match="not currently held"):
            change(ANA, ROLE_BINDING, made)

    @pytest.mark.parametrize("verb", ["escalate", "bind"])
    def test_the_verbs_for_it_lift_the_rule(self, verb: str) -> None:
        plurals = ["roles", "clusterroles"]
        lifting = types.PolicyRule(verbs=[verb], api_groups=[roles.RBAC], resources=plurals)
        put(ROOT, ROLE, role(lifting, name="lifting"))
        put(ROOT, ROLE_BINDING, binding("RoleBinding", "lifting", "Role"))
        if verb == "escalate":
            assert put(ANA, ROLE, role(ALL))
        else:
            assert put(ANA, ROLE_BINDING, binding("RoleBinding", "cluster-admin"))

    def test_two_objects_in_one_write_are_each_held_to_it(self) -> None:
        def both(tx: Any) -> None:
            tx.create(ROLE, role(SECRETS))
            tx.create(ROLE_BINDING, binding("RoleBinding", "cluster-admin"))

        before = store.clock()
        with pytest.raises(Forbidden):
            store.write(ANA, both)
        assert store.clock() == before


@pytest.mark.usefixtures("ruled")
@pytest.mark.parametrize(
    ("kind", "namespace", "name"),
    [(NAMESPACE, "", "default"), (NAMESPACE, "", "kube-system"), (SERVICE, "default", "kubernetes"),
     (SERVICE, "kube-system", "kube-dns")],
)
def test_the_clusters_own_things_are_not_deleted(kind: Kind, namespace: str, name: str) -> None:
    for actor in (ROOT, system("controller:gc")):
        with pytest.raises(Forbidden, match="may not be deleted"):
            store.write(actor, lambda tx: tx.delete(kind, namespace, name))
    assert store.get(kind, namespace, name).object.metadata.deletion_timestamp is None


WORDS = {
    "verbs": ["get", "list", "*"],
    "api_groups": ["", "apps", "*"],
    "resources": ["pods", "pods/log", "*/log", "*"],
    "resource_names": ["a", "b"],
}


def some(field: str, least: int = 1) -> Any:
    return st.lists(st.sampled_from(WORDS[field]), min_size=least, max_size=2, unique=True)


RULES = st.builds(
    types.PolicyRule,
    verbs=some("verbs"),
    api_groups=some("api_groups"),
    resources=some("resources"),
    resource_names=some("resource_names", 0),
)


def prepared(rule: types.PolicyRule) -> Rule:
    return Rule(
        frozenset(rule.verbs), frozenset(rule.api_groups), frozenset(rule.resources),
        frozenset(rule.resource_names), tuple(rule.non_resource_urls), "test",
    )  # fmt: skip


@given(st.lists(RULES, max_size=3), RULES)
def test_what_is_covered_grants_nothing_new(held: list[types.PolicyRule], wanted: types.PolicyRule) -> None:
    """A rule passes only if every question it answers with yes was answered so before."""
    rules = [prepared(rule) for rule in held]
    if [*uncovered(rules, wanted)]:
        return
    asks = [
        Ask(verb, group, "pods", subresource, "", name)
        for verb in ("get", "list", "delete")
        for group in ("", "apps", "batch")
        for subresource in ("", "log", "exec")
        for name in ("", "a", "b", "c")
    ]
    assert all(any(rule.covers(ask) for rule in rules) for ask in asks if prepared(wanted).covers(ask))


@given(RULES)
def test_everyone_covers_what_they_hold(rule: types.PolicyRule) -> None:
    assert not [*uncovered([prepared(rule)], rule)]


def test_a_rule_too_wide_to_look_through_is_refused() -> None:
    many = [f"x{number}" for number in range(300)]
    wide = types.PolicyRule(verbs=["get"], api_groups=many, resources=many)
    assert [*uncovered([prepared(SECRETS)], wide)] == [wide]
