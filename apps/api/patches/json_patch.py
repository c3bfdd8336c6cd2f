"""JSON patch (RFC 6902): a list of operations, each at a JSON pointer (RFC 6901)."""

import copy
import re
from collections.abc import Callable
from typing import Any

from apps.api.patches.refusals import MalformedPatch, PatchDoesNotApply

MOST_OPERATIONS = 10_000
MOST_COPIED = 3 * 1024 * 1024  # what "copy" operations may add together: a few can otherwise double without end
A_VALUE = 16  # what a value weighs beside its text
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)

Path = tuple[str, ...]


def apply_json_patch(target: Any, operations: Any) -> Any:
    """The document after all operations; raises at the first that cannot be done, and nothing is changed then."""
    if not isinstance(operations, list):
        raise MalformedPatch("a JSON patch is a list of operations")
    if len(operations) > MOST_OPERATIONS:
        raise MalformedPatch(f"a JSON patch may hold at most {MOST_OPERATIONS} operations")
    document, copied = copy.deepcopy(target), 0
    for number, operation in enumerate(operations):
        where = f"operation {number}"
        if not isinstance(operation, dict):
            raise MalformedPatch(f"{where} is not an object")
        name = operation.get("op")
        if not isinstance(name, str) or name not in OPERATIONS:
            raise MalformedPatch(f"{where}: op must be one of {', '.join(OPERATIONS)}")
        try:
            if name == "copy":
                copied += _weight(_read(document, _path(operation, "from")))
                if copied > MOST_COPIED:
                    raise MalformedPatch("the copy operations copy too much")
            document = OPERATIONS[name](document, operation)
        except (MalformedPatch, PatchDoesNotApply) as refused:
            raise type(refused)(f"{where} ({name}): {refused}") from None
    return document


def _add(document: Any, operation: dict[str, Any]) -> Any:
    return _put(document, _path(operation, "path"), copy.deepcopy(_value(operation)), insert=True)


def _replace(document: Any, operation: dict[str, Any]) -> Any:
    path = _path(operation, "path")
    _read(document, path)
    return _put(document, path, copy.deepcopy(_value(operation)), insert=False)


def _remove(document: Any, operation: dict[str, Any]) -> Any:
    return _without(document, _path(operation, "path"))


def _move(document: Any, operation: dict[str, Any]) -> Any:
    source, path = _path(operation, "from"), _path(operation, "path")
    if path[: len(source)] == source and path != source:
        raise PatchDoesNotApply("a value cannot move into itself")
    value = _read(document, source)
    if path == source:
        return document
    return _put(_without(document, source), path, value, insert=True)


def _copy(document: Any, operation: dict[str, Any]) -> Any:
    value = copy.deepcopy(_read(document, _path(operation, "from")))
    return _put(document, _path(operation, "path"), value, insert=True)


def _test(document: Any, operation: dict[str, Any]) -> Any:
    path = _path(operation, "path")
    if not _same(_read(document, path), _value(operation)):
        raise PatchDoesNotApply(f"the value at {_shown(path)} is another one")
    return document


OPERATIONS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _path(operation: dict[str, Any], member: str) -> Path:
    text = operation.get(member)
    if not isinstance(text, str):
        raise MalformedPatch(f"{member} must be a string")
    if text and not text.startswith("/"):
        raise MalformedPatch(f"{member} must be empty or begin with /")
    if re.search(r"~(?![01])", text):
        raise MalformedPatch(f"{member}: ~ must be written ~0")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise MalformedPatch("value is missing")
    return operation["value"]


def _shown(path: Path) -> str:
    return "/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in path) if path else "the root"


def _index(part: str, limit: int, path: Path) -> int:
    if not _INDEX.fullmatch(part):
        raise PatchDoesNotApply(f"{_shown(path)}: {part!r} is no index of a list")
    index = int(part)
    if index > limit:
        raise PatchDoesNotApply(f"{_shown(path)}: index {index} is past the end")
    return index


def _read(document: Any, path: Path) -> Any:
    for depth, part in enumerate(path):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list):
            document = document[_index(part, len(document) - 1, path[: depth + 1])]
        else:
            raise PatchDoesNotApply(f"there is nothing at {_shown(path[: depth + 1])}")
    return document


def _put(document: Any, path: Path, value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    holder, last = _read(document, path[:-1]), path[-1]
    if isinstance(holder, dict):
        holder[last] = value
    elif isinstance(holder, list) and insert:
        holder.insert(len(holder) if last == "-" else _index(last, len(holder), path), value)
    elif isinstance(holder, list):
        holder[_index(last, len(holder) - 1, path)] = value
    else:
        raise PatchDoesNotApply(f"{_shown(path[:-1])} is neither an object nor a list")
    return document


def _without(document: Any, path: Path) -> Any:
    if not path:
        return None
    _read(document, path)
    holder, last = _read(document, path[:-1]), path[-1]
    if isinstance(holder, dict):
        del holder[last]
    else:
        del holder[int(last)]
    return document


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: Python alone would take true for 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _weight(value: Any) -> int:
    if isinstance(value, dict):
        return A_VALUE + sum(len(name) + _weight(one) for name, one in value.items())
    if isinstance(value, list):
        return A_VALUE + sum(map(_weight, value))
    return A_VALUE + (len(value) if isinstance(value, str) else 0)
