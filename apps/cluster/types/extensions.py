"""Keys of an author's own, ``x-...``: on the wire they stand among a type's fields, in its struct they are one field.

That field's name holds a character that stands in no name of a field, a label or a variable, so it is never mistaken.
"""

from functools import cache
from typing import Any

from msgspec import inspect

PREFIX = "x-"
EXTENSIONS = "x-*"


def is_extension(name: Any, known: Any) -> bool:
    """Whether a key is its author's own, in an object of a type with these fields."""
    return EXTENSIONS in known and isinstance(name, str) and name.startswith(PREFIX) and name != EXTENSIONS


def has_room(cls: Any) -> bool:
    """Whether any part of a type takes such keys."""
    return _has_room(cls)


@cache
def _has_room(cls: Any) -> bool:
    return isinstance(cls, type) and any(
        EXTENSIONS in struct for struct in _structs(inspect.type_info(cls), {})
    )


def _structs(kind: inspect.Type, seen: dict[type, set[str]]) -> list[set[str]]:
    """The fields of every struct that a type is made of."""
    match kind:
        case inspect.StructType(cls=cls, fields=fields) if cls not in seen:
            seen[cls] = {field.encode_name for field in fields}
            for field in fields:
                _structs(field.type, seen)
        case inspect.ListType(item_type=inner) | inspect.DictType(value_type=inner):
            _structs(inner, seen)
        case inspect.UnionType(types=types):
            for one in types:
                _structs(one, seen)
    return [*seen.values()]


def gathered(known: Any, data: dict[str, Any]) -> dict[str, Any]:
    """An object as its struct has it: the author's own keys in their one field."""
    own = {name: item for name, item in data.items() if is_extension(name, known)}
    return (
        {**{name: item for name, item in data.items() if name not in own}, EXTENSIONS: own} if own else data
    )


def spread(data: Any) -> Any:
    """Plain data as it stands on the wire. What an author's own keys hold is left as it is."""
    if isinstance(data, dict):
        own = data.get(EXTENSIONS, {})
        return {**{name: spread(item) for name, item in data.items() if name != EXTENSIONS}, **own}
    return [spread(item) for item in data] if isinstance(data, list) else data


def dropped(data: Any) -> Any:
    """Plain data without what authors added."""
    if isinstance(data, dict):
        return {name: dropped(item) for name, item in data.items() if name != EXTENSIONS}
    return [dropped(item) for item in data] if isinstance(data, list) else data
