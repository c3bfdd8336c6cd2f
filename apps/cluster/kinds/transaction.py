"""What admission may ask of the write it runs in."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Protocol

from apps.cluster.actors import Actor
from apps.cluster.registry import Kind
from apps.cluster.selectors import FieldSelector, LabelSelector

CONTROLLERS: Final = "system:controllers"
"""The group of the system's own actors."""


class Transaction(Protocol):
    """The reading half of the store's transaction."""

    actor: Actor
    now: datetime

    def get(self, kind: Kind, namespace: str, name: str) -> Any: ...

    def find(self, kind: Kind, namespace: str, name: str) -> Any | None: ...

    def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        labels: LabelSelector | None = None,
        fields: FieldSelector | None = None,
    ) -> list[Any]: ...

    def taken(self, kind: Kind, field: str, value: str) -> bool: ...
