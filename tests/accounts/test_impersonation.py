"""Acting as someone else: only with a role for each part of that identity, and the log says who it really was."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts import impersonation, roles
from apps.cluster import store, types
from apps.cluster.actors import Actor, node, system
from apps.cluster.errors import BadRequest, Forbidden
from apps.cluster.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING

ROOT = Actor("root", frozenset({"system:masters"}))
ANN = Actor("ann", frozenset({"system:authenticated"}))
ROBOT = "system:serviceaccount:shop:robot"


def put(kind: Any, obj: Any) -> None:
    store.write(system("test"), lambda tx: tx.create(kind, obj))


@pytest.fixture
def ann_may(cluster: None) -> None:
    """Ann may be bob, the robot, and of the group dev; nobody else."""
    rules = [
        types.PolicyRule(verbs=["impersonate"], api_groups=[""], resources=[resource], resource_names=[name])
        for resource, name in (("users", "bob"), ("serviceaccounts", "robot"), ("groups", "dev"))
    ]
    meta = types.ObjectMeta(name="actors")
    put(CLUSTER_ROLE, types.ClusterRole(metadata=meta, rules=rules))
    put(
        CLUSTER_ROLE_BINDING,
        types.ClusterRoleBinding(
            metadata=meta,
            role_ref=types.RoleRef(api_group=roles.RBAC, kind="ClusterRole", name="actors"),
            subjects=[types.Subject(kind="User", name="ann", api_group=roles.RBAC)],
        ),
    )


@pytest.mark.parametrize(
    ("headers", "name", "groups"),
    [
        ({}, "ann", {"system:authenticated"}),
        ({"Impersonate-User": "bob"}, "bob", {"system:authenticated"}),
        ({"impersonate-user": "bob", "impersonate-group": "dev"}, "bob", {"dev", "system:authenticated"}),
        (
            {"Impersonate-User": ROBOT},
            ROBOT,
            {"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"},
        ),
    ],
    ids=["nobody else", "a user", "a user of a group", "a service account"],
)
def test_who_may_be_somebody_is(ann_may: None, headers: dict[str, str], name: str, groups: set[str]) -> None:
    found = impersonation.acting(ANN, headers)
    assert (found.name, set(found.groups)) == (name, groups)
    assert found.signature == (f"{name} (by ann)" if headers else "ann")


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({"Impersonate-User": "eve"}, 'users "eve"'),
        ({"Impersonate-User": "bob", "Impersonate-Group": "dev,system:masters"}, 'groups "system:masters"'),
        ({"Impersonate-User": "bob", "Impersonate-Uid": "7"}, 'uids "7"'),
        ({"Impersonate-User": "system:serviceaccount:shop:other"}, 'serviceaccounts "other"'),
        ({"Impersonate-User": "system:node:n1", "Impersonate-Group": "system:nodes"}, 'users "system:node:n1"'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_part_of_an_identity_needs_a_role(ann_may: None, headers: dict[str, str], what: str) -> None:
    with pytest.raises(Forbidden, match=f'{what} is forbidden: User "ann" cannot impersonate'):
        impersonation.acting(ANN, headers)
    impersonation.acting(ROOT, headers)


def test_a_node_acts_for_itself_alone(cluster: None) -> None:
    with pytest.raises(Forbidden):
        impersonation.acting(node("n1"), {"Impersonate-User": "system:node:n2", "Impersonate-Group": "system:nodes"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Impersonate-Group": "dev"},
        {"Impersonate-User": " "},
        {"Impersonate-User": "a\x01"},
        {"Impersonate-User": "a" * 201},
        {"Impersonate-User": "a", "Impersonate-Group": ",".join(map(str, range(51)))},
        {"Impersonate-User": "a", "Impersonate-Extra-Scopes": "b"},
    ],
    ids=["no user", "blank", "unprintable", "long", "many groups", "extra"],
)
def test_what_makes_no_identity_is_refused_by_name(headers: dict[str, str]) -> None:
    with pytest.raises(BadRequest, match="(?i)impersonate-"):
        impersonation.acting(ROOT, headers)
