"""One application: its definition resolved, each component and endpoint rendered, what is needed first coming first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from apps.catalog import graph, references
from apps.catalog.addresses import Addresses
from apps.catalog.format import Component, Definition, Endpoint
from apps.catalog.references import Mixed
from apps.catalog.render import components, size, ways_in
from apps.catalog.render.metadata import Identity, Manifest
from apps.catalog.render.payload import Payload, Recipe
from apps.cluster import types
from apps.cluster.types import Problem

__all__ = ["Identity", "Refused", "Rendered", "render"]


class Refused(Exception):
    """A value does not fit where it is put."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Rendered:
    """The objects of an application in the order in which they start, and the secrets it is made with."""

    objects: tuple[Manifest, ...] = ()
    recipes: tuple[Recipe, ...] = ()
    waits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For a component, the others that it waits for and until which stage."""


def render(
    identity: Identity,
    definition: Definition,
    params: Mapping[str, Any],
    rotations: Mapping[str, int] | None = None,
    images: Mapping[str, str] | None = None,
) -> Rendered:
    """Everything that makes up the application. Raises Refused when a value does not fit.

    ``params`` are those of ``parameters.resolve``; ``rotations`` tells how often each secret was exchanged, ``images``
    what components run instead of the image that the plan says.
    """
    addresses = Addresses(identity.name, identity.namespace, definition, params)
    if found := [*size.problems(definition, addresses)]:
        raise Refused(found)
    edges = graph.edges(definition)
    objects: list[Manifest] = []
    recipes: list[Recipe] = []
    for name in graph.order(definition.components, graph.needs(edges)):
        component, payload = _resolved(name, definition.components[name], addresses)
        component.image = (images or {}).get(name, component.image)
        made = components.render(identity, name, component, payload, rotations or {})
        objects += made.objects
        recipes += made.recipes
    for name, endpoint in definition.endpoints.items():
        objects += ways_in.render(identity, name, _endpoint(name, endpoint, addresses), addresses)
    waits: dict[str, dict[str, str]] = {}
    for edge in edges:
        if edge.after:
            waits.setdefault(edge.of, {})[edge.on] = edge.after
    return Rendered(tuple(objects), tuple(recipes), waits)


def _resolved(name: str, component: Component, addresses: Addresses) -> tuple[Component, Payload]:
    """The component without references; what may hold secrets stands apart."""
    here = f"spec.components[{name}]"
    data = types.bare_data(component)
    env, files, words = data.pop("env", {}), data.pop("files", {}), {}
    for key in ("command", "args"):
        words[key] = references.substitute(data.pop(key, []), addresses.quoted)
    payload = Payload.of(
        {
            **references.substitute(env, addresses.quoted),
            **_secret(references.substitute(env, addresses.value)),
        },
        references.substitute(files, addresses.value),
    )
    # Each text is read once: what was put in must not be taken for a reference.
    plain = references.substitute(data, addresses.value)
    return _typed(Component, {**plain, **words}, here), payload


def _secret(env: Mapping[str, Any]) -> dict[str, Any]:
    """Variables that come from a Secret: there nothing is read as another variable's name."""
    return {name: value for name, value in env.items() if isinstance(value, Mixed)}


def _endpoint(name: str, endpoint: Endpoint, addresses: Addresses) -> Endpoint:
    data = references.substitute(types.bare_data(endpoint), addresses.value)
    return _typed(Endpoint, data, f"spec.endpoints[{name}]")


T = TypeVar("T")


def _typed(cls: type[T], data: Any, here: str) -> T:
    data = types.prune_nulls(data)
    found = [problem._replace(path=f"{here}.{problem.path}") for problem in types.problems(cls, data)]
    if found:
        raise Refused(found)
    return types.convert(cls, data)
