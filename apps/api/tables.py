"""Lists as tables, the form that kubectl prints: columns come from the kind's declaration."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from apps.cluster import types
from apps.cluster.errors import BadRequest
from apps.cluster.registry import Kind

INCLUDES = ("Metadata", "Object", "None")


class Shown(Protocol):
    """An object as read: its text as served, and typed."""

    @property
    def text(self) -> str: ...

    @property
    def object(self) -> Any: ...


def include_object(value: str) -> str:
    """What each row carries besides its cells; the default is the metadata."""
    if value not in ("", *INCLUDES):
        raise BadRequest(
            f'includeObject: Unsupported value: "{value[:40]}": supported values: {", ".join(INCLUDES)}'
        )
    return value or "Metadata"


def definitions(kind: Kind) -> list[dict[str, Any]]:
    """The columns' heads."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": "name" if column.name == "Name" else "",
            "description": column.description,
            "priority": 1 if column.wide else 0,
        }
        for column in kind.columns
    ]


def table(
    kind: Kind,
    rows: Iterable[Shown],
    *,
    include: str,
    now: datetime,
    meta: dict[str, Any],
    heads: bool = True,
) -> bytes:
    """A Table; without ``heads`` its columns are those of the table before it in the same watch."""
    columns = types.encode(definitions(kind) if heads else None)
    cells = b",".join(_row(kind, row, include, now) for row in rows)
    return (
        b'{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":%s,"columnDefinitions":%s,"rows":[%s]}'
        % (types.encode(meta), columns, cells)
    )


def _row(kind: Kind, row: Shown, include: str, now: datetime) -> bytes:
    obj = row.object
    cells = types.encode([column.cell(obj, now) for column in kind.columns])
    if include == "None":
        return b'{"cells":%s}' % cells
    carried = row.text.encode() if include == "Object" else partial(obj)
    return b'{"cells":%s,"object":%s}' % (cells, carried)


def partial(obj: Any) -> bytes:
    """An object's metadata alone."""
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%s}' % types.encode(
        obj.metadata
    )


def partial_list(objects: Sequence[Any], meta: dict[str, Any]) -> bytes:
    return (
        b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":%s,"items":[%s]}'
        % (types.encode(meta), b",".join(map(partial, objects)))
    )


def plain(heads: Sequence[str], rows: Iterable[tuple[Sequence[str], Any]], meta: dict[str, Any]) -> bytes:
    """A Table of what is no kind: words in columns, each row with its metadata."""
    columns = [
        {"name": head, "type": "string", "format": "name" if head == "Name" else "", "description": "", "priority": 0}
        for head in heads
    ]
    shown = [
        {"cells": cells, "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": one}}
        for cells, one in rows
    ]
    return types.encode({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": columns, "rows": shown,
    })  # fmt: skip
