"""Objects as a typed client writes them in protobuf: the reverse of ``apps.api.protobuf``, over the same table."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apps.api import protobuf


def body(data: dict[str, Any]) -> bytes:
    """A whole request body for an object given as its JSON would be."""
    type_meta = message(n1=data["apiVersion"].encode(), n2=data["kind"].encode())
    name = protobuf.message_of(data["apiVersion"], data["kind"])
    return protobuf.MAGIC + message(n1=type_meta, n2=written(name, data))


def written(name: str, data: dict[str, Any]) -> bytes:
    fields: dict[str, Any] = {}
    for number, (field, kind) in protobuf._messages()[name].items():
        shape, _, inner = kind.rpartition(" ")
        if shape == "inline":
            fields[f"n{number}"] = written(inner, data)
        elif field not in data:
            continue
        elif shape == "map":
            pairs = data[field].items()
            fields[f"n{number}"] = [message(n1=key.encode(), n2=_value(inner, value)) for key, value in pairs]
        elif shape == "list":
            fields[f"n{number}"] = [_value(inner, value) for value in data[field]]
        elif kind != "ignored":
            fields[f"n{number}"] = _value(kind, data[field])
    return message(**fields)


def _value(kind: str, value: Any) -> bytes | int:
    match kind:
        case "string":
            return str(value).encode()
        case "bytes":
            return base64.b64decode(value)
        case "bool" | "int32" | "int64" | "uint32" | "uint64":
            return int(value) % (1 << 64)
        case "time":
            return message(n1=int(datetime.fromisoformat(value).timestamp()))
        case "quantity":
            return message(n1=str(value).encode())
        case "int-or-string":
            return message(n1=0, n2=value) if isinstance(value, int) else message(n1=1, n3=value.encode())
    return written(kind, value)


def message(**fields: bytes | int | Sequence[bytes | int]) -> bytes:
    """A message from its fields by number (``n1=...``)."""
    out = b""
    for name, value in fields.items():
        number = int(name[1:])
        for each in [value] if isinstance(value, bytes | int) else value:
            if isinstance(each, int):
                out += _varint(number << 3) + _varint(each)
            else:
                out += _varint(number << 3 | 2) + _varint(len(each)) + each
    return out


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes((value & 0x7F | 0x80,)), value >> 7
    return out + bytes((value,))
