"""What lies between two revisions: objects made, changed, removed, their fields, and what it costs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.catalog.render.metadata import COMPONENT, Manifest
from apps.catalog.standing import WORKLOADS
from apps.catalog.types import RevisionSpec

CREATE, CHANGE, REMOVE = "create", "change", "remove"


@dataclass(frozen=True)
class Field:
    """One value that differs; None stands for "not there"."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """What happens to one object. Secrets show as the names of their parameters, for revisions hold nothing else."""

    verb: str
    kind: str
    name: str
    component: str
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Impact:
    """What a component goes through: ``restarts`` pods, with a gap in service or without."""

    component: str
    words: str
    restarts: int = 0
    downtime: bool = False


def between(old: RevisionSpec | None, new: RevisionSpec | None) -> tuple[Change, ...]:
    """Every object that differs, in the order of the new revision; what goes comes last."""
    before, after = _objects(old), _objects(new)
    found = [_change(before.get(place), manifest) for place, manifest in after.items()]
    gone = [_of(REMOVE, manifest) for place, manifest in before.items() if place not in after]
    return tuple(change for change in (*found, *gone) if change is not None)


def impact_of(old: RevisionSpec | None, new: RevisionSpec) -> tuple[Impact, ...]:
    """What each component goes through when ``new`` follows ``old``."""
    before = {place: one for place, one in _objects(old).items() if place[0] in WORKLOADS}
    after = {place: one for place, one in _objects(new).items() if place[0] in WORKLOADS}
    found = [one for place, manifest in after.items() if (one := _impact(before.get(place), manifest))]
    known = {_component(manifest) for manifest in after.values()}
    gone = [name for manifest in before.values() if (name := _component(manifest)) not in known]
    return (*found, *(Impact(name, f"{name} is removed", downtime=True) for name in gone))


def values_between(old: RevisionSpec | None, new: RevisionSpec) -> tuple[Field, ...]:
    """The parameters whose values differ."""
    before = dict(old.parameters) if old else {}
    names = [*dict.fromkeys((*before, *new.parameters))]
    return tuple(
        Field(name, before.get(name), new.parameters.get(name))
        for name in names
        if before.get(name) != new.parameters.get(name)
    )


def _objects(spec: RevisionSpec | None) -> dict[tuple[str, str], Manifest]:
    """By kind and name. Secrets that are mixed from text and parameters stand among them as they are kept."""
    if spec is None:
        return {}
    found = {(one["kind"], one["metadata"]["name"]): one for one in spec.objects}
    for recipe in spec.secrets:
        content = {
            key: "".join(part if isinstance(part, str) else f"<secret {part.secret}>" for part in parts)
            for key, parts in recipe.data.items()
        }
        found["Secret", recipe.name] = {
            "kind": "Secret", "data": content,
            "metadata": {"name": recipe.name, "labels": {COMPONENT: recipe.component}},
        }  # fmt: skip
    return found


def _component(manifest: Manifest) -> str:
    name: str = manifest["metadata"].get("labels", {}).get(COMPONENT, "")
    return name


def _of(verb: str, manifest: Manifest, fields: Sequence[Field] = ()) -> Change:
    return Change(verb, manifest["kind"], manifest["metadata"]["name"], _component(manifest), tuple(fields))


def _change(old: Manifest | None, new: Manifest) -> Change | None:
    if old is None:
        return _of(CREATE, new)
    fields = [
        field for field in _fields(old, new, "") if not field.path.startswith("metadata.ownerReferences")
    ]
    return _of(CHANGE, new, fields) if fields else None


def _fields(old: Any, new: Any, path: str) -> Iterator[Field]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _fields(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _fields(one, other, f"{path}[{_label(one, index)}]")
    elif old != new:
        yield Field(path, old, new)


def _label(item: Any, index: int) -> str:
    """Items of a list by their names, where they have one."""
    return str(item["name"]) if isinstance(item, Mapping) and "name" in item else str(index)


def _impact(old: Manifest | None, new: Manifest) -> Impact | None:
    name, kind = _component(new), new["kind"]
    if kind == "Job":
        return Impact(name, f"{name} runs once") if old is None else None
    copies = int(new["spec"].get("replicas", 1))
    if old is None:
        return Impact(name, f"{name} starts with {_pods(copies)}")
    had = int(old["spec"].get("replicas", 1))
    if old["spec"]["template"] != new["spec"]["template"]:
        if new["spec"]["strategy"]["type"] == "Recreate":
            return Impact(name, f"{name} stops, then starts anew: a short gap", copies, downtime=True)
        return Impact(name, f"{name} exchanges {_pods(copies)} one after the other, without a gap", copies)
    if had != copies:
        return Impact(name, f"{name} goes from {had} to {_pods(copies)}", downtime=copies == 0)
    return None


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"
