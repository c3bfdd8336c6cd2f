"""Panels and where they are registered: a template, and a function that gathers what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any

from apps.cluster import types
from apps.cluster.actors import Actor
from apps.cluster.registry import Kind
from apps.cluster.rows import Stored


@dataclass(frozen=True)
class Subject:
    """The object a page is about, and for whom it is shown."""

    who: Actor
    kind: Kind
    stored: Stored
    now: datetime
    events: Sequence[types.Event] = field(default=())

    @property
    def obj(self) -> Any:
        return self.stored.object

    @property
    def namespace(self) -> str:
        return self.stored.namespace

    @property
    def name(self) -> str:
        return self.stored.name


Gather = Callable[[Subject], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Panel:
    """``gather`` returns what the template needs, or None when there is nothing to show.

    ``topics`` are what the panel shows beyond the object itself: a page with it follows them live.
    """

    template: str
    gather: Gather
    aside: bool = False
    topics: tuple[str, ...] = ()


_panels: dict[str, list[Panel]] = {}
_MODULES = ("pods", "placement", "controllers", "network", "naming", "configuration", "machines", "rights")


def panel(
    *keys: str, template: str, aside: bool = False, topics: tuple[str, ...] = ()
) -> Callable[[Gather], Gather]:
    """Registers a panel for kinds, in the order of registration."""

    def around(gather: Gather) -> Gather:
        for key in keys:
            _panels.setdefault(key, []).append(Panel(f"dashboard/panels/{template}", gather, aside, topics))
        return gather

    return around


def panels_of(kind: Kind) -> list[Panel]:
    for module in _MODULES:
        import_module(f"apps.dashboard.panels.{module}")
    return _panels.get(kind.key, [])
