"""RBAC as data: what the roles and bindings of the store grant to whom, prepared for quick answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.registry import all_kinds

ANY = "*"
MASTERS = "system:masters"
READING = frozenset({"get", "list", "watch", ANY})
MEMO_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to policy about a resource."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def path(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one role, and the words that name where it comes from."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    urls: tuple[str, ...]
    origin: str

    def concerns(self, ask: Ask) -> bool:
        """Whether it grants the verb on the resource, leaving object names aside."""
        return (
            (ask.verb in self.verbs or ANY in self.verbs)
            and (ask.group in self.groups or ANY in self.groups)
            and self._holds(ask)
        )

    def covers(self, ask: Ask) -> bool:
        return self.concerns(ask) and (not self.names or ask.name in self.names)

    @property
    def reads(self) -> bool:
        """Whether it shows anything that lives in namespaces."""
        elsewhere = {(kind.group, kind.plural) for kind in all_kinds() if not kind.namespaced}
        shown = {(group, each.partition("/")[0]) for group in self.groups for each in self.resources}
        return not self.verbs.isdisjoint(READING) and not shown <= elsewhere

    def covers_url(self, verb: str, path: str) -> bool:
        if verb not in self.verbs and ANY not in self.verbs:
            return False
        return any(
            url == path or (url.endswith(ANY) and path.startswith(url.removesuffix(ANY))) for url in self.urls
        )

    def _holds(self, ask: Ask) -> bool:
        if ANY in self.resources or ask.path in self.resources:
            return True
        return bool(ask.subresource) and f"{ANY}/{ask.subresource}" in self.resources


@dataclass
class Grants:
    """What one subject holds: everywhere, and namespace by namespace."""

    everywhere: list[Rule] = field(default_factory=list)
    local: dict[str, list[Rule]] = field(default_factory=dict)

    def rules_in(self, namespace: str) -> Iterator[Rule]:
        yield from self.everywhere
        if namespace:
            yield from self.local.get(namespace, ())


class Book:
    """All grants at one moment. Answers are remembered: the book never changes, a newer one replaces it."""

    def __init__(
        self,
        roles: Iterable[types.Role] = (),
        cluster_roles: Iterable[types.ClusterRole] = (),
        bindings: Iterable[types.RoleBinding] = (),
        cluster_bindings: Iterable[types.ClusterRoleBinding] = (),
    ) -> None:
        self._roles = {(role.metadata.namespace, role.metadata.name): role.rules for role in roles}
        self._cluster_roles = {role.metadata.name: role.rules for role in cluster_roles}
        self._subjects: dict[str, Grants] = {}
        self._memo: dict[tuple[object, ...], str | None] = {}
        for binding in cluster_bindings:
            self._bind(binding, "ClusterRoleBinding", "")
        for local in bindings:
            self._bind(local, "RoleBinding", local.metadata.namespace)

    def grant(self, actor: Actor, ask: Ask) -> str | None:
        """Words for what grants it, or None."""
        key = (actor.name, actor.groups, ask)
        try:
            return self._memo[key]
        except KeyError:
            pass
        found = next(
            (
                rule.origin
                for held in self.of(actor)
                for rule in held.rules_in(ask.namespace)
                if rule.covers(ask)
            ),
            None,
        )
        return self._remember(key, found)

    def grant_url(self, actor: Actor, verb: str, path: str) -> str | None:
        key = (actor.name, actor.groups, verb, path)
        try:
            return self._memo[key]
        except KeyError:
            pass
        found = next(
            (
                rule.origin
                for held in self.of(actor)
                for rule in held.everywhere
                if rule.covers_url(verb, path)
            ),
            None,
        )
        return self._remember(key, found)

    def of(self, actor: Actor) -> list[Grants]:
        """What the actor holds by its name and by its groups."""
        keys = (f"User {actor.name}", *(f"Group {group}" for group in actor.groups))
        return [self._subjects[key] for key in keys if key in self._subjects]

    def stands_in(self, actor: Actor, namespace: str) -> bool:
        """Whether some role gives the actor anything in this namespace, or something to read in all of them."""
        return any(
            namespace in held.local or any(rule.reads for rule in held.everywhere) for held in self.of(actor)
        )

    def _remember(self, key: tuple[object, ...], found: str | None) -> str | None:
        if len(self._memo) >= MEMO_LIMIT:
            self._memo.clear()
        self._memo[key] = found
        return found

    def _bind(self, binding: types.RoleBinding | types.ClusterRoleBinding, kind: str, namespace: str) -> None:
        ref = binding.role_ref
        if ref.kind == "ClusterRole":
            rules = self._cluster_roles.get(ref.name, [])
        else:
            rules = self._roles.get((namespace, ref.name), []) if namespace else []
        origin = f"{kind} {binding.metadata.name} gives {ref.kind} {ref.name}"
        prepared = [_rule(rule, origin) for rule in rules]
        for subject in binding.subjects:
            held = self._subjects.setdefault(_subject(subject, namespace), Grants())
            if namespace:
                # Paths outside of resources have no namespace: a RoleBinding cannot give them.
                held.local.setdefault(namespace, []).extend(rule for rule in prepared if rule.resources)
            else:
                held.everywhere.extend(prepared)


def _rule(rule: types.PolicyRule, origin: str) -> Rule:
    return Rule(
        verbs=frozenset(rule.verbs),
        groups=frozenset(rule.api_groups),
        resources=frozenset(rule.resources),
        names=frozenset(rule.resource_names),
        urls=tuple(rule.non_resource_urls),
        origin=origin,
    )


def _subject(subject: types.Subject, namespace: str) -> str:
    if subject.kind == "ServiceAccount":
        return f"User system:serviceaccount:{subject.namespace or namespace}:{subject.name}"
    return f"{subject.kind} {subject.name}"
