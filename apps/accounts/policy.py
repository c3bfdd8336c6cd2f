"""May they? One answer for REST, watches, sockets, pages and agents. The default is no, and every no says
why.

Asks the database at most once a second, and after a write of this process; call it where the database may
be used
(``apps.cluster.work.in_db`` from a coroutine).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q

from apps.accounts import node_rules
from apps.accounts.rules import ANY, MASTERS, Ask, Book, Rule
from apps.accounts.scope import EVERYTHING, Scope, granted
from apps.cluster import models, nudge, types
from apps.cluster.actors import Actor
from apps.cluster.errors import Forbidden, NotFound
from apps.cluster.registry import Kind

RBAC_GROUP = "rbac.authorization.k8s.io"
KEYS = tuple(
    f"{plural}.{RBAC_GROUP}" for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
)
LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer and the words for it."""

    allowed: bool
    reason: str

    def __bool__(self) -> bool:
        return self.allowed


def authorize(  # noqa: PLR0917 - the design's signature: the order of a request's path
    actor: Actor,
    verb: str,
    group: str,
    resource: str,
    subresource: str = "",
    namespace: str = "",
    name: str = "",
) -> Decision:
    """Whether ``actor`` may do ``verb`` to a resource (its plural), in a namespace or ("") in all, by name
    or not."""
    if MASTERS in actor.groups:
        return _MASTER
    if resource == "namespaces" and not group:
        # A namespace's own object counts as inside it, so that a role there can show it.
        namespace = name
    ask = Ask(verb, group, resource, subresource, namespace, name)
    if actor.node:
        why = node_rules.refusal(actor.node, ask)
        if why is None:
            return Decision(True, "a node may do this with its own")
        return Decision(False, f"{_sentence(actor, ask)}: {why}")
    origin = _current().grant(actor, ask)
    if origin is not None:
        return Decision(True, origin)
    return Decision(False, f"{_sentence(actor, ask)}: no role grants it")


def non_resource(actor: Actor, verb: str, path: str) -> Decision:
    """Whether ``actor`` may ask for a path that is no resource, such as ``/version``."""
    if MASTERS in actor.groups:
        return _MASTER
    origin = _current().grant_url(actor, verb, path)
    if origin is not None:
        return Decision(True, origin)
    return Decision(False, f"{actor.name} may not {verb} {path}: no role grants it")


def scope(actor: Actor, kind: Kind) -> Scope:
    """Which objects of a kind the actor may see; take it once per list, or per watch and again after a
    while."""
    if MASTERS in actor.groups:
        return EVERYTHING
    if actor.node:
        return node_rules.scope(actor.node, kind)
    return granted(_current(), actor, kind)


def visible(actor: Actor, kind: Kind) -> Q:
    """``scope`` as a condition over cluster.models.Object."""
    return scope(actor, kind).q()


def hidden(actor: Actor, namespace: str, name: str) -> bool:
    """Whether a refusal about this object must look as if it were not there.

    So it is for a named object in a namespace where the actor has no standing at all. Where they have some,
    being told "you may not" reveals nothing they could not know.
    """
    if MASTERS in actor.groups or not (namespace and name):
        return False
    return bool(actor.node) or not _current().stands_in(actor, namespace)


def require(
    actor: Actor,
    verb: str,
    kind: Kind,
    namespace: str = "",
    name: str = "",
    *,
    subresource: str = "",
) -> None:
    """Return when allowed; else raise Forbidden with the reason, or NotFound for another tenant's object."""
    decision = authorize(actor, verb, kind.group, kind.plural, subresource, namespace, name)
    if decision.allowed:
        return
    if hidden(actor, namespace, name):
        raise NotFound(f'{kind.key} "{name}" not found', name=name, kind=kind.plural, group=kind.group)
    raise Forbidden(
        f"{kind.key} is forbidden: {decision.reason}", name=name, kind=kind.plural, group=kind.group
    )


def rules_of(actor: Actor, namespace: str = "") -> list[Rule]:
    """Every rule that speaks for the actor in a namespace, those of everywhere included."""
    if MASTERS in actor.groups:
        return [_ALL]
    return [rule for held in _current().of(actor) for rule in held.rules_in(namespace)]


def forget() -> None:
    """Read the roles again at the next question."""
    _shelf.forget()


class _Shelf:
    """Holds the book that fits the store's roles and bindings, and notices when it no longer does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._book: Book | None = None
        self._edition: tuple[int, int] = (-1, -1)
        self._look_at = 0.0
        self._listening = False

    def current(self) -> Book:
        book = self._book
        if book is not None and time.monotonic() < self._look_at:
            return book
        with self._lock:
            if not self._listening:
                nudge.subscribe(self._stirred)
                self._listening = True
            # Set before reading: a write that comes meanwhile makes the next question look again.
            self._look_at = time.monotonic() + LOOK_AGAIN_SECONDS
            edition = _edition()
            if self._book is None or edition != self._edition:
                self._book, self._edition = _read(), edition
            return self._book

    def forget(self) -> None:
        with self._lock:
            self._book = None

    def _stirred(self, number: int) -> None:
        self._look_at = 0.0


def _edition() -> tuple[int, int]:
    """Changes with every write to roles and bindings: an addition or change raises the number, a removal
    the count."""
    found = models.Object.objects.filter(kind__in=KEYS).aggregate(last=Max("number"), count=Count("pk"))
    return found["last"] or 0, found["count"]


def _read() -> Book:
    schemas: dict[str, type[Any]] = dict(
        zip(KEYS, (types.Role, types.ClusterRole, types.RoleBinding, types.ClusterRoleBinding), strict=True)
    )
    found: dict[str, list[Any]] = {key: [] for key in KEYS}
    for key, text in models.Object.objects.filter(kind__in=KEYS).values_list("kind", "text"):
        found[key].append(types.decode_lenient(schemas[key], text))
    return Book(*(found[key] for key in KEYS))


def _current() -> Book:
    return _shelf.current()


def _sentence(actor: Actor, ask: Ask) -> str:
    what = f"{ask.path}.{ask.group}" if ask.group else ask.path
    named = f' "{ask.name}"' if ask.name else ""
    if ask.resource == "namespaces" and not ask.group:
        where = ""
    else:
        where = f" in namespace {ask.namespace}" if ask.namespace else ""
    return f"{actor.name} may not {ask.verb} {what}{named}{where}"


_MASTER = Decision(True, "system:masters may do everything")
_ALL = Rule(frozenset({ANY}), frozenset({ANY}), frozenset({ANY}), frozenset(), (ANY,), MASTERS)
_shelf = _Shelf()
