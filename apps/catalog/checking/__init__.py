"""What is wrong with a definition, each rule with its field, whatever values its parameters get. Pure."""

from __future__ import annotations

from apps.catalog import graph
from apps.catalog.checking import components, questions, reach, references, requirements
from apps.catalog.format import Definition
from apps.cluster.types import Problem


def problems(definition: Definition, path: str = "spec") -> list[Problem]:
    """Everything wrong with it. A circle of components is told once the rest is right."""
    found = [
        *requirements.problems(definition, path),
        *questions.problems(definition, path),
        *components.problems(definition, path),
        *reach.problems(definition, path),
        *references.problems(definition, path),
    ]
    if not found and (way := graph.cycle(graph.needs(graph.edges(definition)))):
        found.append(
            Problem(f"{path}.components", f"components need each other in a circle: {' -> '.join(way)}")
        )
    return found
