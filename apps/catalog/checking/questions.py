"""Rules for parameters and the groups they stand in."""

from __future__ import annotations

from collections.abc import Iterator

from apps.catalog import conditions, graph, parameters, references
from apps.catalog.checking.words import unknown
from apps.catalog.format import Definition, Parameter
from apps.cluster import names
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

GENERATED = ("password", "hex", "base64", "uuid")
LENGTHS = (8, 1024)


def problems(definition: Definition, path: str) -> Iterator[Problem]:
    """Everything wrong with them."""
    yield from _groups(definition, path)
    for name, parameter in definition.parameters.items():
        yield from _parameter(definition, name, parameter, path)


def _groups(definition: Definition, path: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for at, group in enumerate(definition.groups):
        yield from refusals.named(f"{path}.groups[{at}].id", group.id, names.dns_label_problem)
        if group.id in seen:
            yield refusals.duplicate(f"{path}.groups[{at}].id", group.id)
        seen.add(group.id)


def _parameter(definition: Definition, name: str, parameter: Parameter, path: str) -> Iterator[Problem]:
    here = f"{path}.parameters[{name}]"
    if not references.STEPS.fullmatch(name) or "." in name:
        yield refusals.invalid(here, name, "a parameter's name is made of letters, digits, '-' and '_'")
    if parameter.type not in parameters.TYPES:
        yield refusals.unsupported(f"{here}.type", parameter.type, parameters.TYPES)
        return
    if parameter.group and parameter.group not in {group.id for group in definition.groups}:
        yield refusals.missing(f"{here}.group", parameter.group)
    wrong = [*_attributes(parameter, here)]
    yield from wrong
    yield from _show_if(definition, name, parameter, here)
    if not wrong and parameter.default is not None and parameter.type != parameters.SECRET:
        yield from parameters.value_problems(parameter, parameter.default, f"{here}.default")


def _attributes(parameter: Parameter, here: str) -> Iterator[Problem]:
    """Attributes that only some types have."""
    kind = parameter.type
    if (kind == "enum") != bool(parameter.options):
        yield refusals.invalid(
            f"{here}.options", len(parameter.options), "an enum has options, nothing else has"
        )
    for bound in ("min", "max"):
        value = getattr(parameter, bound)
        if value is None:
            continue
        if kind not in parameters.MEASURES:
            yield refusals.forbidden(
                f"{here}.{bound}", f"a {kind} has none; lengths are minLength and maxLength"
            )
        elif found := parameters.type_problem(parameter, value):
            yield refusals.invalid(f"{here}.{bound}", value, found)
    if parameter.pattern:
        try:
            parameters.pattern(parameter.pattern)
        except ValueError as error:
            yield refusals.invalid(f"{here}.pattern", parameter.pattern, str(error))
    if kind == parameters.SECRET:
        yield from _secret_attributes(parameter, here)
    elif parameter.generate is not None or parameter.rotatable:
        yield refusals.forbidden(here, "only a secret can be generated or rotated")


def _secret_attributes(parameter: Parameter, here: str) -> Iterator[Problem]:
    if parameter.default is not None:
        yield refusals.forbidden(f"{here}.default", "a secret has no default: it would be everybody's")
    if parameter.generate is not None:
        yield from refusals.one_of(f"{here}.generate.kind", parameter.generate.kind, GENERATED)
        yield from refusals.between(f"{here}.generate.length", parameter.generate.length, *LENGTHS)


def _show_if(definition: Definition, name: str, parameter: Parameter, here: str) -> Iterator[Problem]:
    try:
        wanted = conditions.terms(parameter.show_if)
    except ValueError as error:
        yield refusals.invalid(f"{here}.showIf", parameter.show_if, str(error))
        return
    for term in wanted:
        if term.parameter not in definition.parameters:
            yield unknown(f"{here}.showIf", "parameter", term.parameter, definition.parameters)
    chain = {
        one: [term.parameter for term in _terms(other.show_if)]
        for one, other in definition.parameters.items()
    }
    if name in (way := graph.cycle(chain)):
        yield Problem(f"{here}.showIf", f"parameters ask for each other in a circle: {' -> '.join(way)}")


def _terms(text: str) -> tuple[conditions.Term, ...]:
    try:
        return conditions.terms(text)
    except ValueError:
        return ()
