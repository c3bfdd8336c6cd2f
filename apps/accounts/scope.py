"""Which objects of a kind someone may see: as a database condition for lists, as a predicate for streams.
Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Q

from apps.accounts.rules import Ask, Book, Rule
from apps.cluster.actors import Actor
from apps.cluster.registry import Kind

READING = ("list", "get")


@dataclass(frozen=True)
class Scope:
    """Everything, or else the union of the parts."""

    everything: bool = False
    namespaces: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    """Names allowed in any namespace, or of cluster-scoped objects."""
    pairs: frozenset[tuple[str, str]] = frozenset()
    node: str = ""

    def __bool__(self) -> bool:
        return self.everything or bool(self.namespaces or self.names or self.pairs or self.node)

    def holds(self, namespace: str, name: str, node: str = "") -> bool:
        return (
            self.everything
            or namespace in self.namespaces
            or name in self.names
            or (namespace, name) in self.pairs
            or (bool(self.node) and node == self.node)
        )

    def q(self) -> Q:
        """The condition over cluster.models.Object."""
        if self.everything:
            return Q()
        if not self:
            return Q(pk__in=())
        wanted = Q()
        if self.namespaces:
            wanted |= Q(namespace__in=sorted(self.namespaces))
        if self.names:
            wanted |= Q(name__in=sorted(self.names))
        if self.node:
            wanted |= Q(node=self.node)
        by_namespace: dict[str, list[str]] = defaultdict(list)
        for namespace, name in sorted(self.pairs):
            by_namespace[namespace].append(name)
        for namespace, several in by_namespace.items():
            wanted |= Q(namespace=namespace, name__in=several)
        return wanted


EVERYTHING = Scope(everything=True)
NOTHING = Scope()


def granted(book: Book, actor: Actor, kind: Kind) -> Scope:
    """What roles let the actor list or get."""
    asks = [Ask(verb, kind.group, kind.plural) for verb in READING]
    names: set[str] = set()
    inside: set[tuple[str, Rule]] = set()
    for held in book.of(actor):
        for rule in _concerned(held.everywhere, asks):
            if not rule.names:
                return EVERYTHING
            names |= rule.names
        for namespace, rules in held.local.items():
            inside |= {(namespace, rule) for rule in _concerned(rules, asks)}
    if kind.key == "namespaces":
        # A role in a namespace reaches that namespace's own object, and no other.
        names |= {namespace for namespace, rule in inside if not rule.names or namespace in rule.names}
    if not kind.namespaced:
        return Scope(names=frozenset(names))
    return Scope(
        namespaces=frozenset(namespace for namespace, rule in inside if not rule.names),
        names=frozenset(names),
        pairs=frozenset((namespace, name) for namespace, rule in inside for name in rule.names),
    )


def _concerned(rules: Iterable[Rule], asks: list[Ask]) -> Iterator[Rule]:
    return (rule for rule in rules if any(rule.concerns(ask) for ask in asks))
