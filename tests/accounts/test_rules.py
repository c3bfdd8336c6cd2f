"""What a set of roles and bindings means: tables, and properties over random ones. No database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts import scope
from apps.accounts.rules import Ask, Book
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.kinds import CLUSTER_ROLE, NAMESPACE, NODE, POD, SECRET
from apps.cluster.registry import Kind

RBAC = "rbac.authorization.k8s.io"
ANA = Actor("ana", frozenset({"dev", "system:authenticated"}))


def rule(verbs: str, resources: str, names: str = "", groups: str = "") -> types.PolicyRule:
    return types.PolicyRule(
        verbs=verbs.split(), api_groups=groups.split(",") if groups else [""], resources=resources.split(),
        resource_names=names.split(),
    )  # fmt: skip


def local(*rules: types.PolicyRule, namespace: str = "shop", subject: str = "User ana") -> Book:
    """A role in one namespace, bound there."""
    kind, name = subject.split()
    meta = types.ObjectMeta(name="r", namespace=namespace)
    ref = types.RoleRef(api_group=RBAC, kind="Role", name="r")
    binding = types.RoleBinding(metadata=meta, role_ref=ref, subjects=[types.Subject(kind=kind, name=name)])
    return Book(roles=[types.Role(metadata=meta, rules=list(rules))], bindings=[binding])


def everywhere(*rules: types.PolicyRule, subject: str = "User ana") -> Book:
    """A cluster role, bound for the whole cluster."""
    kind, name = subject.split()
    meta = types.ObjectMeta(name="r")
    ref = types.RoleRef(api_group=RBAC, kind="ClusterRole", name="r")
    binding = types.ClusterRoleBinding(
        metadata=meta, role_ref=ref, subjects=[types.Subject(kind=kind, name=name)]
    )
    return Book(
        cluster_roles=[types.ClusterRole(metadata=meta, rules=list(rules))], cluster_bindings=[binding]
    )


def may(book: Book, verb: str, resource: str, namespace: str = "", name: str = "", group: str = "") -> bool:
    plural, _, sub = resource.partition("/")
    return book.grant(ANA, Ask(verb, group, plural, sub, namespace, name)) is not None


READER = local(rule("get list", "pods"))


@pytest.mark.parametrize(
    ("book", "question", "answer"),
    [
        (Book(), ("get", "pods", "shop"), False),
        (READER, ("get", "pods", "shop", "x"), True),
        (READER, ("delete", "pods", "shop", "x"), False),
        (READER, ("get", "services", "shop", "x"), False),
        (READER, ("get", "pods", "other", "x"), False),
        (READER, ("list", "pods", ""), False),
        (READER, ("get", "pods/log", "shop", "x"), False),
        (READER, ("get", "pods", "shop", "x", "apps"), False),
        (local(rule("get", "pods/log")), ("get", "pods/log", "shop", "x"), True),
        (local(rule("get", "pods/log")), ("get", "pods", "shop", "x"), False),
        (local(rule("get", "*/log")), ("get", "pods/log", "shop", "x"), True),
        (local(rule("get", "*/log")), ("get", "pods/exec", "shop", "x"), False),
        (local(rule("*", "*", groups="*")), ("delete", "anything/at-all", "shop", "x", "apps"), True),
        (local(rule("*", "*", groups="*")), ("delete", "pods", "other", "x"), False),
        (local(rule("get", "pods", "x y")), ("get", "pods", "shop", "y"), True),
        (local(rule("get", "pods", "x y")), ("get", "pods", "shop", "z"), False),
        (local(rule("list", "pods", "x")), ("list", "pods", "shop"), False),
        (local(rule("get", "pods"), subject="Group dev"), ("get", "pods", "shop", "x"), True),
        (local(rule("get", "pods"), subject="Group ops"), ("get", "pods", "shop", "x"), False),
        (local(rule("get", "pods"), subject="User dev"), ("get", "pods", "shop", "x"), False),
        (everywhere(rule("get", "pods")), ("get", "pods", "shop", "x"), True),
        (everywhere(rule("list", "pods")), ("list", "pods", ""), True),
        (everywhere(rule("get", "nodes")), ("get", "nodes", "", "n1"), True),
    ],
)
def test_a_grant_is_exactly_what_the_rule_says(book: Book, question: tuple[str, ...], answer: bool) -> None:
    assert may(book, *question) is answer
    assert may(book, *question) is answer, "and the same when remembered"


def test_a_cluster_role_bound_in_a_namespace_reaches_that_namespace_only() -> None:
    meta = types.ObjectMeta(name="edit")
    role = types.ClusterRole(metadata=meta, rules=[rule("*", "pods nodes"), url_rule("/metrics")])
    ref = types.RoleRef(api_group=RBAC, kind="ClusterRole", name="edit")
    binding = types.RoleBinding(
        metadata=types.ObjectMeta(name="b", namespace="shop"), role_ref=ref,
        subjects=[types.Subject(kind="User", name="ana")],
    )  # fmt: skip
    book = Book(cluster_roles=[role], bindings=[binding])
    assert may(book, "delete", "pods", "shop", "x")
    assert not may(book, "delete", "pods", "bank", "x")
    assert not may(book, "get", "nodes", "", "n1")
    assert book.grant_url(ANA, "get", "/metrics") is None


def test_a_role_binding_cannot_use_another_namespaces_role() -> None:
    role = types.Role(metadata=types.ObjectMeta(name="r", namespace="bank"), rules=[rule("*", "*")])
    binding = types.RoleBinding(
        metadata=types.ObjectMeta(name="b", namespace="shop"),
        role_ref=types.RoleRef(api_group=RBAC, kind="Role", name="r"),
        subjects=[types.Subject(kind="User", name="ana")],
    )  # fmt: skip
    book = Book(roles=[role], bindings=[binding])
    assert not may(book, "get", "pods", "shop", "x")
    assert not may(book, "get", "pods", "bank", "x")


def test_a_service_account_is_named_with_its_namespace() -> None:
    book = local(rule("get", "pods"), subject="ServiceAccount robot")
    robot = Actor("system:serviceaccount:shop:robot")
    assert book.grant(robot, Ask("get", "", "pods", "", "shop", "x"))
    stranger = Actor("system:serviceaccount:bank:robot")
    assert book.grant(stranger, Ask("get", "", "pods", "", "shop", "x")) is None


def url_rule(*urls: str) -> types.PolicyRule:
    return types.PolicyRule(verbs=["get"], non_resource_urls=list(urls))


@pytest.mark.parametrize(
    ("urls", "path", "answer"),
    [
        (("/version",), "/version", True),
        (("/version",), "/version/", False),
        (("/apis/*",), "/apis/apps/v1", True),
        (("/apis/*",), "/api", False),
        (("*",), "/anything", True),
    ],
)
def test_paths_outside_of_resources(urls: tuple[str, ...], path: str, answer: bool) -> None:
    book = everywhere(url_rule(*urls))
    assert (book.grant_url(ANA, "get", path) is not None) is answer
    assert book.grant_url(ANA, "post", path) is None


@pytest.mark.parametrize(
    ("book", "kind", "seen", "unseen"),
    [
        (READER, POD, [("shop", "x")], [("bank", "x")]),
        (READER, SECRET, [], [("shop", "x")]),
        (local(rule("get", "pods", "x")), POD, [("shop", "x")], [("shop", "y"), ("bank", "x")]),
        (everywhere(rule("list", "pods")), POD, [("shop", "x"), ("bank", "y")], []),
        (everywhere(rule("get", "nodes", "n1")), NODE, [("", "n1")], [("", "n2")]),
        (local(rule("get list", "nodes clusterroles", groups="*")), NODE, [], [("", "n1")]),
        (local(rule("get list", "nodes clusterroles", groups="*")), CLUSTER_ROLE, [], [("", "view")]),
        (local(rule("get", "namespaces")), NAMESPACE, [("", "shop")], [("", "bank")]),
        (local(rule("create", "pods")), POD, [], [("shop", "x")]),
    ],
)
def test_what_one_sees_follows_from_what_one_may_read(
    book: Book, kind: Kind, seen: list[tuple[str, str]], unseen: list[tuple[str, str]]
) -> None:
    found = scope.granted(book, ANA, kind)
    assert all(found.holds(*place) for place in seen)
    assert not any(found.holds(*place) for place in unseen)


VERBS, RESOURCES, SPACES, NAMES = ("get", "list", "delete"), ("pods", "secrets"), ("shop", "bank"), ("x", "y")


def some(*values: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True).map(" ".join)


random_rules = st.builds(rule, some(*VERBS, "*"), some(*RESOURCES, "*"), st.just("") | some(*NAMES))
random_books = st.builds(
    lambda rules, place: local(*rules, namespace=place),
    st.lists(random_rules, max_size=4),
    st.sampled_from(SPACES),
)


@given(random_books)
def test_whoever_may_get_an_object_sees_it_and_whoever_sees_it_may_list_or_get(book: Book) -> None:
    for kind in (POD, SECRET):
        found = scope.granted(book, ANA, kind)
        for space in SPACES:
            for name in NAMES:
                allowed = may(book, "get", kind.plural, space, name) or may(
                    book, "list", kind.plural, space, name
                )
                assert found.holds(space, name) is allowed


@given(random_books, random_rules)
def test_another_rule_never_takes_away(book: Book, extra: types.PolicyRule) -> None:
    more = Book(
        roles=[
            types.Role(metadata=types.ObjectMeta(name=name, namespace=space), rules=rules)
            for (space, name), rules in book._roles.items()
        ]
        + [types.Role(metadata=types.ObjectMeta(name="extra", namespace="shop"), rules=[extra])],
        bindings=[binding(space, name) for space, name in [*book._roles, ("shop", "extra")]],
    )
    for verb in VERBS:
        for resource in RESOURCES:
            for space in SPACES:
                assert may(more, verb, resource, space, "x") >= may(book, verb, resource, space, "x")


def binding(namespace: str, role: str) -> types.RoleBinding:
    return types.RoleBinding(
        metadata=types.ObjectMeta(name=role, namespace=namespace),
        role_ref=types.RoleRef(api_group=RBAC, kind="Role", name=role),
        subjects=[types.Subject(kind="User", name="ana")],
    )
