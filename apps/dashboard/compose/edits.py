"""What can be done to a plan on the canvas: each takes its plain data and returns it changed. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from apps.catalog import references

Data = dict[str, Any]


def component(data: Data, name: str, content: Data | None) -> Data:
    """With one component as given; None takes out just the component itself."""
    made = copy.deepcopy(data)
    parts = made.setdefault("components", {})
    if content is None:
        parts.pop(name, None)
    else:
        parts[name] = content
    return made


def remove(data: Data, name: str) -> Data:
    """Without a component, the ways in that lead to it, and the variables by which others find it."""
    made = component(data, name, None)
    for other in made["components"]:
        made = disconnect(made, other, name)
    ways = {way: one for way, one in made.get("endpoints", {}).items() if one.get("component") != name}
    return _with(made, "endpoints", ways)


def rename(data: Data, old: str, new: str) -> Data:
    """A component under another name, everywhere."""
    made: Data = _texts(data, lambda text: references.renamed(text, "components", old, new))
    parts = made.get("components", {})
    made["components"] = {new if name == old else name: content for name, content in parts.items()}
    for content in made["components"].values():
        if old in content.get("after", {}):
            content["after"] = {new if on == old else on: stage for on, stage in content["after"].items()}
    for way in made.get("endpoints", {}).values():
        if way.get("component") == old:
            way["component"] = new
    for check in made.get("checks", []):
        if check.get("exec", {}).get("component") == old:
            check["exec"]["component"] = new
    return made


def connect(data: Data, of: str, on: str, variables: Mapping[str, str], stage: str = "") -> Data:
    """``of`` finds ``on`` by these variables, and starts after it when a ``stage`` is given."""
    made = copy.deepcopy(data)
    content = made["components"][of]
    if variables:
        content["env"] = {**content.get("env", {}), **variables}
    if stage:
        content["after"] = {**content.get("after", {}), on: stage}
    return made


def disconnect(data: Data, of: str, on: str) -> Data:
    """``of`` without the variables that refer to ``on``, and without waiting for it."""
    made = copy.deepcopy(data)
    content = made["components"][of]
    env = {name: value for name, value in content.get("env", {}).items() if on not in _named(value)}
    after = {name: stage for name, stage in content.get("after", {}).items() if name != on}
    made["components"][of] = _with(_with(content, "env", env), "after", after)
    return made


def reach(data: Data, name: str, way: Data | None) -> Data:
    """A component's way in from outside as given, None for none; its first one where there are several."""
    made = copy.deepcopy(data)
    ways = made.get("endpoints", {})
    called = way_of(data, name)
    if way is None:
        return _with(made, "endpoints", {one: ways[one] for one in ways if one != called})
    called = called or free(name, ways)
    first = {} if ways else {"primary": True}
    kept = ways.get(called, {"component": name, **first})
    made["endpoints"] = {
        **ways,
        called: {key: value for key, value in {**kept, **way}.items() if value != ""},
    }
    return made


def way_of(data: Data, name: str) -> str:
    """The name of the first endpoint of a component, "" when nothing leads there."""
    ways = data.get("endpoints", {})
    return next((way for way, one in ways.items() if one.get("component") == name), "")


def free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, or the first of name-2, name-3, ... that is not taken."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found


def _named(value: Any) -> set[str]:
    """The components that a value refers to."""
    found: set[str] = set()
    with suppress(references.Malformed):
        for reference in references.references(value):
            if reference.root == "components" and len(reference.steps) > 1:
                found.add(reference.steps[1])
    return found


def _with(data: Data, key: str, value: Data) -> Data:
    """A key that holds nothing is left out."""
    rest = {name: one for name, one in data.items() if name != key}
    return {name: value if name == key else one for name, one in data.items()} if value else rest


def _texts(data: Any, change: Callable[[str], str]) -> Any:
    match data:
        case str():
            return change(data)
        case dict():
            return {key: _texts(value, change) for key, value in data.items()}
        case list():
            return [_texts(value, change) for value in data]
    return data
