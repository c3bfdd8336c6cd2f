"""The fields of an object as a set of paths, and that set as ``fieldsV1`` says it.

A path's steps are spelled as on the wire: ``f:<field>``, ``k:{"name":"web"}`` for an item of a list that merges by
keys, ``v:"x"`` for a plain value in such a list. Paths end where one owner has it all: at plain values, at lists
and maps that are set as a whole, at what is empty; an item of a merging list is a path itself too.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from apps.api.patches.merge_keys import Merge, Part, parts_of

Path = tuple[str, ...]
Fields = frozenset[Path]

ITEM = object()
"""The value of a path that is an item itself: items are equal, their fields may not be."""
_DEFAULT_KEYS = {"protocol": "TCP"}
_PLAIN = Part(None, None, is_map=False, atomic=True)


class Unreadable(ValueError):
    """No ``fieldsV1``."""


def leaves(data: Mapping[str, Any], schema: type[Any]) -> dict[Path, Any]:
    """The paths of an object of the API type ``schema``, each with its value."""
    found: dict[Path, Any] = {}
    _walk(data, Part(schema, None, is_map=False), (), found)
    return found


def inside(part: Part, name: str) -> Part:
    """What a field of a struct, or a value of a map, holds."""
    if part.is_map:
        return _PLAIN if part.inner is None else Part(part.inner, None, is_map=False)
    return _PLAIN if part.inner is None else parts_of(part.inner).get(name, _PLAIN)


def item_steps(items: list[Any], merge: Merge) -> list[str] | None:
    """The step that names each item, or None for a list that cannot be told apart by its keys."""
    steps = [_item_step(item, merge) for item in items]
    if None in steps or len({*steps}) != len(steps):
        return None
    return [step for step in steps if step is not None]


def _item_step(item: Any, merge: Merge) -> str | None:
    if not merge.key:
        return None if isinstance(item, dict | list) else f"v:{orjson.dumps(item).decode()}"
    if not isinstance(item, dict):
        return None
    keys = {name: item.get(name, _DEFAULT_KEYS.get(name)) for name in (merge.key, merge.also) if name}
    if any(value is None or isinstance(value, dict | list) for value in keys.values()):
        return None
    return f"k:{orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()}"


def _walk(value: Any, part: Part, path: Path, found: dict[Path, Any]) -> None:
    if not part.atomic and value:
        if isinstance(value, dict):
            for name, below in value.items():
                _walk(below, inside(part, name), (*path, f"f:{name}"), found)
            return
        if isinstance(value, list) and part.merge is not None:
            steps = item_steps(value, part.merge)
            if steps is not None:
                of_item = Part(part.inner, None, is_map=False)
                for step, item in zip(steps, value, strict=True):
                    found[*path, step] = ITEM
                    if isinstance(item, dict):
                        _walk(item, of_item, (*path, step), found)
                return
    found[path] = value


def to_fields_v1(paths: Iterable[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    nodes = []
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        nodes.append(node)
    for node in nodes:
        if node:
            node["."] = {}
    return tree


def from_fields_v1(tree: Any) -> Fields:
    """Raises Unreadable."""
    found: set[Path] = set()
    _read(tree, (), found)
    return frozenset(found)


def _read(tree: Any, path: Path, found: set[Path]) -> None:
    if not isinstance(tree, dict):
        raise Unreadable("a set of fields is an object")
    for step, below in tree.items():
        if step == ".":
            found.add(path)
        elif not step.startswith(("f:", "k:", "v:", "i:")):
            raise Unreadable(f"{step[:40]} names no field")
        elif below == {}:
            found.add((*path, step))
        else:
            _read(below, (*path, step), found)


def shown(path: Path) -> str:
    """A path for people: ``.spec.containers[name="web"].image``."""
    return "".join(f".{step[2:]}" if step.startswith("f:") else f"[{_shown_item(step)}]" for step in path)


def _shown_item(step: str) -> str:
    if not step.startswith("k:"):
        return f"={step[2:]}"
    try:
        keys = orjson.loads(step[2:])
    except orjson.JSONDecodeError:
        keys = None
    if not isinstance(keys, dict):
        return step[2:]
    return ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in keys.items())
