"""The kinds: each declared once, with all that storing, serving and showing it needs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.cluster import types
from apps.cluster.selectors import LabelSelector

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Column:
    """One column of a list: ``cell(obj, now)`` gives the text or number shown."""

    name: str
    cell: Callable[[Any, datetime], str | int]
    type: str = "string"
    wide: bool = False
    description: str = ""


def _nothing(_: Any) -> None:
    return None


def _no_problems(*_: Any) -> Iterable[types.Problem]:
    return ()


def _unprepared(*_: Any) -> None:
    return None


def _at_once(_: Any) -> int:
    return 0


def _nowhere(_: Any) -> str:
    return ""


def _free(_: Any) -> Mapping[str, int]:
    return {}


def _everything(_: Any) -> LabelSelector:
    return LabelSelector()


def _finalizers(obj: Any) -> bool:
    return bool(obj.metadata.finalizers)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a kind's spec that is written at an address of its own, and nowhere else."""

    take: Callable[[Any, Any], None]
    """Takes (object, given): puts the piece of what a client gave into the object."""
    validate_update: Callable[[Any, Any], Iterable[types.Problem]]
    """Takes (old, new), in place of the kind's own."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What one kind of object is. Differences between kinds are data here, or code in its own controller."""

    name: str
    plural: str
    schema: type[Any]
    group: str = ""
    version: str = "v1"
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    verbs: tuple[str, ...] = VERBS
    subresources: frozenset[str] = frozenset()
    parts: Mapping[str, Part] = field(default_factory=dict)
    """By the sub-resource that writes them."""
    sealed: tuple[str, ...] = ()
    """Top-level fields that are encrypted in the row and in the change log."""

    default: Callable[[Any], None] = _nothing
    """Sets the API's defaults in place."""
    validate: Callable[[Any], Iterable[types.Problem]] = _no_problems
    validate_status: Callable[[Any], Iterable[types.Problem]] = _no_problems
    """What a report may not say: the little that could hurt those who read it. Part of ``validate`` too."""
    validate_update: Callable[[Any, Any], Iterable[types.Problem]] = _no_problems
    """Takes (old, new); names what may not change."""
    prepare_update: Callable[[Any, Any], None] = _unprepared
    """Takes (old, new) before ``new`` is judged: gives up in ``new`` what the change itself leaves behind."""
    admit: tuple[Callable[[Any, Any, Any], None], ...] = ()
    """Each takes (transaction, old or None, new) inside the write: allocates or refuses."""

    fields: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    """Field selectors besides metadata.name and metadata.namespace."""
    sifted: frozenset[str] = frozenset()
    """Those of them that each object is asked for, because a great many say the same: entries to find them by would
    cost every write more than a list ever saves."""
    node: Callable[[Any], str] = _nowhere
    """The node an object belongs to: indexed, and what scopes a node agent's view."""
    selects: Callable[[Any], LabelSelector] = _everything
    """The pods that an object of this kind means, where it means some."""
    columns: tuple[Column, ...] = ()
    grace: Callable[[Any], int] = _at_once
    """Seconds that deletion waits for someone to finish it; 0 removes at once."""
    held: Callable[[Any], bool] = _finalizers
    """Whether deletion must wait for finalizers."""
    kept: Callable[[Any], str] = _nowhere
    """Why an object may never be deleted; "" for nearly all."""
    charges: Callable[[Any], Mapping[str, int]] = _free
    """What an object takes of its namespace's quotas besides its count, in thousand millionths."""

    @property
    def singular(self) -> str:
        return self.name.lower()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def key(self) -> str:
        """``pods``, ``roles.rbac.authorization.k8s.io``: how rows and changes name the kind."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @property
    def makes_pods(self) -> bool:
        """Whether objects of this kind mean pods of their own."""
        return self.selects is not _everything

    @property
    def has_charges(self) -> bool:
        return self.charges is not _free

    def selectable(self, obj: Any) -> dict[str, str]:
        """What field selectors can ask of this object."""
        values = {"metadata.name": obj.metadata.name}
        if self.namespaced:
            values["metadata.namespace"] = obj.metadata.namespace
        values.update((name, read(obj)) for name, read in self.fields.items())
        return values


Admit = Callable[[Any, Any, Any], None]

_guards: dict[str, list[Admit]] = {}


def guard(kind: Kind, admit: Admit) -> None:
    """A rule that a room above this one holds on each write of a kind, as the kind's own admission does."""
    held = _guards.setdefault(kind.key, [])
    if admit not in held:
        held.append(admit)


def guards(kind: Kind) -> tuple[Admit, ...]:
    return tuple(_guards.get(kind.key, ()))


Farewell = Callable[[Any, Any], None]

_farewells: dict[str, list[Farewell]] = {}


def farewell(kind: Kind, call: Farewell) -> None:
    """What a room above this one does inside the write that removes an object: takes (transaction, object)."""
    held = _farewells.setdefault(kind.key, [])
    if call not in held:
        held.append(call)


def farewells(kind: Kind) -> tuple[Farewell, ...]:
    return tuple(_farewells.get(kind.key, ()))


class UnknownKind(KeyError):
    """No such kind is registered."""


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    if kind.key in _kinds:
        raise ValueError(f"kind {kind.key} is registered twice")
    _kinds[kind.key] = kind
    return kind


def all_kinds() -> tuple[Kind, ...]:
    return tuple(_kinds.values())


def by_key(key: str) -> Kind:
    try:
        return _kinds[key]
    except KeyError:
        raise UnknownKind(key) from None


def kind_of(plural: str, group: str = "") -> Kind:
    return by_key(f"{plural}.{group}" if group else plural)


def kind_named(name: str, group: str = "") -> Kind:
    for kind in _kinds.values():
        if kind.name == name and kind.group == group:
            return kind
    raise UnknownKind(f"{name}.{group}" if group else name)


def kind_at(api_version: str, name: str) -> Kind:
    """The kind as objects and references write it: ``apps/v1`` and ``Deployment``."""
    return kind_named(name, api_version.rpartition("/")[0])


def kind_for(obj: Any) -> Kind:
    """The kind of a stored object."""
    return kind_at(obj.api_version, obj.kind)
