"""The base of every API type: how names are spelled on the wire, how values are encoded and decoded."""

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, TypeVar

import msgspec

from apps.cluster.types import extensions
from apps.cluster.types.extensions import EXTENSIONS, PREFIX
from apps.cluster.types.walk import convert

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


class Extensible(Wire, kw_only=True):
    """A type to which authors may add keys of their own, ``x-...``: kept where they stand, read by nobody."""

    extensions: dict[Annotated[str, msgspec.Meta(pattern=f"^{PREFIX}[^*]")], Any] = msgspec.field(
        default_factory=dict, name=EXTENSIONS
    )


Quantity = str | int | float
"""An amount as it is written: ``500m``, ``1Gi``, 2."""

T = TypeVar("T")

_EXTENDED = f'"{EXTENSIONS}":{{'.encode()
_encoder = msgspec.json.Encoder(decimal_format="number")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def encode(value: Any) -> bytes:
    """JSON as served; absent fields are left out."""
    text = _encoder.encode(value)
    return _encoder.encode(extensions.spread(msgspec.json.decode(text))) if _EXTENDED in text else text


def decode(cls: type[T], data: bytes | str) -> T:
    """Strict: raises ``msgspec.ValidationError`` at the first unknown field or wrong type."""
    decoder = _decoders.get(cls)
    if decoder is None:
        decoder = _decoders[cls] = msgspec.json.Decoder(cls)
    try:
        decoded: T = decoder.decode(data)
    except msgspec.ValidationError:
        if not extensions.has_room(cls):
            raise
        return convert(cls, msgspec.json.decode(data))
    return decoded


def to_data(value: Any) -> Any:
    """The plain dicts and lists of an API type, as JSON would hold them."""
    data = msgspec.to_builtins(value)
    return extensions.spread(data) if extensions.has_room(type(value)) else data


def bare_data(value: Any) -> Any:
    """``to_data`` without the keys that are an author's own."""
    return extensions.dropped(msgspec.to_builtins(value))


def now() -> datetime:
    """The present in UTC at the API's resolution of one second."""
    return datetime.now(UTC).replace(microsecond=0)
