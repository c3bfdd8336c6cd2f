"""Who is asking, and what they may: the dashboard's only door to policy."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.db.models import Q
from django.http import HttpRequest

from apps.accounts import authentication, policy
from apps.cluster.actors import Actor
from apps.cluster.errors import Forbidden, NotFound
from apps.cluster.registry import Kind
from apps.cluster.rows import Stored
from apps.cluster.store import find
from apps.dashboard import paths

__all__ = ["NOWHERE", "Decision", "actor", "any_of", "may", "require", "seen", "visible", "visible_at_all"]

NOWHERE = "You may make applications in no namespace: ask for the role edit in one."
Decision = policy.Decision
visible = policy.visible


def actor(request: HttpRequest) -> Actor:
    """The person behind a page. Raises Unauthorized for nobody."""
    return authentication.authenticate({}, request.user)


def may(
    who: Actor, verb: str, kind: Kind, namespace: str = "", name: str = "", subresource: str = ""
) -> Decision:
    return policy.authorize(who, verb, kind.group, kind.plural, subresource, namespace, name)


def require(
    who: Actor, verb: str, kind: Kind, namespace: str = "", name: str = "", subresource: str = ""
) -> None:
    """Raises Forbidden with the reason."""
    decision = may(who, verb, kind, namespace, name, subresource)
    if not decision.allowed:
        raise Forbidden(decision.reason, name=name, kind=kind.plural, group=kind.group)


def seen(who: Actor, kind: Kind, namespace: str, name: str) -> Stored:
    """The object, when ``who`` may get it. Raises NotFound for what is not there or not theirs: both look the same."""
    row = find(kind, namespace, name)
    if row is None or not may(who, "get", kind, namespace, name).allowed:
        place = f" in {namespace}" if kind.namespaced else ""
        raise NotFound(
            f"There is no {paths.word(kind)} “{name}”{place}.", name=name, kind=kind.plural, group=kind.group
        )
    return row


def any_of(who: Actor, kinds: Iterable[Kind]) -> Q:
    """A condition over objects of several kinds at once: each kind as far as it is visible."""
    parts = [Q(kind=kind.key) & visible(who, kind) for kind in kinds]
    return reduce(or_, parts, Q(pk__in=()))


def visible_at_all(who: Actor, kind: Kind) -> bool:
    """Whether any object of the kind could be shown: an empty list and a forbidden one are told apart."""
    return bool(policy.scope(who, kind))
