"""Strategic merge patch: a merge patch that knows which lists merge by a key, and takes orders in ``$`` fields.

``$patch: replace | delete | merge`` on an object or list item, ``$setElementOrder/<list>``,
``$deleteFromPrimitiveList/<list>`` and ``$retainKeys``. What the type does not know merges as plain JSON and is
left for validation to refuse.
"""

from collections.abc import Mapping
from typing import Any

from apps.api.patches.merge_keys import Merge, Part, parts_of
from apps.api.patches.refusals import MalformedPatch

PATCH, RETAIN = "$patch", "$retainKeys"
ORDER, DELETE = "$setElementOrder/", "$deleteFromPrimitiveList/"
_PLAIN = Part(None, None, is_map=False)


def apply_strategic_patch(target: Any, patch: Any, schema: type[Any]) -> Any:
    """``target``, an object of the API type ``schema``, as ``patch`` wants it."""
    if not isinstance(patch, dict):
        raise MalformedPatch("a strategic merge patch is an object")
    return _merged(target if isinstance(target, dict) else {}, patch, parts_of(schema), None)


def _merged(
    target: dict[str, Any], patch: dict[str, Any], parts: Mapping[str, Part], every: Part | None
) -> dict[str, Any]:
    """One object merged; ``every`` describes the values when it is a map and not a struct."""
    whole = _directive(patch)
    if whole == "delete":
        return {}
    result = _prepared({} if whole == "replace" else dict(target), patch)
    orders = {name.removeprefix(ORDER): _listed(patch, name) for name in patch if name.startswith(ORDER)}
    for name, wanted in patch.items():
        if name.startswith("$"):
            continue
        if wanted is None:
            result.pop(name, None)
        else:
            part = every or parts.get(name, _PLAIN)
            result[name] = _value(name, result.get(name), wanted, part, orders.get(name))
    for name, order in orders.items():
        merge = parts.get(name, _PLAIN).merge
        before = target.get(name)
        if merge is not None and isinstance(result.get(name), list):
            result[name] = _ordered(result[name], before if isinstance(before, list) else [], order, merge)
    return result


def _prepared(result: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """``result`` after the orders that take something away, before anything is merged in."""
    for name in patch:
        if name == RETAIN:
            kept = _listed(patch, RETAIN)
            result = {field: value for field, value in result.items() if field in kept}
        elif name.startswith(DELETE):
            _delete_values(result, name.removeprefix(DELETE), _listed(patch, name))
        elif name.startswith("$") and name != PATCH and not name.startswith(ORDER):
            raise MalformedPatch(f"{name} is no directive of a strategic merge patch")
    return result


def _value(name: str, current: Any, wanted: Any, part: Part, order: list[Any] | None) -> Any:
    if isinstance(wanted, dict):
        inner = {} if part.is_map or part.inner is None else parts_of(part.inner)
        every = Part(part.inner, None, is_map=False) if part.is_map else None
        return _merged(current if isinstance(current, dict) else {}, wanted, inner, every)
    if isinstance(wanted, list):
        if part.merge is not None:
            return _merged_list(name, current if isinstance(current, list) else [], wanted, part, order)
        if any(isinstance(item, dict) and PATCH in item for item in wanted):
            return [item for item in wanted if not (isinstance(item, dict) and PATCH in item)]
    return wanted


def _merged_list(
    name: str, current: list[Any], wanted: list[Any], part: Part, order: list[Any] | None
) -> list[Any]:
    merge = part.merge or Merge()
    if any(isinstance(item, dict) and _directive(item) == "replace" for item in wanted):
        rest = [item for item in wanted if not (isinstance(item, dict) and item.get(PATCH) == "replace")]
        return _merged_list(name, [], rest, part, order)
    result = list(current)
    for item in wanted:
        if not merge.key:
            if item not in result:
                result.append(item)
            continue
        if not isinstance(item, dict) or item.get(merge.key) is None:
            raise MalformedPatch(f"an item of {name} lacks its merge key {merge.key}")
        if _directive(item) == "delete":
            result = [one for one in result if not _is(one, item, merge)]
            continue
        index = _find(result, item, merge, order)
        inner = parts_of(part.inner) if part.inner is not None else {}
        merged = _merged({} if index is None else result[index], item, inner, None)
        if index is None:
            result.append(merged)
        else:
            result[index] = merged
    return result


def _find(items: list[Any], item: dict[str, Any], merge: Merge, order: list[Any] | None) -> int | None:
    """Where the item that ``item`` changes stands.

    A second key decides only where it can: clients name the first alone, and changing the second (a port from TCP
    to UDP) must not add an item unless the wanted order says that both are to stay.
    """
    same = [
        n for n, one in enumerate(items) if isinstance(one, dict) and one.get(merge.key) == item[merge.key]
    ]
    if not same or not merge.also or merge.also not in item:
        return same[0] if same else None
    for n in same:
        if items[n].get(merge.also, item[merge.also]) == item[merge.also]:
            return n
    wished = sum(1 for one in order or () if isinstance(one, dict) and one.get(merge.key) == item[merge.key])
    return None if wished > len(same) else same[0]


def _is(one: Any, item: dict[str, Any], merge: Merge) -> bool:
    if not isinstance(one, dict) or one.get(merge.key) != item[merge.key]:
        return False
    return not merge.also or merge.also not in item or one.get(merge.also) == item[merge.also]


def _ordered(items: list[Any], before: list[Any], order: list[Any], merge: Merge) -> list[Any]:
    """The same items, those that ``order`` names in its order; the others keep their places among themselves.

    Where the two could stand either way, the order before the patch decides, and then the named come first.
    """
    wanted = [_identity(one, merge) for one in order]
    place = {identity: n for n, identity in reversed(list(enumerate(wanted)))}
    old = {_identity(one, merge): n for n, one in reversed(list(enumerate(before)))}
    named = sorted(
        (one for one in items if _identity(one, merge) in place), key=lambda o: place[_identity(o, merge)]
    )
    others = [one for one in items if _identity(one, merge) not in place]
    result: list[Any] = []
    while named and others:
        left, right = old.get(_identity(named[0], merge)), old.get(_identity(others[0], merge))
        first = named if left is None or right is None or left < right else others
        result.append(first.pop(0))
    return result + named + others


def _identity(one: Any, merge: Merge) -> str:
    return repr(one.get(merge.key)) if merge.key and isinstance(one, dict) else repr(one)


def _delete_values(result: dict[str, Any], name: str, unwanted: list[Any]) -> None:
    if isinstance(result.get(name), list):
        result[name] = [value for value in result[name] if value not in unwanted]


def _directive(patch: dict[str, Any]) -> str:
    word = patch.get(PATCH, "merge")
    if word not in ("replace", "delete", "merge"):
        raise MalformedPatch(f"{PATCH} must be replace, delete or merge, not {word!r}")
    return str(word)


def _listed(patch: dict[str, Any], name: str) -> list[Any]:
    if not isinstance(patch[name], list):
        raise MalformedPatch(f"{name} must be a list")
    return list(patch[name])
