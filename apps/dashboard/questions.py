"""The install form: a field for each parameter, filled from what was typed, with what is wrong beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.catalog import conditions, parameters
from apps.catalog.format import Definition, Parameter
from apps.catalog.parameters import SECRET
from apps.cluster.types import Problem

WIDGETS = {
    "boolean": "switch",
    "enum": "select",
    "integer": "number",
    "port": "number",
    "text": "area",
    SECRET: "secret",
}
PREFIX = "p-"


@dataclass(frozen=True)
class Field:
    """One question. ``asks`` is what the page evaluates to show or hide it: pairs of a name and a value."""

    name: str
    label: str
    widget: str
    value: Any
    help: str = ""
    example: str = ""
    problem: str = ""
    required: bool = False
    fixed: bool = False
    unit: str = ""
    low: Any = None
    high: Any = None
    options: tuple[tuple[str, str, bool], ...] = ()
    asks: tuple[tuple[str, str], ...] = ()
    rotatable: bool = False
    generated: bool = False

    @property
    def id(self) -> str:
        return f"{PREFIX}{self.name}"


@dataclass(frozen=True)
class Section:
    title: str
    fields: tuple[Field, ...]
    folded: bool = False


def sections(
    definition: Definition,
    values: Mapping[str, Any],
    problems: Iterable[Problem] = (),
    *,
    installed: bool = False,
) -> list[Section]:
    """The form in its groups; parameters of no group come first, advanced ones fold."""
    wrong = {problem.path: problem.message for problem in problems}
    groups: dict[str, list[Field]] = {"": []}
    for group in definition.groups:
        groups[group.id] = []
    for name, parameter in definition.parameters.items():
        key = "advanced" if parameter.advanced and not parameter.group else parameter.group
        problem = wrong.get(f"spec.parameters[{name}]", "")
        groups.setdefault(key, []).append(_field(name, parameter, values, problem, installed=installed))
    titles = {group.id: (group.title or group.id, group.collapsed) for group in definition.groups}
    titles |= {"": ("", False), "advanced": ("Advanced", True)}
    return [
        Section(titles[key][0], tuple(fields), titles[key][1] and not any(field.problem for field in fields))
        for key, fields in groups.items()
        if fields
    ]


def _field(
    name: str, parameter: Parameter, values: Mapping[str, Any], problem: str, *, installed: bool
) -> Field:
    value = values.get(name, parameter.default)
    return Field(
        name=name,
        label=parameter.label or name,
        widget=WIDGETS.get(parameter.type, "line"),
        value="" if value is None else value,
        help=parameter.help,
        example=parameter.example,
        problem=problem,
        required=parameter.required,
        fixed=installed and parameter.immutable,
        low=parameter.min,
        high=parameter.max,
        options=tuple(
            (str(one.value), one.label or str(one.value), one.value == value) for one in parameter.options
        ),
        asks=tuple((term.parameter, _spelled(term.value)) for term in conditions.terms(parameter.show_if)),
        rotatable=parameter.rotatable,
        generated=parameter.generate is not None,
    )


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def typed(definition: Definition, form: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values and secrets of a form that was sent. What equals the default is left out, so that a later template may
    change it; what is not asked for is left out too."""
    values: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for name, parameter in definition.parameters.items():
        text = form.get(f"{PREFIX}{name}", "").replace("\r\n", "\n")
        if parameter.type == SECRET:
            if text:
                secrets[name] = text
        elif parameter.type == "boolean":
            values[name] = text == "true"
        elif text != "":
            values[name] = parameters.read(parameter, text)
    shown = parameters.asked(definition.parameters, {**_defaults(definition), **values})
    return {
        name: value
        for name, value in values.items()
        if shown[name] and value != definition.parameters[name].default
    }, secrets


def _defaults(definition: Definition) -> dict[str, Any]:
    return {name: one.default for name, one in definition.parameters.items()}


def unplaced(problems: Sequence[Problem], definition: Definition) -> list[Problem]:
    """What is wrong with nothing that the form asks."""
    asked = {f"spec.parameters[{name}]" for name in definition.parameters}
    return [problem for problem in problems if problem.path not in asked]
