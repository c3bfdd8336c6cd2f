"""Reads protobuf bodies, as kubectl's typed requests are since 1.32; answers are always JSON.

``protobuf_fields.json`` holds, per message, field number -> [name, type]: Kubernetes' published numbers of our kinds
and of all that they are made of. An ``inline`` message's fields are, in JSON, those of the message around it.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

MAGIC = b"k8s\x00"

# A zero that was written stands for "not set" everywhere but here: the sender writes these only when they are set.
_MEANT = frozenset({
    "activeDeadlineSeconds", "allocateLoadBalancerNodePorts", "allowPrivilegeEscalation",
    "automountServiceAccountToken", "backoffLimit", "completions", "defaultMode", "enableServiceLinks", "exitCode",
    "expirationSeconds", "failedJobsHistoryLimit", "fsGroup", "gracePeriodSeconds", "hostUsers", "immutable", "mode",
    "optional", "orphanDependents", "parallelism", "priority", "privileged", "readOnlyRootFilesystem", "ready",
    "replicas", "revisionHistoryLimit", "runAsGroup", "runAsNonRoot", "runAsUser", "seconds", "serving",
    "setHostnameAsFQDN", "shareProcessNamespace", "stabilizationWindowSeconds", "successfulJobsHistoryLimit",
    "terminating", "terminationGracePeriodSeconds", "tolerationSeconds", "ttlSecondsAfterFinished",
})  # fmt: skip
_NUMBERS = frozenset({"int32", "int64", "uint32", "uint64"})


@cache
def _messages() -> dict[str, dict[int, tuple[str, str]]]:
    """Read at the first such body: most processes never see one."""
    text = Path(__file__).with_name("protobuf_fields.json").read_text()
    return {
        message: {int(number): (name, kind) for number, (name, kind) in fields.items()}
        for message, fields in json.loads(text).items()
    }


class Undecodable(ValueError):
    """Not protobuf as Kubernetes frames it, or a message that is not known here."""


def decode(body: bytes) -> dict[str, Any]:
    """The object in the envelope, as its JSON would hold it."""
    if not body.startswith(MAGIC):
        raise Undecodable("the body lacks Kubernetes' prefix")
    try:
        envelope = dict(_fields(body[len(MAGIC) :]))
        type_meta = dict(_fields(_bytes(envelope.get(1, b""))))
        api_version, kind = _text(type_meta.get(1, b"")), _text(type_meta.get(2, b""))
        message = message_of(api_version, kind)
        if message not in _messages():
            raise Undecodable(f"{kind or 'an unnamed kind'} is not known here")
        return {"apiVersion": api_version, "kind": kind, **_message(message, _bytes(envelope.get(2, b"")))}
    except (IndexError, UnicodeDecodeError, TypeError, OverflowError, OSError) as error:
        raise Undecodable(f"the body is cut short or broken ({type(error).__name__})") from None


def message_of(api_version: str, kind: str) -> str:
    """The message of a kind: where two versions have one of the same name, the newer one's is told by its version."""
    versioned = f"{api_version}.{kind}"
    return versioned if versioned in _messages() else kind


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                number, at = _varint(data, at)
                yield tag >> 3, number
            case 2:
                length, at = _varint(data, at)
                if at + length > len(data):
                    raise IndexError("a field ends beyond its message")
                yield tag >> 3, data[at : at + length]
                at += length
            case 1 | 5 as width:
                at += 8 if width == 1 else 4
            case _:
                raise Undecodable("an unknown wire type")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise Undecodable("a number is too long")


def _message(message: str, data: bytes) -> dict[str, Any]:
    known, result = _messages()[message], dict[str, Any]()
    for number, raw in _fields(data):
        if number not in known:
            raise Undecodable(f"{message} has a field that is not known here, number {number}")
        name, kind = known[number]
        shape, _, inner = kind.rpartition(" ")
        if kind == "ignored":
            continue
        if shape == "inline":
            result |= _message(inner, _bytes(raw))
        elif shape == "map":
            entry = dict(_fields(_bytes(raw)))
            key = _text(entry.get(1, b""))
            result.setdefault(name, {})[key] = _value(inner, entry.get(2, b""))
        elif shape == "list":
            result.setdefault(name, []).append(_value(inner, raw))
        else:
            value = _value(inner, raw)
            if value not in (None, "", 0, False, {}) or (name in _MEANT and value is not None):
                result[name] = value
    return result


def _value(kind: str, raw: int | bytes) -> Any:
    if kind == "string":
        return _text(raw)
    if kind == "bytes":
        return base64.b64encode(_bytes(raw)).decode()
    if kind == "bool":
        return bool(raw)
    if kind in _NUMBERS:
        return _signed(raw)
    fields = dict(_fields(_bytes(raw))) if kind in {"time", "quantity", "int-or-string"} else {}
    if kind == "time":
        seconds = _signed(fields.get(1, 0))
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
    if kind == "quantity":
        return _text(fields.get(1, b""))
    if kind == "int-or-string":
        return _text(fields.get(3, b"")) if fields.get(1) else _signed(fields.get(2, 0))
    return _message(kind, _bytes(raw))


def _bytes(raw: int | bytes) -> bytes:
    if not isinstance(raw, bytes):
        raise TypeError("a number where a message belongs")
    return raw


def _text(raw: int | bytes) -> str:
    return _bytes(raw).decode()


def _signed(raw: int | bytes) -> int:
    if not isinstance(raw, int):
        raise TypeError("a message where a number belongs")
    return raw - (1 << 64) if raw >> 63 else raw
