"""How many replicas a component is to have: a parameter says it where the plan names one, else the application. Pure.

So a number that a person chose is part of the revision, and a newer template does not take it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from apps.catalog.checking.words import unknown
from apps.catalog.format import Component, Definition
from apps.catalog.references import Reference, pieces
from apps.catalog.types import ApplicationSpec
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

MOST = 1000


def parameter_of(component: Component) -> str:
    """The parameter that says a component's replicas, "" when none does alone."""
    match pieces(component.replicas) if isinstance(component.replicas, str) else ():
        case (Reference(steps=("params", name)),):
            return name
    return ""


def refusal(component: Component) -> str:
    """Why nobody may say how many replicas it has, in words; "" when somebody may."""
    if component.kind == "job":
        return "a job runs once"
    if component.autoscale is not None:
        bounds = component.autoscale
        return f"an autoscaler decides, by the load, between {bounds.min} and {bounds.max}"
    return ""


def most(component: Component) -> int:
    """A volume has one writer."""
    return 1 if component.volumes else MOST


def scale(spec: ApplicationSpec, component: str, count: int) -> None:
    """Say the number where it belongs; the write refuses what cannot be."""
    known = spec.definition.components if spec.definition is not None else {}
    parameter = parameter_of(known[component]) if component in known else ""
    if parameter:
        spec.parameters = {**spec.parameters, parameter: count}
    else:
        spec.replicas = {**spec.replicas, component: count}


def problems(definition: Definition, replicas: Mapping[str, int]) -> Iterator[Problem]:
    for name, count in replicas.items():
        here, component = f"spec.replicas[{name}]", definition.components.get(name)
        if component is None:
            yield unknown(here, "component", name, definition.components)
        elif why := refusal(component):
            yield refusals.forbidden(here, why)
        elif parameter := parameter_of(component):
            yield refusals.forbidden(here, f"the parameter {parameter} says it")
        elif count > most(component) == 1:
            yield refusals.invalid(here, count, "must be 0 or 1: a volume has one writer")
        else:
            yield from refusals.between(here, count, 0, MOST)


def kept(definition: Definition, replicas: Mapping[str, int], edited: Definition | None) -> dict[str, int]:
    """What another definition leaves of the numbers: those that it has no place for go.

    With ``edited``, which somebody changed by hand into it, also those that it now says itself: the newer word counts.
    """
    before = edited.components if edited is not None else {}

    def stays(name: str) -> bool:
        if [*problems(definition, {name: replicas[name]})]:
            return False
        return name not in before or before[name].replicas == definition.components[name].replicas

    return {name: count for name, count in replicas.items() if stays(name)}


def applied(definition: Definition, replicas: Mapping[str, int]) -> Definition:
    """The definition with these numbers in place of its own."""
    components = {
        name: replace(component, replicas=replicas[name]) if name in replicas else component
        for name, component in definition.components.items()
    }
    return replace(definition, components=components)
