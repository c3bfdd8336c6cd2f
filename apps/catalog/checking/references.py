"""Rules for references: that they name something, and that secrets stand only where they may."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apps.catalog import parameters, references
from apps.catalog.addresses import ROOTS, NotKnown, Offers
from apps.catalog.format import Definition
from apps.catalog.references import Malformed, Reference
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem


def problems(definition: Definition, path: str) -> Iterator[Problem]:
    """Everything wrong with them."""
    offers = Offers(definition)
    places: Iterable[tuple[str, Any, tuple[str, ...], bool]] = (
        (f"{path}.components", definition.components, ROOTS, False),
        (f"{path}.endpoints", definition.endpoints, ("params", "app"), False),
        (f"{path}.checks", definition.checks, ROOTS, True),
        (f"{path}.notes", definition.notes, ROOTS, True),
    )
    for here, value, roots, told in places:
        for field, text in references.scalars(value, here):
            try:
                found = [piece for piece in references.pieces(text) if isinstance(piece, Reference)]
            except Malformed as error:
                yield refusals.invalid(field, text, str(error))
                continue
            for reference in found:
                yield from _one_reference(definition, offers, reference, field, roots=roots, told=told)


def _one_reference(
    definition: Definition,
    offers: Offers,
    reference: Reference,
    field: str,
    *,
    roots: tuple[str, ...],
    told: bool,
) -> Iterator[Problem]:
    try:
        offers.check(reference, roots=roots, told=told)
    except NotKnown as error:
        yield refusals.invalid(field, str(reference), str(error))
        return
    name = reference.steps[1] if reference.root == "params" else ""
    if name and definition.parameters[name].type == parameters.SECRET and not _may_hold_secret(field):
        yield refusals.invalid(field, str(reference), "a secret may stand in env and in files' content only")


def _may_hold_secret(field: str) -> bool:
    inside = field.partition(".components[")[2].partition("]")[2]
    return inside.startswith(".env[") or (inside.startswith(".files[") and inside.endswith("].content"))
