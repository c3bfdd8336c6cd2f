"""The base of every API type: how names are spelled on the wire, how values are encoded and decoded."""

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import msgspec

# Words the API writes in capitals wherever they are not the first of a name (``podIP``, ``containerID``).
_CAPITALS = {
    "ip": "IP", "ips": "IPs", "id": "ID", "uuid": "UUID", "cidr": "CIDR", "cidrs": "CIDRs",
    "pid": "PID", "ipc": "IPC", "urls": "URLs", "api": "API", "fqdn": "FQDN",
}  # fmt: skip


@cache
def wire_name(attribute: str) -> str:
    """``pod_ip`` -> ``podIP``: a Python attribute's name in the API's spelling."""
    first, *rest = attribute.rstrip("_").split("_")
    return first + "".join(_CAPITALS.get(word, word.capitalize()) for word in rest)


class Wire(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, rename=wire_name, gc=False):
    """One API type. A field's default is always "absent"; the API's defaults are set inside the write.

    API objects are trees, so the cycle collector need not visit them: thousands are decoded at a time.
    """


Quantity = str | int | float
"""An amount as it is written: ``500m``, ``1Gi``, 2."""

T = TypeVar("T")

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def encode(value: Any) -> bytes:
    """JSON as served; absent fields are left out."""
    return _encoder.encode(value)


def decode(cls: type[T], data: bytes | str) -> T:
    """Strict: raises ``msgspec.ValidationError`` at the first unknown field or wrong type."""
    decoder = _decoders.get(cls)
    if decoder is None:
        decoder = _decoders[cls] = msgspec.json.Decoder(cls)
    decoded: T = decoder.decode(data)
    return decoded


def to_data(value: Any) -> Any:
    """The plain dicts and lists of an API type, as JSON would hold them."""
    return msgspec.to_builtins(value)


def now() -> datetime:
    """The present in UTC at the API's resolution of one second."""
    return datetime.now(UTC).replace(microsecond=0)
