"""Reads YAML that strangers wrote: plain data as JSON could hold it, within limits, each key once. No Django here.

What is nested without end would overflow the parser's own stack, and the process with it; so the nesting is counted
first, on the parser's events, which take no stack.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import orjson
import yaml

MOST_DEPTH = 100
MOST_VALUES = 500_000  # aliases can say much more than they write
MOST_TEXT = 3 * 1024 * 1024  # characters, for the same reason


class Mark(NamedTuple):
    """A place in a text, counted from 1 as editors do."""

    line: int
    column: int


class Unreadable(ValueError):
    """Why it cannot be read, in words that fit behind "the body"; ``mark`` says where, when that is known."""

    mark: Mark | None = None


def read(text: bytes) -> list[Any]:
    """The documents of a YAML text, JSON included. Raises Unreadable."""
    try:
        _check_nesting(text)
        found = [*yaml.load_all(text, _Loader)]  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        unreadable = Unreadable(f"is not valid YAML: {_told(error)}")
        unreadable.mark = _mark_of(error)
        raise unreadable from None
    return [_plain(document) for document in found]


def check_size(data: Any) -> None:
    """Refuse what is nested so deep, or holds so much, that walking it would hurt. Raises Unreadable."""
    level, depth, values, text = [data], 0, 0, 0
    while level:
        depth += 1
        values += len(level)
        if depth > MOST_DEPTH:
            raise Unreadable(f"is nested deeper than {MOST_DEPTH} levels")
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                text += len(value)
            elif isinstance(value, dict):
                text += sum(len(key) for key in value if isinstance(key, str))
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            if text > MOST_TEXT:
                raise Unreadable(f"holds more than {MOST_TEXT} characters")
            if values + len(below) > MOST_VALUES:
                raise Unreadable(f"holds more than {MOST_VALUES} values")
        level = below


def place(text: bytes, path: str) -> str:
    """``, line 12, column 5``: where a field such as ``spec.components[web].image`` stands in the first document of a
    text, or the nearest that does; "" when nothing of it is there."""
    mark = marks(text, [path])[0]
    return f", line {mark.line}, column {mark.column}" if mark else ""


def marks(text: bytes, paths: Iterable[str]) -> list[Mark | None]:
    """As ``place``, for many fields of one text."""
    tree = next(yaml.compose_all(text, _Loader), None)
    return [_mark(tree, path) for path in paths]


def _mark(node: yaml.Node | None, path: str) -> Mark | None:
    mark = None
    rest = path
    while rest and node is not None:
        found = _step(node, rest)
        if found is None:
            break
        mark, node, rest = found
    return Mark(mark.line + 1, mark.column + 1) if mark else None


def _step(node: yaml.Node, path: str) -> tuple[yaml.Mark, yaml.Node, str] | None:
    """The longest key, or the item, with which the path goes on below a node."""
    if isinstance(node, yaml.SequenceNode):
        number, _, rest = path.removeprefix("[").partition("]")
        if number.isdecimal() and int(number) < len(node.value):
            item = node.value[int(number)]
            return item.start_mark, item, rest.removeprefix(".")
        return None
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        for spelled in (f"[{key.value}]", key.value):
            if path == spelled or path.startswith((f"{spelled}.", f"{spelled}[")):
                return key.start_mark, value, path[len(spelled) :].removeprefix(".")
    return None


def _mark_of(error: Exception) -> Mark | None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return Mark(mark.line + 1, mark.column + 1) if mark is not None else None


def _told(error: Exception) -> str:
    mark = _mark_of(error)
    if isinstance(error, yaml.MarkedYAMLError) and mark is not None:
        return f"line {mark.line}, column {mark.column}: {error.problem or error.context}"
    return " ".join(str(error).split())[:300]


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Plain data only: times stay text, and a key may stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} stands twice or is no text", problem_mark=key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _check_nesting(text: bytes) -> None:
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                raise Unreadable(f"is nested deeper than {MOST_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _plain(data: Any) -> Any:
    check_size(data)
    try:
        return orjson.loads(orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS))
    except (TypeError, ValueError) as error:
        raise Unreadable(f"cannot be said in JSON: {error}") from None
