"""One stored object: the row's key columns, its text as served, and the typed object when someone asks."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Protocol

import msgspec

from apps.cluster import seal, types
from apps.cluster.registry import Kind

COLUMNS = ("id", "namespace", "name", "uid", "node", "number", "text")


class Stored:
    """A row as read: cheap to hold, decoded only when asked."""

    __slots__ = ("__dict__", "id", "kind", "name", "namespace", "node", "number", "raw", "uid")

    def __init__(
        self, kind: Kind, id: int, namespace: str, name: str, uid: str, node: str, number: int, raw: str
    ) -> None:
        self.kind, self.id, self.namespace, self.name = kind, id, namespace, name
        self.uid, self.node, self.number, self.raw = uid, node, number, raw

    @cached_property
    def text(self) -> str:
        """The object as served, JSON."""
        return unsealed(self.kind, self.uid, self.raw)

    @cached_property
    def object(self) -> Any:
        """The kind's struct, for all who read this row: not to be changed."""
        return self.copy()

    def copy(self) -> Any:
        """The kind's struct, for the caller to change."""
        return types.decode(self.kind.schema, self.text)

    def says(self, obj: Any) -> bool:
        """Whether ``obj`` is what this row holds already."""
        return types.encode(obj) == self.text.encode()

    @property
    def labels(self) -> dict[str, str]:
        labels: dict[str, str] = self.object.metadata.labels
        return labels


    @property
    def before(self) -> str:
        """What selectors see of the object, JSON: told beside the change that ends it."""
        seen = {
            "labels": self.labels, "fields": self.kind.selectable(self.object), "node": self.node,
            "number": self.number,
        }  # fmt: skip
        return msgspec.json.encode(seen).decode()


class Sealable(Protocol):
    """What keeps its text once it was asked for."""

    @property
    def kind(self) -> Kind: ...

    @property
    def text(self) -> str: ...


def unseal_all(rows: Iterable[Sealable]) -> None:
    """Unseal here, where the database may be asked for a key: the event loop that hands the rows on must not ask."""
    for row in rows:
        if row.kind.sealed:
            row.text  # noqa: B018


def sealed(kind: Kind, uid: str, text: str) -> str:
    """``text`` as it may be stored: sealed fields replaced by their ciphertext."""
    if not kind.sealed:
        return text
    data: dict[str, Any] = msgspec.json.decode(text)
    for field in kind.sealed:
        if field in data:
            data[field] = seal.seal(msgspec.json.encode(data[field]), f"{kind.key}/{uid}/{field}")
    return msgspec.json.encode(data).decode()


def unsealed(kind: Kind, uid: str, text: str) -> str:
    """The reverse of ``sealed``."""
    if not kind.sealed:
        return text
    data: dict[str, Any] = msgspec.json.decode(text)
    for field in kind.sealed:
        if isinstance(data.get(field), str):
            data[field] = msgspec.json.decode(seal.unseal(data[field], f"{kind.key}/{uid}/{field}"))
    return msgspec.json.encode(data).decode()
