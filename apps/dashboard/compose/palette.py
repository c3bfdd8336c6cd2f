"""What can be put on the canvas: an image, a few usual kinds, and every component of the catalog's templates. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from apps.catalog import graph
from apps.catalog.format import Definition
from apps.cluster import documents, types
from apps.dashboard.compose import connecting, edits
from apps.dashboard.compose.edits import Data


class Starter(msgspec.Struct, frozen=True):
    """One entry of the palette: a component of a plan, which may bring others with it."""

    id: str
    title: str
    icon: str
    says: str
    component: str
    plan: Data


@cache
def starters() -> tuple[Starter, ...]:
    (found,) = documents.read(Path(__file__).with_name("starters.yaml").read_bytes())
    return tuple(msgspec.convert(one, Starter) for one in found)


def of_template(name: str, definition: Definition) -> list[Starter]:
    """The components of a template of the catalog."""
    known = set(Definition.__struct_encode_fields__)
    plan = {key: value for key, value in types.to_data(definition).items() if key in known}
    return [
        Starter(f"{name}/{component}", component, "pod", content.image, component, plan)
        for component, content in definition.components.items()
    ]


def of_image(image: str) -> Starter:
    """A component made from an image, with the port it is known for."""
    content: Data = {"image": image}
    if usual := connecting.usual_port(image):
        content["ports"] = dict([usual])
    name = connecting.name_of_image(image)
    return Starter("image", name, "pod", "", name, {"components": {name: content}})


@dataclass(frozen=True)
class Brought:
    """The draft with what was added: the component that was asked for, and what it brought along."""

    data: Data
    name: str
    along: tuple[str, ...]


def bring_in(data: Data, starter: Starter, name: str = "") -> Brought:
    """A component with those it needs, the parameters they ask for and its ways in; taken names get a number."""
    plan = copy.deepcopy(starter.plan)
    made = copy.deepcopy(data)
    wanted = _closure(plan, starter.component)
    there = made.setdefault("components", {})
    names: dict[str, str] = {}
    for old in wanted:
        others = dict.fromkeys([*names.values(), *(one for one in wanted if one != old)])
        names[old] = edits.free(name if old == starter.component and name else old, {**there, **others})
    plan["components"] = {old: plan["components"][old] for old in wanted}
    plan["endpoints"] = {
        way: one for way, one in plan.get("endpoints", {}).items() if one["component"] == starter.component
    }
    plan.pop("checks", None)
    plan.pop("notes", None)
    for old, new in names.items():
        plan = edits.rename(plan, old, new)
    plan = _with_parameters(made, plan)
    there.update(plan["components"])
    _add_ways(made, plan["endpoints"])
    new = names[starter.component]
    return Brought(edits.declared(made, data), new, tuple(other for other in names.values() if other != new))


def _closure(plan: Data, component: str) -> tuple[str, ...]:
    """The component and all that it needs, in the plan's order."""
    needed = graph.needs(graph.edges(types.convert(Definition, plan)))
    found: set[str] = set()
    open_ = [component]
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += needed.get(name, ())
    return tuple(name for name in plan["components"] if name in found)


def _with_parameters(made: Data, plan: Data) -> Data:
    """Put the parameters that are asked for into the draft; one that means something else there gets another name."""
    asked = plan.get("parameters", {})
    for old in _asked((plan["components"], plan["endpoints"]), asked):
        there = made.get("parameters", {})
        new = old if there.get(old, asked[old]) == asked[old] else edits.free(old, there)
        made["parameters"] = {**there, new: asked[old]}
        plan = edits.rename_question(plan, old, new)
        group = asked[old].get("group", "")
        known = [one["id"] for one in made.get("groups", [])]
        if group and group not in known:
            made["groups"] = made.get("groups", []) + [
                one for one in plan.get("groups", []) if one["id"] == group
            ]
    return plan


def _asked(values: Any, parameters: Mapping[str, Data]) -> Iterable[str]:
    """The parameters that values refer to, and those that these are shown by, in order."""
    named = edits.asked_by([*values])
    for name in [*named]:
        named |= {
            other for other in parameters if other in parameters.get(name, {}).get("showIf", "").split()
        }
    return [name for name in parameters if name in named]


def _add_ways(made: Data, ways: Mapping[str, Data]) -> None:
    there = made.get("endpoints", {})
    for way, one in ways.items():
        content = {key: value for key, value in one.items() if key != "primary"}
        if not there:
            content["primary"] = True
        there[edits.free(way, there)] = content
    if there:
        made["endpoints"] = there
