"""Reads a value against an API type and names everything that is wrong with it, or drops what is unknown."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from apps.cluster.types.extensions import gathered, has_room, is_extension

T = TypeVar("T")
Fields = Mapping[str, inspect.Type]
Among = Callable[[Fields, dict[str, Any], str], dict[str, Any]]
"""What becomes of an object's keys, given the fields of its type and its path."""


class Problem(NamedTuple):
    """One thing wrong with an object: the field's path as in ``spec.ports[0].port`` and what is wrong there.

    ``reason`` is the API's cause: FieldValueInvalid, FieldValueRequired, FieldValueDuplicate, ...
    """

    path: str
    message: str
    reason: str = "FieldValueInvalid"


@cache
def _type_of(cls: Any) -> inspect.Type:
    return inspect.type_info(cls)


def prune_nulls(data: Any) -> Any:
    """The same value without nulls in objects: the API treats a null field as an absent one."""
    if isinstance(data, dict):
        return {key: prune_nulls(value) for key, value in data.items() if value is not None}
    if isinstance(data, list):
        return [prune_nulls(value) for value in data]
    return data


def problems(cls: Any, data: Any) -> list[Problem]:
    """Every unknown field, missing field and wrong type of ``data``, in the order of the data."""
    return list(_problems(_type_of(cls), data, ""))


def without_unknown(cls: Any, data: Any) -> tuple[Any, list[str]]:
    """``data`` without the fields that ``cls`` does not know, and the paths of those."""
    unknown: list[str] = []

    def known_only(known: Fields, data: dict[str, Any], path: str) -> dict[str, Any]:
        unfit = [name for name in data if name not in known and not is_extension(name, known)]
        unknown.extend(_join(path, name) for name in unfit)
        return {name: item for name, item in data.items() if name not in unfit}

    return _rebuilt(_type_of(cls), data, "", known_only), unknown


def convert(cls: type[T], data: Any) -> T:
    """Strict: raises ``msgspec.ValidationError``; ask ``problems`` for the whole list then."""
    return msgspec.convert(_gathered(cls, data) if has_room(cls) else data, cls)


def _gathered(cls: Any, data: Any) -> Any:
    """Wire data as structs have it: the author's own keys in their one field."""
    return _rebuilt(_type_of(cls), data, "", lambda known, found, _: gathered(known, found))


def decode_lenient(cls: type[T], data: bytes | str) -> T:
    """For readers that may be older than the writer: fields that are not known are passed over."""
    try:
        return msgspec.json.decode(data, type=cls)
    except msgspec.ValidationError:
        known, _ = without_unknown(cls, msgspec.json.decode(data))
        return convert(cls, known)


def guess(name: str, known: Iterable[str]) -> str:
    """``; did you mean "replicas"?``, or nothing when nothing known is close."""
    close = get_close_matches(name, [*known], n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _choices(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _struct_of(kind: inspect.Type) -> inspect.StructType | None:
    return next((choice for choice in _choices(kind) if isinstance(choice, inspect.StructType)), None)


def _problems(kind: inspect.Type, data: Any, path: str) -> Iterator[Problem]:
    struct = _struct_of(kind)
    if struct is not None and isinstance(data, dict):
        yield from _struct_problems(struct, data, path)
        return
    for choice in _choices(kind):
        if isinstance(choice, inspect.ListType) and isinstance(data, list):
            for index, item in enumerate(data):
                yield from _problems(choice.item_type, item, f"{path}[{index}]")
            return
        if isinstance(choice, inspect.DictType) and isinstance(data, dict):
            for key, item in data.items():
                yield from _problems(choice.value_type, item, f"{path}[{key}]")
            return
    if not any(_fits(choice, data) for choice in _choices(kind)):
        wanted = " or ".join(word for word in map(_word, _choices(kind)) if word != "null")
        yield Problem(path, f"Invalid value: {_shown(data)}: must be {wanted}", "FieldValueTypeInvalid")


def _struct_problems(struct: inspect.StructType, data: dict[str, Any], path: str) -> Iterator[Problem]:
    known = {field.encode_name: field for field in struct.fields}
    for name, item in data.items():
        if is_extension(name, known):
            continue
        if name not in known:
            yield Problem(_join(path, name), f"unknown field{guess(name, known)}", "FieldValueUnknown")
        else:
            yield from _problems(known[name].type, item, _join(path, name))
    for name, field in known.items():
        if field.required and name not in data:
            yield Problem(_join(path, name), "Required value", "FieldValueRequired")


def _rebuilt(kind: inspect.Type, data: Any, path: str, among: Among) -> Any:
    """The same value, each object of a struct's fields as ``among`` has it."""
    struct = _struct_of(kind)
    if struct is not None and isinstance(data, dict):
        known = {field.encode_name: field.type for field in struct.fields}
        return {
            name: _rebuilt(known[name], item, _join(path, name), among) if name in known else item
            for name, item in among(known, data, path).items()
        }
    for choice in _choices(kind):
        if isinstance(choice, inspect.ListType) and isinstance(data, list):
            return [_rebuilt(choice.item_type, v, f"{path}[{i}]", among) for i, v in enumerate(data)]
        if isinstance(choice, inspect.DictType) and isinstance(data, dict):
            return {key: _rebuilt(choice.value_type, v, f"{path}[{key}]", among) for key, v in data.items()}
    return data


_WORDS: dict[type[inspect.Type], str] = {
    inspect.StrType: "a string",
    inspect.IntType: "an integer",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.ListType: "a list",
    inspect.DictType: "an object",
    inspect.StructType: "an object",
    inspect.NoneType: "null",
    inspect.DateTimeType: "a time such as 2026-01-31T12:00:00Z",
}


def _word(kind: inspect.Type) -> str:
    return _WORDS.get(type(kind), "another type")


def _fits(kind: inspect.Type, data: Any) -> bool:
    match kind:
        case inspect.AnyType():
            return True
        case inspect.NoneType():
            return data is None
        case inspect.BoolType():
            return isinstance(data, bool)
        case inspect.IntType():
            return isinstance(data, int) and not isinstance(data, bool) and -(2**63) <= data < 2**63
        case inspect.FloatType():
            return isinstance(data, int | float) and not isinstance(data, bool)
        case inspect.StrType():
            return isinstance(data, str)
        case inspect.DateTimeType():
            return isinstance(data, datetime) or (isinstance(data, str) and _is_time(data))
    return False


def _is_time(text: str) -> bool:
    try:
        msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return False
    return True


def _shown(data: Any) -> str:
    """The value as messages show it: short, on one line."""
    text = msgspec.json.encode(data).decode() if not isinstance(data, datetime) else str(data)
    return re.sub(r"\s+", " ", text)[:80]
