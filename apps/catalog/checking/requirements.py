"""Rules for what a definition says it requires of a cluster."""

from __future__ import annotations

from collections.abc import Iterator

from apps.catalog import parameters, versions
from apps.catalog.checking.words import literal
from apps.catalog.format import Definition
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

NODES = (1, 10_000)
PRIVILEGES = ("privileged", "hostNetwork", "hostPath", "capabilities")


def problems(definition: Definition, path: str) -> Iterator[Problem]:
    """Everything wrong with it."""
    wanted, here = definition.requires, f"{path}.requires"
    yield from refusals.between(f"{here}.nodes", wanted.nodes, *NODES)
    for name in ("cpu", "memory"):
        yield from literal(getattr(wanted, name), f"{here}.{name}", parameters.TEXT_TYPES["size"])
    if wanted.platform and not versions.are_some(wanted.platform):
        yield refusals.invalid(f"{here}.platform", wanted.platform, versions.RULE)
    for index, word in enumerate(wanted.privileges):
        yield from refusals.one_of(f"{here}.privileges[{index}]", word, PRIVILEGES)
