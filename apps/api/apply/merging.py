"""Puts what a client applies into an object, and takes out what it no longer applies."""

from collections.abc import Iterable
from typing import Any

import orjson

from apps.api.apply.fields import Path, inside, item_steps
from apps.api.patches.merge_keys import Part


def merged(live: Any, wanted: Any, schema: type[Any]) -> Any:
    """``live`` with every field of ``wanted``; neither is touched."""
    return _merged(live, wanted, Part(schema, None, is_map=False))


def _merged(live: Any, wanted: Any, part: Part) -> Any:
    if part.atomic:
        return wanted
    if isinstance(live, dict) and isinstance(wanted, dict):
        result = dict(live)
        for name, value in wanted.items():
            result[name] = _merged(result.get(name), value, inside(part, name))
        return result
    if isinstance(live, list) and isinstance(wanted, list) and part.merge is not None:
        had, has = item_steps(live, part.merge), item_steps(wanted, part.merge)
        if had is not None and has is not None:
            return _merged_list(dict(zip(had, live, strict=True)), dict(zip(has, wanted, strict=True)), part)
    return wanted


def _merged_list(live: dict[str, Any], wanted: dict[str, Any], part: Part) -> list[Any]:
    """In the order of ``wanted``; an item that only ``live`` has stays before the one it stood before."""
    of_item = Part(part.inner, None, is_map=False, atomic=part.inner is None)
    others = [*live]
    result = []
    for step, item in wanted.items():
        if step in others:
            place = others.index(step)
            result += [live[other] for other in others[:place] if other not in wanted]
            others = others[place + 1 :]
        result.append(_merged(live[step], item, of_item) if step in live else item)
    return result + [live[other] for other in others if other not in wanted]


def without(data: Any, paths: Iterable[Path]) -> Any:
    """``data`` without these fields, and without what is left empty by that."""
    # Items before the fields inside them; a field that is gone with its item is passed over.
    for path in sorted(paths, key=len):
        if not _is_key(path):
            data = _without(data, path)
    return data


def _is_key(path: Path) -> bool:
    """What names an item stays for as long as the item does."""
    *_, holder, last = ("", *path)
    return holder.startswith("k:") and last.removeprefix("f:") in _keys(holder)


def _keys(step: str) -> dict[str, Any]:
    try:
        keys = orjson.loads(step[2:])
    except orjson.JSONDecodeError:
        return {}
    return keys if isinstance(keys, dict) else {}


def _without(data: Any, path: Path) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(data, dict) and step.startswith("f:") and step[2:] in data:
        name = step[2:]
        below = _without(data[name], rest) if rest else None
        if below in (None, {}, []):
            return {key: value for key, value in data.items() if key != name}
        return {**data, name: below}
    if isinstance(data, list):
        place = _place(data, step)
        if place is not None:
            below = [_without(data[place], rest)] if rest else []
            return [*data[:place], *below, *data[place + 1 :]]
    return data


def _place(items: list[Any], step: str) -> int | None:
    if step.startswith("v:"):
        return next((at for at, item in enumerate(items) if orjson.dumps(item).decode() == step[2:]), None)
    keys = _keys(step)
    for at, item in enumerate(items):
        # Keys that a default fills in may be absent from the item.
        if keys and isinstance(item, dict) and all(item.get(key, want) == want for key, want in keys.items()):
            return at
    return None
