"""What lies between two revisions: objects and files made, changed, removed, their fields and lines, and what it costs.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from io import StringIO
from typing import Any

from apps.catalog.render.given import File, Given, read_back
from apps.catalog.render.metadata import COMPONENT, Manifest
from apps.catalog.standing import WORKLOADS
from apps.catalog.types import RevisionSpec

CREATE, CHANGE, REMOVE = "create", "change", "remove"
FILE = "File"
NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True)
class Field:
    """One value that differs; None stands for "not there"."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """What happens to one object, or to one file of a component (its name is ``component:/path``).

    Secrets show as the names of their parameters, for revisions hold nothing else.
    """

    verb: str
    kind: str
    name: str
    component: str
    fields: tuple[Field, ...] = ()
    lines: tuple[str, ...] = ()
    """Of a changed file those that differ, with some around them, as ``diff -u`` has it."""


@dataclass(frozen=True)
class Impact:
    """What a component goes through: ``restarts`` pods, with a gap in service or without."""

    component: str
    words: str
    restarts: int = 0
    downtime: bool = False


def between(old: RevisionSpec | None, new: RevisionSpec | None) -> tuple[Change, ...]:
    """Everything that differs, in the order of the new revision, files before objects; what goes comes last."""
    was, is_ = _given(old), _given(new)
    files = [_of_file(place, was.files.get(place), file) for place, file in is_.files.items()]
    lost = [_file(REMOVE, *place) for place in was.files if place not in is_.files]
    before, after = _by_place(was.objects), _by_place(is_.objects)
    found = [_change(before.get(place), manifest) for place, manifest in after.items()]
    gone = [_of(REMOVE, manifest) for place, manifest in before.items() if place not in after]
    return tuple(change for change in (*files, *found, *lost, *gone) if change is not None)


def impact_of(old: RevisionSpec | None, new: RevisionSpec) -> tuple[Impact, ...]:
    """What each component goes through when ``new`` follows ``old``."""
    before, after = _workloads(old), _workloads(new)
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


def _given(spec: RevisionSpec | None) -> Given:
    return read_back(spec.objects, spec.secrets) if spec is not None else Given([], {})


def _by_place(objects: Iterable[Manifest]) -> dict[tuple[str, str], Manifest]:
    """By kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def _workloads(spec: RevisionSpec | None) -> dict[tuple[str, str], Manifest]:
    return _by_place(one for one in (spec.objects if spec else ()) if one["kind"] in WORKLOADS)


def _component(manifest: Manifest) -> str:
    name: str = manifest["metadata"].get("labels", {}).get(COMPONENT, "")
    return name


def _of(verb: str, manifest: Manifest, fields: Sequence[Field] = ()) -> Change:
    return Change(verb, manifest["kind"], manifest["metadata"]["name"], _component(manifest), tuple(fields))


def _file(verb: str, component: str, path: str, **more: Any) -> Change:
    return Change(verb, FILE, f"{component}:{path}", component, **more)


def _of_file(place: tuple[str, str], old: File | None, new: File) -> Change | None:
    if old is None:
        return _file(CREATE, *place)
    mode = () if old.mode == new.mode else (Field("mode", old.mode, new.mode),)
    return None if old == new else _file(CHANGE, *place, fields=mode, lines=_lines(old.content, new.content))


def _lines(old: str, new: str) -> tuple[str, ...]:
    if old == new:
        return ()
    _, _, *found = unified_diff([*StringIO(old)], [*StringIO(new)])
    return tuple(
        part
        for line in found
        for part in ([line.removesuffix("\n")] if line.endswith("\n") else [line, NO_NEWLINE])
    )


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
