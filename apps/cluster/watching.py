"""What a watch is about, and what a change means to it: pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from django.db.models import Q

from apps.cluster.log import Change
from apps.cluster.registry import Kind
from apps.cluster.rows import Stored
from apps.cluster.selectors import FieldSelector, LabelSelector


class Sight(Protocol):
    """What somebody may see of a kind: as a condition for lists, as a predicate for streams."""

    def q(self) -> Q: ...

    def holds(self, namespace: str, name: str, node: str = "") -> bool: ...


class Event:
    """Something that a watcher is told: ``type`` is ADDED, MODIFIED or DELETED. Shared by all its watchers."""

    def __init__(self, type_: str, kind: Kind, source: Change | Stored) -> None:
        self.type = type_
        self.kind = kind
        self._source = source

    @property
    def number(self) -> int:
        return self._source.number

    @property
    def namespace(self) -> str:
        return self._source.namespace

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def uid(self) -> str:
        return self._source.uid

    @property
    def node(self) -> str:
        return self._source.node

    @property
    def text(self) -> str:
        """The object as served, JSON."""
        return self._source.text

    @property
    def object(self) -> Any:
        return self._source.object

    @cached_property
    def line(self) -> bytes:
        """The event as watches serve it, spliced and not parsed."""
        return b'{"type":"%s","object":%s}\n' % (self.type.encode(), self.text.encode())

    def __repr__(self) -> str:
        return f"{self.type} {self.kind.key} {self.namespace}/{self.name} {self.number}"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The objects one watch is about. Whatever is left out does not narrow it."""

    kind: Kind
    namespace: str | None = None
    name: str = ""
    node: str | None = None
    labels: LabelSelector = field(default_factory=LabelSelector)
    fields: FieldSelector = field(default_factory=FieldSelector)
    visible: Callable[[], Sight] | None = None
    """Asked when the watch begins and whenever roles change; None sees everything."""

    def condition(self, sight: Sight | None) -> Q:
        """As a database condition, the selectors aside."""
        wanted = sight.q() if sight is not None else Q()
        if self.name:
            wanted &= Q(name=self.name)
        if self.node is not None:
            wanted &= Q(node=self.node)
        return wanted

    def means(self, change: "Sighted", sight: Sight | None) -> str | None:
        """The type of event that a change is to this watch, or None when it is none of its business.

        An object that comes to match is ADDED, one that ceases to match is DELETED, whatever was written.
        """
        moved = change.change
        if moved.kind_key != self.kind.key or (
            self.namespace is not None and moved.namespace != self.namespace
        ):
            return None
        if self.name and moved.name != self.name:
            return None
        was = moved.before is not None and self._holds(change, sight, before=True)
        holds = moved.type != "DELETED" and self._holds(change, sight, before=False)
        if was:
            return "MODIFIED" if holds else "DELETED"
        return "ADDED" if holds else None

    def _holds(self, change: "Sighted", sight: Sight | None, *, before: bool) -> bool:
        moved = change.change
        node = moved.before.node if before and moved.before is not None else moved.node
        if self.node is not None and node != self.node:
            return False
        if sight is not None and not sight.holds(moved.namespace, moved.name, node):
            return False
        if self.labels and not self.labels.matches(change.labels(before=before)):
            return False
        return not self.fields or self.fields.matches(change.fields(before=before))


class Sighted:
    """A change on its way to many watchers: what they ask of it is found once."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self._events: dict[str, Event] = {}

    def event(self, type_: str) -> Event:
        if type_ not in self._events:
            self._events[type_] = Event(type_, self.change.kind, self.change)
        return self._events[type_]

    def labels(self, *, before: bool) -> dict[str, str]:
        old = self.change.before
        if before and old is not None:
            return old.labels
        labels: dict[str, str] = self.change.object.metadata.labels
        return labels

    def fields(self, *, before: bool) -> dict[str, str]:
        old = self.change.before
        return old.fields if before and old is not None else self._fields

    @cached_property
    def _fields(self) -> dict[str, str]:
        return self.change.kind.selectable(self.change.object)
