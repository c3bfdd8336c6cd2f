"""Nobody hands out more than they hold: checked inside each write of a role or a binding, whoever sends it.

The roles are read in the same transaction, so no two writes can together give what neither may. Parts of the system
and ``system:masters`` are exempt; the verbs ``escalate`` (on a role) and ``bind`` (on the role bound) lift the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from apps.accounts.rules import MASTERS, Ask, Book, Rule
from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.errors import Forbidden, NotFound
from apps.cluster.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from apps.cluster.kinds.rbac import GROUP
from apps.cluster.kinds.transaction import CONTROLLERS, Transaction
from apps.cluster.registry import Kind, guard

MOST_COMBINATIONS = 50_000
TOLD = 10

AnyRole = types.Role | types.ClusterRole
AnyBinding = types.RoleBinding | types.ClusterRoleBinding


def watch_over_roles() -> None:
    """From now on every write of roles and bindings is held to this."""
    guard(ROLE, check_role)
    guard(CLUSTER_ROLE, check_role)
    guard(ROLE_BINDING, check_binding)
    guard(CLUSTER_ROLE_BINDING, check_binding)


def check_role(tx: Transaction, old: AnyRole | None, new: AnyRole) -> None:
    """Raises Forbidden when the role would hold a rule that its writer does not."""
    if _exempt(tx.actor) or (old is not None and old.rules == new.rules):
        return
    kind = CLUSTER_ROLE if isinstance(new, types.ClusterRole) else ROLE
    book, namespace = _book(tx), new.metadata.namespace
    if _lifted(book, tx.actor, "escalate", (kind, namespace, new.metadata.name)):
        return
    _confirm(book, tx.actor, namespace, new.rules, (kind, new.metadata.name))


def check_binding(tx: Transaction, old: AnyBinding | None, new: AnyBinding) -> None:
    """Raises Forbidden when the role bound holds a rule that the binding's writer does not."""
    same = old is not None and (old.subjects, old.role_ref) == (new.subjects, new.role_ref)
    if _exempt(tx.actor) or same:
        return
    local = isinstance(new, types.RoleBinding)
    book, namespace, ref = _book(tx), new.metadata.namespace, new.role_ref
    role_kind = CLUSTER_ROLE if ref.kind == CLUSTER_ROLE.name else ROLE
    if _lifted(book, tx.actor, "bind", (role_kind, namespace, ref.name)):
        return
    role: AnyRole | None = tx.find(role_kind, namespace if role_kind.namespaced else "", ref.name)
    if role is None:  # bound before it is there, it could be filled in by someone who does not know
        raise NotFound(
            f'{role_kind.key} "{ref.name}" not found', name=ref.name, kind=role_kind.plural, group=GROUP
        )
    # A RoleBinding cannot give paths outside of resources, so nobody needs to hold them for it.
    given = [rule for rule in role.rules if rule.resources] if local else role.rules
    kind = ROLE_BINDING if local else CLUSTER_ROLE_BINDING
    _confirm(book, tx.actor, namespace, given, (kind, new.metadata.name))


def uncovered(held: Iterable[Rule], wanted: types.PolicyRule) -> Iterator[types.PolicyRule]:
    """The parts of a rule that none of the held ones grants, each as small as can be. Pure."""
    rules = [*held]
    if any(_whole(rule, wanted) for rule in rules):
        return
    names = wanted.resource_names or [""]
    combinations = len(wanted.verbs) * (
        len(wanted.non_resource_urls) + len(wanted.api_groups) * len(wanted.resources) * len(names)
    )
    if combinations > MOST_COMBINATIONS:
        yield wanted
        return
    for verb, url in product(wanted.verbs, wanted.non_resource_urls):
        if not any(rule.covers_url(verb, url) for rule in rules):
            yield types.PolicyRule(verbs=[verb], non_resource_urls=[url])
    for verb, group, path, name in product(wanted.verbs, wanted.api_groups, wanted.resources, names):
        resource, _, subresource = path.partition("/")
        ask = Ask(verb, group, resource, subresource, "", name)
        if not any(rule.covers(ask) for rule in rules):
            named = [name] if name else []
            yield types.PolicyRule(verbs=[verb], api_groups=[group], resources=[path], resource_names=named)


def _whole(held: Rule, wanted: types.PolicyRule) -> bool:
    """Whether one rule says at least as much as the other, word for word."""
    return (
        held.verbs.issuperset(wanted.verbs)
        and held.groups.issuperset(wanted.api_groups)
        and held.resources.issuperset(wanted.resources)
        and set(held.urls).issuperset(wanted.non_resource_urls)
        and (not held.names or (bool(wanted.resource_names) and held.names.issuperset(wanted.resource_names)))
    )


def _confirm(
    book: Book,
    actor: Actor,
    namespace: str,
    wanted: Iterable[types.PolicyRule],
    refused: tuple[Kind, str],
) -> None:
    held = [rule for grants in book.of(actor) for rule in grants.rules_in(namespace)]
    missing: list[types.PolicyRule] = []
    for rule in wanted:
        for part in uncovered(held, rule):
            missing.append(part)
            if len(missing) > TOLD:
                break
    if not missing:
        return
    kind, name = refused
    groups = ", ".join(f'"{group}"' for group in sorted(actor.groups))
    told = "\n".join(types.encode(part).decode() for part in missing[:TOLD])
    more = "\n..." if len(missing) > TOLD else ""
    raise Forbidden(
        f'{kind.key} "{name}" is forbidden: user "{actor.name}" (groups=[{groups}]) is attempting to grant RBAC '
        f"permissions not currently held:\n{told}{more}",
        name=name,
        kind=kind.plural,
        group=kind.group,
    )


def _lifted(book: Book, actor: Actor, verb: str, role: tuple[Kind, str, str]) -> bool:
    kind, namespace, name = role
    return book.grant(actor, Ask(verb, GROUP, kind.plural, "", namespace, name)) is not None


def _exempt(actor: Actor) -> bool:
    return MASTERS in actor.groups or CONTROLLERS in actor.groups


def _book(tx: Transaction) -> Book:
    """Not policy's own: that one may be a second old."""
    listed: list[list[Any]] = [
        tx.list(kind) for kind in (ROLE, CLUSTER_ROLE, ROLE_BINDING, CLUSTER_ROLE_BINDING)
    ]
    return Book(*listed)
