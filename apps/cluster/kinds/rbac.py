"""Who may do what: the kinds Role, ClusterRole, RoleBinding and ClusterRoleBinding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, refusals
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem

GROUP = "rbac.authorization.k8s.io"
NAME_LIMIT = 512

Binding = types.RoleBinding | types.ClusterRoleBinding


def _rule_problems(rules: Iterable[types.PolicyRule], *, cluster: bool) -> Iterator[Problem]:
    for index, rule in enumerate(rules):
        path = f"rules[{index}]"
        if not rule.verbs:
            yield refusals.required(f"{path}.verbs", "verbs must contain at least one value")
        if rule.non_resource_urls:
            yield from _url_rule_problems(rule, path, cluster=cluster)
            continue
        if not rule.api_groups:
            yield refusals.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
        if not rule.resources:
            yield refusals.required(f"{path}.resources", "resource rules must supply at least one resource")


def _url_rule_problems(rule: types.PolicyRule, path: str, *, cluster: bool) -> Iterator[Problem]:
    if not cluster:
        why = "namespaced rules cannot apply to non-resource URLs"
        yield refusals.invalid(f"{path}.nonResourceURLs", rule.non_resource_urls, why)
    if rule.api_groups or rule.resources or rule.resource_names:
        why = "rules cannot apply to both regular resources and non-resource URLs"
        yield refusals.invalid(f"{path}.nonResourceURLs", rule.non_resource_urls, why)


def _role_problems(role: types.Role) -> Iterator[Problem]:
    yield from _rule_problems(role.rules, cluster=False)


def _cluster_role_problems(role: types.ClusterRole) -> Iterator[Problem]:
    yield from _rule_problems(role.rules, cluster=True)


def _default_binding(binding: Binding) -> None:
    binding.role_ref.api_group = binding.role_ref.api_group or GROUP
    for subject in binding.subjects:
        if subject.kind in {"User", "Group"}:
            subject.api_group = subject.api_group or GROUP


def _binding_problems(binding: Binding, *, roles: tuple[str, ...]) -> Iterator[Problem]:
    reference = binding.role_ref
    yield from refusals.one_of("roleRef.apiGroup", reference.api_group, (GROUP,))
    yield from refusals.one_of("roleRef.kind", reference.kind, roles)
    yield from refusals.named("roleRef.name", reference.name, names.path_segment_problem)
    for index, subject in enumerate(binding.subjects):
        yield from _subject_problems(subject, f"subjects[{index}]")


def _subject_problems(subject: types.Subject, path: str) -> Iterator[Problem]:
    yield from refusals.one_of(f"{path}.kind", subject.kind, ("ServiceAccount", "User", "Group"))
    if not subject.name:
        yield refusals.required(f"{path}.name")
    yield from refusals.plain(f"{path}.name", subject.name, NAME_LIMIT)
    if subject.kind == "ServiceAccount":
        yield from refusals.spelled(f"{path}.name", subject.name or "x", names.dns_subdomain_problem)
        yield from refusals.named(f"{path}.namespace", subject.namespace, names.dns_label_problem)
        yield from refusals.one_of(f"{path}.apiGroup", subject.api_group, ("",))
    elif subject.kind in {"User", "Group"}:
        yield from refusals.one_of(f"{path}.apiGroup", subject.api_group, (GROUP,))


def _role_binding_problems(binding: types.RoleBinding) -> Iterator[Problem]:
    yield from _binding_problems(binding, roles=("Role", "ClusterRole"))


def _cluster_role_binding_problems(binding: types.ClusterRoleBinding) -> Iterator[Problem]:
    yield from _binding_problems(binding, roles=("ClusterRole",))


def _reference_stands(old: Binding, new: Binding) -> Iterator[Problem]:
    """Who may change a binding's subjects must not thereby hand out another role."""
    if old.role_ref != new.role_ref:
        yield refusals.invalid("roleRef", types.to_data(new.role_ref), "cannot change roleRef")


def _role_named(binding: Binding, now: datetime) -> str:
    return f"{binding.role_ref.kind}/{binding.role_ref.name}"


def _subjects(binding: Binding, kind: str) -> str:
    return ", ".join(
        f"{subject.namespace}/{subject.name}" if kind == "ServiceAccount" else subject.name
        for subject in binding.subjects
        if subject.kind == kind
    )


ROLE_COLUMNS = (ages.NAME, ages.CREATED_AT)
BINDING_COLUMNS = (
    ages.NAME,
    Column("Role", _role_named, description="The role that is given."),
    ages.AGE,
    Column(
        "Users", lambda binding, now: _subjects(binding, "User"), wide=True, description="Users who have it."
    ),
    Column(
        "Groups",
        lambda binding, now: _subjects(binding, "Group"),
        wide=True,
        description="Groups who have it.",
    ),
    Column(
        "ServiceAccounts",
        lambda binding, now: _subjects(binding, "ServiceAccount"),
        wide=True,
        description="Service accounts that have it.",
    ),
)

ROLE = register(
    Kind(
        group=GROUP,
        name="Role",
        plural="roles",
        schema=types.Role,
        validate=meta.checked(names.path_segment_problem, _role_problems),
        validate_update=meta.checked_update(),
        columns=ROLE_COLUMNS,
    )
)

CLUSTER_ROLE = register(
    Kind(
        group=GROUP,
        name="ClusterRole",
        plural="clusterroles",
        schema=types.ClusterRole,
        namespaced=False,
        validate=meta.checked(names.path_segment_problem, _cluster_role_problems, namespaced=False),
        validate_update=meta.checked_update(),
        columns=ROLE_COLUMNS,
    )
)

ROLE_BINDING = register(
    Kind(
        group=GROUP,
        name="RoleBinding",
        plural="rolebindings",
        schema=types.RoleBinding,
        default=_default_binding,
        validate=meta.checked(names.path_segment_problem, _role_binding_problems),
        validate_update=meta.checked_update(_reference_stands),
        columns=BINDING_COLUMNS,
    )
)

CLUSTER_ROLE_BINDING = register(
    Kind(
        group=GROUP,
        name="ClusterRoleBinding",
        plural="clusterrolebindings",
        schema=types.ClusterRoleBinding,
        namespaced=False,
        default=_default_binding,
        validate=meta.checked(names.path_segment_problem, _cluster_role_binding_problems, namespaced=False),
        validate_update=meta.checked_update(_reference_stands),
        columns=BINDING_COLUMNS,
    )
)
