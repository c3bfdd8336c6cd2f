"""What can be done to a plan on the canvas: each takes its plain data and returns it changed. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from apps.catalog import conditions, references
from apps.catalog.checking.components import used_privileges
from apps.catalog.format import Definition
from apps.cluster import types

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


def way(data: Data, name: str, content: Data | None) -> Data:
    """With a way in as given, None takes it out; one that opens the application takes that from the others."""
    first = content is not None and content.get("primary")
    ways = {
        one: {key: value for key, value in given.items() if not (first and key == "primary")}
        for one, given in data.get("endpoints", {}).items()
    }
    made = {**ways, name: content}
    return _with(data, "endpoints", {one: given for one, given in made.items() if given is not None})


def rename_way(data: Data, old: str, new: str) -> Data:
    """A way in under another name, everywhere."""
    made: Data = _texts(data, lambda text: references.renamed(text, "endpoints", old, new))
    ways = {new if name == old else name: one for name, one in made.get("endpoints", {}).items()}
    return _with(made, "endpoints", ways)


def check(data: Data, number: int, content: Data | None) -> Data:
    """With a check as given, None takes it out; the number behind the last one adds it."""
    there = data.get("checks", [])
    given = [] if content is None else [content]
    return _with(data, "checks", [*there[:number], *given, *there[number + 1 :]])


def check_earlier(data: Data, number: int) -> Data:
    """With a check asked before the one that it followed."""
    there = [*data.get("checks", [])]
    there.insert(max(number - 1, 0), there.pop(number))
    return _with(data, "checks", there)


def wait(data: Data, of: str, on: str, stage: str) -> Data:
    """``of`` starts after ``on`` has come so far, "" for not waiting."""
    content = data["components"][of]
    after = {name: one for name, one in {**content.get("after", {}), on: stage}.items() if one}
    return component(data, of, _with(content, "after", after))


def way_of(data: Data, name: str) -> str:
    """The name of the first endpoint of a component, "" when nothing leads there."""
    ways = data.get("endpoints", {})
    return next((way for way, one in ways.items() if one.get("component") == name), "")


def declared(data: Data, before: Data) -> Data:
    """With the privileges declared that its components use, and without those that only ``before`` had use for.
    Both are plans that the format knows."""
    wanted, had = _privileges(data), _privileges(before)
    there: list[str] = data.get("requires", {}).get("privileges", [])
    kept = [one for one in there if one in wanted or one not in had]
    kept += [one for one in wanted if one not in kept]
    return data if kept == there else _with(data, "requires", _with(data.get("requires", {}), "privileges", kept))


def _privileges(data: Data) -> dict[str, None]:
    parts = types.convert(Definition, data).components.values()
    return dict.fromkeys(word for part in parts for word in used_privileges(part))


# Questions: the plan's parameters


def question(data: Data, name: str, content: Data | None) -> Data:
    """With a question as given, None takes it out. A group may be named by its heading; one that is new is made."""
    made = copy.deepcopy(data)
    if content is not None and (heading := content.get("group", "")):
        groups = made.get("groups", [])
        known = {spelling: one["id"] for one in groups for spelling in (one.get("title"), one["id"])}
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in heading.lower())
        content = {**content, "group": known.get(heading) or plain.strip("-") or "group"}
        if content["group"] not in known.values():
            made["groups"] = [*groups, {"id": content["group"], "title": heading}]
    asked = {**made.get("parameters", {}), name: content}
    return _with(made, "parameters", {one: given for one, given in asked.items() if given is not None})


def headings(data: Data, wanted: Sequence[tuple[str, Data]]) -> Data:
    """With these headings, each with the name it had, "" for a new one; a question whose heading goes stands under
    none."""
    became = dict.fromkeys((one["id"] for one in data.get("groups", [])), "")
    became |= {old: one["id"] for old, one in wanted if old}
    asked = {
        name: _with(one, "group", became.get(one["group"], one["group"])) if "group" in one else one
        for name, one in data.get("parameters", {}).items()
    }
    return _with(_with(data, "parameters", asked), "groups", [one for _, one in wanted])


def rename_question(data: Data, old: str, new: str) -> Data:
    """A question under another name, everywhere."""
    made: Data = _asking(data, old, new)
    asked = {new if name == old else name: one for name, one in made.get("parameters", {}).items()}
    for one in asked.values():
        if "showIf" in one:
            one["showIf"] = conditions.renamed(one["showIf"], old, new)
    return _with(made, "parameters", asked)


def _asking(value: Any, old: str, new: str) -> Any:
    match value:
        case str():
            return references.renamed(value, "params", old, new)
        case {"secret": name} if name == old and len(value) == 1:
            return {"secret": new}
        case dict():
            return {key: _asking(one, old, new) for key, one in value.items()}
        case list():
            return [_asking(one, old, new) for one in value]
    return value


def asked_by(value: Any) -> set[str]:
    """The questions whose answers stand in a value."""
    return _steps(value, "params") | _secrets(value)


def _secrets(value: Any) -> set[str]:
    match value:
        case {"secret": str(name)} if len(value) == 1:
            return {name}
        case dict():
            return set().union(*map(_secrets, value.values()))
        case list():
            return set().union(*map(_secrets, value))
    return set()


def ways_named(value: Any) -> set[str]:
    """The ways in that a value refers to."""
    return _steps(value, "endpoints")


# Names


def free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, or the first of name-2, name-3, ... that is not taken."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found


def _named(value: Any) -> set[str]:
    """The components that a value refers to."""
    return _steps(value, "components")


def _steps(value: Any, root: str) -> set[str]:
    """What is named by the references of one kind in a value."""
    found: set[str] = set()
    with suppress(references.Malformed):
        found = {one.steps[1] for one in references.references(value) if one.root == root and one.steps[1:]}
    return found


def _with(data: Data, key: str, value: Any) -> Data:
    """The key in its place, or as the last; one that holds nothing is left out."""
    return {name: one for name, one in {**data, key: value}.items() if name != key or one}


def _texts(data: Any, change: Callable[[str], str]) -> Any:
    match data:
        case str():
            return change(data)
        case dict():
            return {key: _texts(value, change) for key, value in data.items()}
        case list():
            return [_texts(value, change) for value in data]
    return data
